"""Where networks live and in which precision: ComfyUI's memory management decides."""

from __future__ import annotations

from typing import NamedTuple

import comfy.model_management as management
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

DEFAULT = "default"
# What a user may ask a loader for; fp8 halves the memory of fp16 and costs some precision.
DTYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}
_COMPUTABLE = [torch.float16, torch.bfloat16, torch.float32]


class Precision(NamedTuple):
    stored: torch.dtype
    computed: torch.dtype


def precision(choice: str, of_file: torch.dtype, parameters: int) -> Precision:
    """What a network is kept and run in.

    Args:
        choice: a key of `DTYPES`, or `DEFAULT` for what ComfyUI would take for a model.
        of_file: the file's dtype.
        parameters: how many the network has.
    """
    stored = DTYPES.get(choice) or management.unet_dtype(
        model_params=parameters, supported_dtypes=_COMPUTABLE, weight_dtype=of_file
    )
    device = management.get_torch_device()
    return Precision(stored, management.unet_manual_cast(stored, device, _COMPUTABLE) or stored)


def device_name() -> str:
    """The device ComfyUI computes on, as torch names it."""
    return str(management.get_torch_device())


def patcher(network: nn.Module, device: torch.device | None = None) -> ModelPatcher:
    """A network in the hands of ComfyUI, which moves it to the GPU and off it as it sees fit.

    Args:
        network: where it is now.
        device: to compute on; ComfyUI's first when None.
    """
    return ModelPatcher(
        network,
        load_device=device or management.get_torch_device(),
        offload_device=management.unet_offload_device(),
    )


def load(model: ModelPatcher, memory: int) -> torch.device:
    """Bring a network to its device with room for `memory` bytes beside it."""
    management.load_models_gpu([model], memory_required=memory)
    return model.load_device
