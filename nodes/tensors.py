"""Check tensors of ComfyUI, and convert between its layouts and the library's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..dispose_core.errors import MediaError
from ..dispose_core.preview.preview import PreviewFrame


def check_image(image: Any, name: str) -> None:
    """Check that a value is an IMAGE: (n, H, W, 3 or 4) of finite fractions, at least one image.

    Raises:
        MediaError: it is not.
    """
    found = _tensor(image, name, "images (number, height, width, 3)", (4,))
    if not found.shape[0]:
        raise MediaError(f"{name}: a batch without images. Connect at least one image.")
    if found.shape[3] not in (3, 4) or not found.numel():
        raise MediaError(
            f"{name}: {found.shape[0]} images of {found.shape[2]}×{found.shape[1]} with "
            f"{found.shape[3]} channels, needed RGB or RGBA of at least 1×1. Convert masks with "
            "'MaskToImage'."
        )
    _check_finite(found, name, "image")


def check_mask(mask: Any, name: str) -> None:
    """Check that a value is a MASK: (H, W) or (n, H, W) of finite fractions.

    Raises:
        MediaError: it is not.
    """
    found = _tensor(mask, name, "a mask (number, height, width)", (2, 3, 4))
    if not found.numel():
        raise MediaError(f"{name}: an empty mask {tuple(found.shape)}. Connect one mask.")
    _check_finite(found, name, "mask")


def _tensor(value: Any, name: str, what: str, dimensions: tuple[int, ...]) -> Tensor:
    if not isinstance(value, Tensor):
        raise MediaError(
            f"{name}: got {type(value).__name__}, needed {what}. Connect another node."
        )
    if value.ndim not in dimensions or not value.is_floating_point():
        raise MediaError(
            f"{name}: got {str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}, "
            f"needed {what}, as fractions from 0 to 1. The node before gives no valid output."
        )
    return value


def _check_finite(values: Tensor, name: str, what: str) -> None:
    # Image by image and without copies: clips are large.
    for i, one in enumerate(values):
        if not all(end.isfinite() for end in one.float().aminmax()):
            raise MediaError(
                f"{name}: {what} {i} has values that are no numbers (NaN or infinite). They often "
                "come from a VAE in half precision: run it in fp32."
            )


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


def frames_to_comfy(frames: Iterable[np.ndarray], count: int | None = None) -> Tensor:
    """(H, W, 3) uint8 frames -> IMAGE (n, H, W, 3).

    Args:
        count: number of frames if it is known; others are collected as uint8 first, so that only
            one float32 copy is made.
    """
    if count is None:
        collected = list(frames)
        frames, count = collected, len(collected)
    batch, made = torch.empty(0), 0
    for frame in frames:
        if not made:
            batch = torch.empty((count, *frame.shape))
        batch[made] = torch.from_numpy(frame)
        made += 1
    return batch[:made].div_(255)


def masks_to_comfy(masks: Iterable[np.ndarray], images: Tensor) -> Tensor:
    """(H, W) float32 masks of an IMAGE batch -> MASK (n, H, W)."""
    batch = torch.empty(images.shape[:3])
    for i, mask in enumerate(masks):
        batch[i] = torch.from_numpy(mask)
    return batch


def preview_to_comfy(
    frames: Iterable[PreviewFrame], count: int, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Preview frames of (H, W) -> animation IMAGE, overlay IMAGE, uncovered MASK."""
    animation, overlays = torch.empty(count, *size, 3), torch.empty(count, *size, 3)
    uncovered = torch.empty(count, *size)
    for i, frame in enumerate(frames):
        animation[i] = frame.image.movedim(0, -1)
        overlays[i] = frame.overlay.movedim(0, -1)
        uncovered[i] = frame.uncovered
    return animation.div_(255), overlays.div_(255), uncovered


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
