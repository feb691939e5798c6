"""Check the memory before a node makes images; the system would end ComfyUI without a word."""

from __future__ import annotations

import math
from typing import Any

import comfy.model_management as management
import torch

from ...dispose_core.memory import free_memory, require_memory
from ...dispose_core.models.latent import DOWNSCALE

# Bytes per pixel of an IMAGE, of one made of frames whose number is not known before (uint8 while
# reading, then float32), of a MASK, and of optical flow.
IMAGE, COLLECTED_IMAGE, MASK, FLOW = 12, 15, 4, 8


def require_images(
    what: str, count: int, size: tuple[int, int], per_pixel: int, remedy: str
) -> None:
    """Check that images fit into the memory.

    Args:
        what: what they are, such as "skeletons".
        size: (H, W) of an image.
        per_pixel: bytes at the peak, such as `IMAGE`.
        remedy: a sentence on what to change.

    Raises:
        NotEnoughMemory: they do not fit.
    """
    height, width = size
    noun = "image" if count == 1 else "images"
    needed = count * height * width * per_pixel
    require_room(f"{what}: {count} {noun} of {width}×{height}", needed, remedy)


def require_room(what: str, needed: float, remedy: str) -> None:
    """`require_memory` with the memory that ComfyUI counts as free."""
    free = min(management.get_free_memory(torch.device("cpu")), free_memory())
    require_memory(what, needed, remedy, free)


def require_vae(vae: Any, size: tuple[int, int], decoding: bool, remedy: str) -> None:
    """Check that a VAE can process an image of (H, W) if it runs on the CPU.

    On other devices ComfyUI itself divides an image that does not fit into tiles.
    """
    # ComfyUI's estimates; VAEs of other packs may have none.
    estimate = getattr(vae, "memory_used_decode" if decoding else "memory_used_encode", None)
    device = getattr(vae, "device", None)
    if estimate is None or device is None or torch.device(device).type != "cpu":
        return
    height, width = size
    shape = (1, 4, height // DOWNSCALE, width // DOWNSCALE) if decoding else (1, 3, height, width)
    needed = estimate(shape, getattr(vae, "vae_dtype", torch.float32))
    what = f"{'decoding' if decoding else 'encoding'} an image of {width}×{height} by the VAE"
    require_room(f"{what}: its layers", needed, remedy)


def bytes_of(shape: tuple[int, ...], dtype: torch.dtype) -> int:
    return math.prod(shape) * dtype.itemsize
