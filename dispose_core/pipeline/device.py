"""Resolve device and dtype settings, "auto" included."""

from __future__ import annotations

import torch

from ..errors import SettingsError

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """Return the device after checking that it works; "auto" is the GPU if there is one.

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
    """Default dtype of `DisPosePipeline`: that of the UNet's file, but float32 on a CPU.

    Args:
        stored: dtype of the UNet's file, if known.
    """
    if device.type == "cpu" or stored not in DTYPES.values():
        return torch.float32
    assert stored is not None
    return stored


def dtype_name(dtype: torch.dtype) -> str:
    """Name of a type on the command line, a key of `DTYPES`."""
    return next(name for name, value in DTYPES.items() if value == dtype)
