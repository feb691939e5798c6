"""The sampling loop: denoises overlapping windows with ControlNet and UNet, step by step.

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
    """State after a sampling step; the tensors are on the compute device and may be kept."""

    number: int  # from 1
    total: int
    latents: Tensor  # (F+1, 4, h, w), noisy
    denoised: Tensor  # (F+1, 4, h, w), current estimate of the result, for previews


OnStep = Callable[[Step], None]


def no_preview(step: Step) -> None:
    """Default `OnStep` that does nothing."""


@dataclass(frozen=True, eq=False)
class Guidance:
    """Encoded guidance of a sequence; the per-frame parts are on the CPU.

    Attributes:
        image: conditioning on the reference image.
        hints: ControlNet hints. Optional; without them the ControlNet is not run.
        pose: (F+1, C0, h, w) pose latents. Optional; without them pose guidance is off.
    """

    image: ImageConditioning
    hints: ControlHints | None
    pose: Tensor | None


class CfgBatch(NamedTuple):
    """Cond and uncond rows that run in one batch (B of the two), with their constants."""

    rows: slice  # rows of (uncond, cond)
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
    """Denoise latents.

    Latents are float32 between steps; the official code keeps them in the networks' dtype.

    Args:
        unet, controlnet: on one device, in one dtype.
        noise: (F+1, 4, h, w) standard normal.
        windows: windows that cover all frames, in any order.
        options: steps, guidance scale and strengths.
        on_window: called after each window, counted over all steps; may raise to cancel.
        on_step: called after each step; may raise to cancel.

    Returns:
        (F+1, 4, h, w) on the networks' device.

    Raises:
        NetworkError: a prediction is not finite; the message names step and window.
    """
    device, dtype = unet.device, unet.dtype
    latent_dtype = dtype if options.official else torch.float32
    schedule = euler_schedule(options.steps, options.official and dtype == torch.float16)
    batches = prepare_cfg_batches(unet, controlnet, guidance, windows.length, options)
    weights = windows.weights.to(device).view(-1, 1, 1, 1)
    total_weights = windows.total_weights().to(device).view(-1, 1, 1, 1)
    scale = torch.linspace(options.min_guidance, options.max_guidance, len(noise), device=device)
    scale = scale.view(-1, 1, 1, 1)

    x = (noise.to(device) * schedule.init_noise_sigma).to(latent_dtype)
    for number, timestep in enumerate(schedule.timesteps.tolist(), 1):
        scaled = schedule.scale_model_input(x, timestep)
        predicted = x.new_zeros(2 if options.guided else 1, *x.shape, dtype=torch.float32)
        for index, frames in enumerate(windows.frames, 1):
            rows = frames.to(device)
            for batch in batches:
                window = predict_window(
                    unet, controlnet, scaled[rows], timestep, batch, guidance, frames.tolist(),
                    options.control_strength,
                )  # fmt: skip
                if not window.isfinite().all():
                    raise NetworkError(_not_finite(number, options.steps, index, windows))
                predicted[batch.rows].index_add_(1, rows, window.float() * weights)
            on_window((number - 1) * len(windows) + index, options.steps * len(windows))
        predicted /= total_weights
        v = predicted[-1]
        if options.guided:
            v = predicted[0] + scale * (predicted[1] - predicted[0])
        result: Any = schedule.step(v, timestep, x)
        x = result.prev_sample.to(latent_dtype)
        on_step(Step(number, options.steps, x, result.pred_original_sample))
    return x


def prepare_cfg_batches(
    unet: MimicMotionUNet,
    controlnet: HybridControlNet,
    guidance: Guidance,
    length: int,
    options: SamplingOptions,
) -> list[CfgBatch]:
    """Batches of cond and uncond that each window is run in."""
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
