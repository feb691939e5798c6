"""DisPose's context windows as a ComfyUI context handler; every window starts with the reference.

Contract of ComfyUI 0.3.64 and later: `comfy/context_windows.py`.
"""

from __future__ import annotations

from typing import Any

import comfy.context_windows as stock
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...dispose_core.sampling.windows import context_windows, triangle
from .control import DisPoseControl

NAME = "dispose_anchored"


class AnchoredWindows(stock.IndexListContextHandler):
    """Windows and weights of docs/reference_behaviour.md#context-windows.

    A sequence no longer than a window is run as a whole.
    """

    def __init__(self, length: int, overlap: int):
        super().__init__(
            stock.ContextSchedule(NAME, _frames),
            stock.ContextFuseMethod(NAME, _weights),
            context_length=length,
            context_overlap=overlap,
            dim=0,
        )
        # Newer versions would prepend the previous frame to a window.
        self.causal_window_fix = False

    def set_step(self, timestep: Tensor, model_options: dict[str, Any]) -> None:
        """Set the step whose sigma is nearest.

        The stock method of 0.3.64 compares the schedule with per-frame timesteps, and fails for
        sigmas between two steps, which dpm_2 and SDE samplers use.
        """
        sigmas = model_options["transformer_options"]["sample_sigmas"]
        self._step = int(torch.argmin((sigmas - timestep.flatten()[0].to(sigmas)).abs()))

    def get_context_windows(self, model: Any, x_in: Tensor, model_options: dict[str, Any]) -> list:
        windows = super().get_context_windows(model, x_in, model_options)
        for window in windows:
            window.total_frames = x_in.size(self.dim)  # as in newer versions
        return windows


def with_windows(model: ModelPatcher, length: int, overlap: int) -> ModelPatcher:
    """Return a copy of a MODEL that is sampled in anchored windows.

    Raises:
        NetworkError: length or overlap out of range.
    """
    context_windows(length, length, overlap)  # validates the ranges
    windowed = model.clone()
    windowed.model_options["context_handler"] = AnchoredWindows(length, overlap)
    # The model and our controls need memory for one window, not for all frames.
    stock.create_prepare_sampling_wrapper(windowed)
    windowed.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, NAME, _tell_controls)
    return windowed


def _tell_controls(executor: Any, model: Any, noise_shape: Any, conds: dict, **kwargs: Any) -> Any:
    handler = kwargs["model_options"].get("context_handler")
    if isinstance(handler, AnchoredWindows):
        for control in _controls(conds):
            control.window_length = handler.context_length
    return executor(model, noise_shape, conds, **kwargs)


def _controls(conds: dict[str, list[dict]]) -> list[DisPoseControl]:
    found = []
    for condition in (one for several in conds.values() for one in several):
        control = condition.get("control")
        while control is not None:
            if isinstance(control, DisPoseControl):
                found.append(control)
            control = control.previous_controlnet
    return found


def _frames(num_frames: int, handler: AnchoredWindows, model_options: dict) -> list[list[int]]:
    return context_windows(
        num_frames, handler.context_length, handler.context_overlap
    ).frames.tolist()


def _weights(length: int, **_: Any) -> list[float]:
    return triangle(length).tolist()
