"""The sampling loop round networks whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from dispose_core.sampling.conditioning import ImageConditioning
from dispose_core.sampling.denoise import Guidance, denoise
from dispose_core.sampling.options import SamplingOptions
from dispose_core.sampling.windows import context_windows

OPTIONS = SamplingOptions(steps=1, min_guidance=1.0, max_guidance=3.0)
UNGUIDED = replace(OPTIONS, min_guidance=1.0, max_guidance=1.0)


class Network:
    """A UNet that predicts the number of its call, and 0 for the unconditional half."""

    device = torch.device("cpu")

    def __init__(self, dtype: torch.dtype = torch.float32):
        self.dtype = dtype
        self.times: list[float] = []
        self.pose_strengths: list[tuple[float, ...]] = []

    def constants(self, embedding: Tensor, ids: Tensor, *_: Any) -> Tensor:
        return embedding[:, :, :1, None, None]  # 0 and 1, of the halves

    def __call__(self, sample: Tensor, timestep: float, batch: Tensor, *rest: Any) -> Tensor:
        self.times.append(timestep)
        self.pose_strengths.append(rest[1])
        return (len(self.times) * batch).expand_as(sample[:, :, :4]).to(self.dtype)


def run(network: Network, options: SamplingOptions, frames: int = 3, length: int = 3) -> list:
    """The steps from latents of 0: what is expected of them is minus the prediction, nearly."""
    image = ImageConditioning(torch.ones(1, 1, 2), torch.zeros(4, 2, 2))
    steps: list = []
    denoise(
        network,
        network,
        torch.zeros(frames, 4, 2, 2),
        Guidance(image, None, None),
        context_windows(frames, length, 1),
        options,
        on_step=steps.append,
    )
    return steps


def predictions(steps: list) -> list[float]:
    return (-steps[0].denoised[:, 0, 0, 0]).tolist()


def test_guidance_rises_along_the_clip():
    assert predictions(run(Network(), OPTIONS)) == pytest.approx([1, 2, 3], abs=1e-4)


def test_a_frame_of_several_windows_gets_their_mean():
    # Windows of frames 0 and 1, and 0 and 2.
    found = predictions(run(Network(), UNGUIDED, length=2))

    assert found == pytest.approx([1.5, 1, 2], abs=1e-4)


def test_the_unconditional_half_sees_no_poses():
    settings = replace(OPTIONS, pose_strength=0.7)
    for options, wanted in (
        (settings, [(0.0, 0.7)]),
        (replace(settings, split_cfg=True), [(0.0,), (0.7,)]),
        (replace(settings, max_guidance=1.0), [(0.7,)]),
    ):
        network = Network()
        run(network, options)
        assert network.pose_strengths == wanted


def test_latents_stay_in_float32_between_steps_but_in_reference_mode():
    batch = torch.bfloat16

    (step,) = run(Network(batch), UNGUIDED)
    assert step.latents.dtype == torch.float32
    (step,) = run(Network(batch), replace(UNGUIDED, official=True))
    assert step.latents.dtype == batch


def test_times_are_rounded_as_the_official_float16_runs_have_them_and_nowhere_else():
    def times(dtype: torch.dtype, official: bool) -> list[float]:
        network = Network(dtype)
        run(network, replace(UNGUIDED, steps=3, official=official))
        return network.times

    exact = times(torch.float32, False)
    rounded = torch.tensor(exact).half().tolist()
    assert rounded != exact
    assert times(torch.float16, True) == rounded
    assert times(torch.float16, False) == times(torch.bfloat16, True) == exact
