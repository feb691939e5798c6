"""The noise schedule against the official one."""

from __future__ import annotations

import json

import pytest
import torch
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.sampling.schedule import euler_schedule
from tests.rule_weights import rnd
from tests.tiny_nets import GOLDENS

GOLDEN = json.loads((GOLDENS / "18_scheduler.json").read_text())
RELATIVE = {"atol": 0, "rtol": 1e-5}


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 25, 50])
def test_passes_the_official_noise_levels(steps):
    schedule, expected = euler_schedule(steps), GOLDEN[f"steps_{steps}"]

    assert_close(schedule.sigmas, torch.tensor(expected["sigmas"]), **RELATIVE)
    assert_close(schedule.timesteps, torch.tensor(expected["timesteps"]), **RELATIVE)
    assert float(schedule.init_noise_sigma) == pytest.approx(expected["init_noise_sigma"], rel=1e-5)


def test_official_half_precision_rounds_the_timesteps_alone():
    schedule, expected = (
        euler_schedule(25, half_timesteps=True),
        GOLDEN["steps_25_default_dtype_fp16"],
    )

    assert schedule.timesteps.tolist() == expected["timesteps"]
    assert_close(schedule.sigmas, torch.tensor(GOLDEN["steps_25"]["sigmas"]), **RELATIVE)


@pytest.mark.parametrize("half_timesteps", [False, True])
def test_steps_as_the_official_sampler_does(half_timesteps):
    # Rounded timesteps are for the networks; they do not change the step.
    schedule = euler_schedule(25, half_timesteps)
    x = rnd("sched_x0", (1, 2, 4, 3, 3)) * schedule.init_noise_sigma
    expected = {frame["step"]: frame["x"] for frame in GOLDEN["trace_25"]["steps"]}
    for step, timestep in enumerate(schedule.timesteps.tolist()):
        v = schedule.scale_model_input(x, timestep).tanh() * 0.7 + 0.1
        x = schedule.step(v, timestep, x).prev_sample
        if step in expected:
            assert_close(x.flatten()[:8], torch.tensor(expected[step]), atol=1e-6, rtol=1e-5)
    assert expected


def test_no_steps_are_refused():
    with pytest.raises(NetworkError, match="0 steps; needed at least 1"):
        euler_schedule(0)
