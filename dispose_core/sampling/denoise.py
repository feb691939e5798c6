"""The sampling loop: windows of a clip through ControlNet and UNet, step by step.

See docs/reference_behaviour.md#sampling-step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import NetworkError
from ..guidance.control_hints import ControlHints, window_residuals
from ..models.controlnet import HybridControlNet
from ..models.mimicmotion import MimicMotionUNet
from ..models.svd_unet import CachedConditioning
from ..progress import Progress, no_progress
from .conditioning import ImageConditioning, added_ids, cfg_batch
from .options import SamplingOptions
from .schedule import euler_schedule
from .windows import ContextWindows


class Step(NamedTuple):
    """Where a run stands after a step; the tensors are on its device and may be kept."""

    number: int  # from 1
    total: int
    latents: Tensor  # (F+1, 4, h, w), still noisy
    denoised: Tensor  # (F+1, 4, h, w), what they are expected to become: to look at


OnStep = Callable[[Step], None]


def no_preview(step: Step) -> None:
    """The `OnStep` of a caller who does not ask."""


@dataclass(frozen=True, eq=False)
class Guidance:
    """All that guides a clip, encoded; the per-frame parts are on the CPU.

    Attributes:
        image: the reference's conditioning.
        hints: for the ControlNet; None leaves it out.
        pose: (F+1, C0, h, w) PoseNet's latents; None leaves them out.
    """

    image: ImageConditioning
    hints: ControlHints | None
    pose: Tensor | None


class CfgBatch(NamedTuple):
    """Guidance halves that run in one batch, B of the two, and what is constant for them."""

    rows: slice  # which of the halves: unconditional, conditional
    image: Tensor  # (B, 1, 4, h, w)
    unet: CachedConditioning
    controlnet: CachedConditioning | None
    pose_strength: tuple[float, ...]


@torch.no_grad()
def denoise(
    unet: MimicMotionUNet,
    controlnet: HybridControlNet,
    noise: Tensor,
    guidance: Guidance,
    windows: ContextWindows,
    options: SamplingOptions,
    on_window: Progress = no_progress,
    on_step: OnStep = no_preview,
) -> Tensor:
    """Noise to latents.

    Between steps latents are kept in float32; the official code keeps them in the networks' dtype.

    Args:
        unet, controlnet: on one device, in one dtype.
        noise: (F+1, 4, h, w) standard normal.
        guidance: of the clip.
        windows: covering it, in any order.
        options: steps, guidance scale and strengths.
        on_window: called after each window, over all steps; may raise to cancel.
        on_step: called after each step; may raise to cancel.

    Returns:
        (F+1, 4, h, w) on the networks' device.

    Raises:
        NetworkError: a prediction is not finite; the message says in which step and window.
    """
    device, dtype = unet.device, unet.dtype
    kept = dtype if options.official else torch.float32
    schedule = euler_schedule(options.steps, options.official and dtype == torch.float16)
    batches = prepare_cfg_batches(unet, controlnet, guidance, windows.length, options)
    weights = windows.weights.to(device).view(-1, 1, 1, 1)
    total_weights = windows.total_weights().to(device).view(-1, 1, 1, 1)
    scale = torch.linspace(options.min_guidance, options.max_guidance, len(noise), device=device)
    scale = scale.view(-1, 1, 1, 1)

    x = (noise.to(device) * schedule.init_noise_sigma).to(kept)
    for number, timestep in enumerate(schedule.timesteps.tolist(), 1):
        scaled = schedule.scale_model_input(x, timestep)
        predicted = x.new_zeros(2 if options.guided else 1, *x.shape, dtype=torch.float32)
        for index, frames in enumerate(windows.frames, 1):
            where = frames.to(device)
            for batch in batches:
                window = predict_window(
                    unet, controlnet, scaled[where], timestep, batch, guidance, frames.tolist(),
                    options.control_strength,
                )  # fmt: skip
                if not window.isfinite().all():
                    raise NetworkError(_not_finite(number, options.steps, index, windows))
                predicted[batch.rows].index_add_(1, where, window.float() * weights)
            on_window((number - 1) * len(windows) + index, options.steps * len(windows))
        predicted /= total_weights
        v = predicted[-1]
        if options.guided:
            v = predicted[0] + scale * (predicted[1] - predicted[0])
        after: Any = schedule.step(v, timestep, x)
        x = after.prev_sample.to(kept)
        on_step(Step(number, options.steps, x, after.pred_original_sample))
    return x


def prepare_cfg_batches(
    unet: MimicMotionUNet,
    controlnet: HybridControlNet,
    guidance: Guidance,
    length: int,
    options: SamplingOptions,
) -> list[CfgBatch]:
    """The batches of guidance halves that each window is run in."""
    embedding = cfg_batch(guidance.image.embedding, options.guided)
    image = cfg_batch(guidance.image.latents[None].to(unet.device), options.guided)
    ids = added_ids(options).to(unet.device).expand(len(embedding), -1)
    strengths = (0.0, options.pose_strength)[-len(embedding) :]

    count = 1 if options.split_cfg else len(embedding)
    batches = []
    for start in range(0, len(embedding), count):
        rows = slice(start, start + count)

        def constants(network: MimicMotionUNet | HybridControlNet, rows=rows) -> CachedConditioning:
            return network.constants(embedding[rows], ids[rows], length, options.official)

        batches.append(
            CfgBatch(
                rows,
                image[rows, None],
                constants(unet),
                constants(controlnet) if guidance.hints is not None else None,
                strengths[rows],
            )
        )
    return batches


def predict_window(
    unet: MimicMotionUNet,
    controlnet: HybridControlNet,
    latents: Tensor,
    timestep: float,
    batch: CfgBatch,
    guidance: Guidance,
    frames: list[int],
    control_strength: float,
) -> Tensor:
    """The v-prediction (B, n, 4, h, w) of a window's scaled latents (n, 4, h, w)."""
    noisy = latents.expand(len(batch.image), *latents.shape)
    image = batch.image.expand(-1, len(latents), -1, -1, -1)
    sample = torch.cat([noisy.to(unet.dtype), image.to(unet.dtype)], dim=2)
    residuals = None
    if guidance.hints is not None and batch.controlnet is not None:
        residuals = window_residuals(
            controlnet, sample, timestep, batch.controlnet, guidance.hints, frames, control_strength
        )
    pose = None
    if guidance.pose is not None:
        pose = guidance.pose[frames].to(unet.device, unet.dtype)
    return unet(sample, timestep, batch.unet, pose, batch.pose_strength, residuals)


def _not_finite(step: int, steps: int, window: int, windows: ContextWindows) -> str:
    frames = windows.frames[window - 1]
    return (
        f"sampling: the prediction of step {step} of {steps}, window {window} of {len(windows)} "
        f"(frames {int(frames[1:].min())}…{int(frames[1:].max())}) is not finite. Run the "
        "networks in bfloat16 or float32; if it happens there too, a weights file is damaged."
    )
