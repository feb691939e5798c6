"""SVD's noise schedule."""

from __future__ import annotations

import torch
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

from ..errors import NetworkError

SIGMA_MIN, SIGMA_MAX = 0.002, 700.0


def euler_schedule(steps: int, half_timesteps: bool = False) -> EulerDiscreteScheduler:
    """diffusers' Euler scheduler with the released model's settings.

    See docs/reference_behaviour.md#scheduler. Karras sigmas from 700 to 0.002 and then 0,
    v-prediction, timesteps 0.25 ln(sigma). The scheduler is stateful; create one for each run.

    Args:
        half_timesteps: round timesteps to float16, as in official runs in half precision. Sigmas
            stay float32.

    Raises:
        NetworkError: fewer than one step.
    """
    if steps < 1:
        raise NetworkError(f"sampling: {steps} steps; needed at least 1, the paper takes 25.")
    schedule = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="leading",
        timestep_type="continuous",
        steps_offset=1,
        use_karras_sigmas=True,
        sigma_min=SIGMA_MIN,
        sigma_max=SIGMA_MAX,
    )
    schedule.set_timesteps(steps)
    if half_timesteps:
        schedule.timesteps = schedule.timesteps.to(torch.float16).float()
    return schedule
