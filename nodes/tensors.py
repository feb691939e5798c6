"""Convert between the tensor layouts of ComfyUI and the library."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ..dispose_core.errors import MediaError
from ..dispose_core.preview.preview import PreviewFrame


def image_to_core(image: Tensor, name: str) -> Tensor:
    """IMAGE of one image (1, H, W, C) -> (3, H, W) 0…1.

    Raises:
        MediaError: the batch does not hold exactly one image.
    """
    if len(image) != 1:
        raise MediaError(
            f"{name}: got a batch of {len(image)} images, expected one image. "
            "Select one with an 'ImageFromBatch' node."
        )
    return image[0, ..., :3].movedim(-1, 0).cpu().float().clamp(0, 1)


def mask_to_core(mask: Tensor | None, size: tuple[int, int]) -> Tensor | None:
    """MASK (1, H, W) or (H, W) -> (H, W) 0…1.

    Raises:
        MediaError: several masks, or a mask of another size than the image.
    """
    if mask is None:
        return None
    mask = mask.reshape(-1, *mask.shape[-2:])
    if len(mask) != 1 or tuple(mask.shape[-2:]) != tuple(size):
        raise MediaError(
            f"subject mask: got {len(mask)} of {mask.shape[-1]}×{mask.shape[-2]}, expected one of "
            f"{size[1]}×{size[0]}, the size of the reference image. Make the mask from the "
            "reference image that Prepare outputs."
        )
    return mask[0].cpu().float().clamp(0, 1)


def frames_to_core(images: Tensor) -> Iterable[np.ndarray]:
    """IMAGE batch -> (H, W, 3) uint8 frames, one at a time."""
    for image in images:
        yield image[..., :3].mul(255).round().clamp(0, 255).byte().cpu().numpy()


def frames_to_comfy(frames: Iterable[np.ndarray]) -> Tensor:
    """(H, W, 3) uint8 frames -> IMAGE (n, H, W, 3).

    Frames are collected as uint8, so that only one float32 copy is made.
    """
    collected = list(frames)
    batch = torch.empty((len(collected), *collected[0].shape))
    for i, frame in enumerate(collected):
        batch[i] = torch.from_numpy(frame)
    return batch.div_(255)


def masks_to_comfy(masks: Iterable[np.ndarray], images: Tensor) -> Tensor:
    """(H, W) float32 masks of an IMAGE batch -> MASK (n, H, W)."""
    batch = torch.empty(images.shape[:3])
    for i, mask in enumerate(masks):
        batch[i] = torch.from_numpy(mask)
    return batch


def preview_to_comfy(frames: Iterable[PreviewFrame]) -> tuple[Tensor, Tensor, Tensor]:
    """Preview frames -> animation IMAGE, overlay IMAGE, uncovered MASK."""
    columns = zip(*((f.image, f.overlay, f.uncovered) for f in frames), strict=True)
    animation, overlays, uncovered = (torch.stack(column) for column in columns)
    return (
        animation.movedim(1, -1).float().div_(255),
        overlays.movedim(1, -1).float().div_(255),
        uncovered,
    )


def image_to_comfy(image: Tensor) -> Tensor:
    """(3, H, W) 0…1 -> IMAGE (1, H, W, 3)."""
    return image.movedim(0, -1)[None].contiguous()


def audio_to_comfy(audio: tuple[np.ndarray, int] | None) -> dict | None:
    """Samples (channels, n) and their rate -> AUDIO."""
    if audio is None:
        return None
    samples, rate = audio
    return {"waveform": torch.from_numpy(samples)[None], "sample_rate": rate}


def audio_to_core(audio: dict | None) -> tuple[np.ndarray, int] | None:
    """AUDIO -> samples (channels, n) of its first batch item, and their rate."""
    if audio is None:
        return None
    return audio["waveform"][0].cpu().float().numpy(), int(audio["sample_rate"])
