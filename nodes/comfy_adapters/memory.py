"""Check the main memory before loading videos."""

from __future__ import annotations

import comfy.model_management
import torch

from ...dispose_core.errors import MediaError


def require_room(num_frames: int, size: tuple[int, int]) -> None:
    """Check that the given number of frames of (H, W) fits in memory as an IMAGE.

    Raises:
        MediaError: they do not fit; the system would otherwise kill ComfyUI.
    """
    height, width = size
    needed = num_frames * height * width * 3 * 5  # uint8 while reading, then float32
    free = comfy.model_management.get_free_memory(torch.device("cpu"))
    if needed > free:
        raise MediaError(
            f"driving video: {num_frames} frames of {width}×{height} take {needed / 1e9:.1f} GB, "
            f"but only {free / 1e9:.1f} GB of memory are free. Choose a shorter duration, fewer "
            "max_frames, a larger stride, or a smaller video; 720p is enough to detect poses."
        )
