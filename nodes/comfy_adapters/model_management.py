"""Device and dtype of networks, decided by ComfyUI's memory management."""

from __future__ import annotations

from typing import NamedTuple

import comfy.model_management as management
import comfy.model_patcher
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

DEFAULT = "default"
# Dtypes offered by loaders; fp8 halves the memory of fp16 at some loss of precision.
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
    """Storage and compute dtype of a network.

    Args:
        choice: a key of `DTYPES`, or `DEFAULT` for ComfyUI's default.
        of_file: dtype of the file.
        parameters: number of parameters of the network.
    """
    stored = DTYPES.get(choice) or management.unet_dtype(
        model_params=parameters, supported_dtypes=_COMPUTABLE, weight_dtype=of_file
    )
    device = management.get_torch_device()
    return Precision(stored, management.unet_manual_cast(stored, device, _COMPUTABLE) or stored)


def device_name() -> str:
    """Torch name of ComfyUI's compute device."""
    return str(management.get_torch_device())


def patcher(network: nn.Module, device: torch.device | None = None) -> ModelPatcher:
    """Wrap a network in a ModelPatcher, which moves it between CPU and GPU.

    ComfyUI's own networks are in a CoreModelPatcher in newer versions. At start ComfyUI sets that
    name to the class of dynamic VRAM, so it is looked up here rather than imported. A network of
    another class would make ComfyUI free memory by its estimates before every sampling.

    Args:
        network: at its current device.
        device: another GPU, for a copy; ComfyUI's first when None. Like ComfyUI's own copies, it
            is in a plain ModelPatcher.
    """
    core = getattr(comfy.model_patcher, "CoreModelPatcher", ModelPatcher)
    kind = core if device is None else ModelPatcher
    return kind(
        network,
        load_device=device or management.get_torch_device(),
        offload_device=management.unet_offload_device(),
    )


def load(model: ModelPatcher, memory: int) -> torch.device:
    """Load a network on its device, with `memory` bytes free besides it."""
    management.load_models_gpu([model], memory_required=memory)
    return model.load_device
