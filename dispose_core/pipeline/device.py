"""The device and precision that "auto" stands for."""

from __future__ import annotations

import torch

from ..errors import SettingsError

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """The device of that name, known to work; "auto" is the GPU where there is one.

    Raises:
        SettingsError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as e:
        reason = str(e).splitlines()[0]
        raise SettingsError(
            f"device is {name}, which cannot be used ({reason}). Use auto, cpu or cuda."
        ) from e
    return device


def choose_dtype(stored: torch.dtype | None, device: torch.device) -> torch.dtype:
    """What `DisPosePipeline` takes by itself: the file's own, on a CPU float32.

    Args:
        stored: of the UNet's file; None where there is none.
    """
    if device.type == "cpu" or stored not in DTYPES.values():
        return torch.float32
    assert stored is not None
    return stored


def dtype_name(dtype: torch.dtype) -> str:
    """As users name it."""
    return next(name for name, value in DTYPES.items() if value == dtype)
