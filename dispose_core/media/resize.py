"""Choose network-compatible image sizes, and resize and crop images to them.

Sizes are (H, W). docs/reference_behaviour.md#image-and-video-preparation describes the official
code; docstrings name deviations, which `official=True` turns off.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import MediaError

MULTIPLE = 64  # 8 pixels per latent cell, and 3 downsampling levels in the UNet


ASPECT = 9 / 16  # the official code uses this, its inverse, and squares


LONGEST = 8  # largest aspect ratio of an image


def snap_resolution(resolution: int) -> int:
    """Round `resolution` to the nearest multiple of 64.

    Raises:
        MediaError: `resolution` is below 64.
    """
    if resolution < MULTIPLE:
        raise MediaError(
            f"resolution is {resolution}; the networks need at least {MULTIPLE} pixels. "
            "576 is what the weights were trained with."
        )
    return _nearest(resolution)


def official_size(source: tuple[int, int], resolution: int) -> tuple[int, int]:
    """(H, W) as in the official code: 9:16, 1:1 or 16:9, depending on the image's orientation.

    See docs/reference_behaviour.md#image-and-video-preparation.

    Args:
        source: (H, W) of the image.
        resolution: short side; a multiple of 64.
    """
    height, width = source
    long = int(resolution / ASPECT // MULTIPLE) * MULTIPLE
    if height == width:
        return resolution, resolution
    return (long, resolution) if height > width else (resolution, long)


def fit_size(source: tuple[int, int], resolution: int) -> tuple[int, int]:
    """(H, W) in multiples of 64 with an aspect ratio near the image's.

    The short side is `resolution`. The area is limited to that of 16:9, so longer images get a
    smaller short side. 9:16, 1:1 and 16:9 give the same as `official_size`.

    Args:
        source: (H, W) of the image.
        resolution: short side; rounded to a multiple of 64.

    Raises:
        MediaError: the image is more than 8 times as long as wide, or `resolution` is below 64.
    """
    resolution = snap_resolution(resolution)
    short, long = sorted(source)
    if not 0 < long <= short * LONGEST:
        raise MediaError(
            f"image of {source[1]}×{source[0]}: more than {LONGEST} times as long as wide. "
            "Crop it around the person."
        )
    area = math.prod(official_size((2, 1), resolution))
    aspect = long / short
    fitted_short = min(resolution, _nearest(math.sqrt(area / aspect)))
    room = area // fitted_short // MULTIPLE * MULTIPLE
    fitted_long = min(_nearest(fitted_short * aspect), room)
    return (fitted_long, fitted_short) if source[0] > source[1] else (fitted_short, fitted_long)


def resize_crop(image: Tensor, size: tuple[int, int], official: bool = False) -> Tensor:
    """Resize an image to cover `size` and centre-crop it.

    See docs/reference_behaviour.md#image-and-video-preparation. Bilinear with anti-aliasing,
    quantised to 8 bits with rounding half to even, also for float images. The official code
    downsamples without anti-aliasing. Upsampling is identical.

    Args:
        image: (…, C, H, W) uint8, or float in 0…1.
        official: no anti-aliasing.

    Returns:
        (…, C, *size), dtype of `image`.
    """
    is_float = image.dtype != torch.uint8
    pixels = image.reshape(-1, *image.shape[-3:]).float()
    if is_float:
        pixels = pixels * 255
    height, width = image.shape[-2:]
    covering, (top, left) = covering_crop((height, width), size)
    resized = F.interpolate(
        pixels, covering, mode="bilinear", align_corners=False, antialias=not official
    )
    cropped = resized[..., top : top + size[0], left : left + size[1]]
    fitted = cropped.round().clamp(0, 255)
    if is_float:
        fitted = fitted / 255
    return fitted.to(image.dtype).reshape(*image.shape[:-2], *size)


def describe_fit(source: tuple[int, int], size: tuple[int, int]) -> str:
    """Describe the sizes and the cropped margins of `resize_crop` for users."""
    fitted = f"Reference {source[1]}×{source[0]}: "
    if source == size:
        return fitted + "kept as it is."
    fitted += f"fitted to {size[1]}×{size[0]}"
    covering, _ = covering_crop(source, size)
    cut = [(large - small) / large for large, small in zip(covering, size, strict=True)]
    # In pixels of the source image.
    rows, columns = (round(part * side / 2) for part, side in zip(cut, source, strict=True))
    if rows:
        return f"{fitted}; {rows} px cropped at the top and at the bottom."
    if columns:
        return f"{fitted}; {columns} px cropped on the left and on the right."
    return fitted + "; nothing cropped."


def covering_crop(
    source: tuple[int, int], size: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size of the image scaled to just cover `size`, and (top, left) of the crop.

    See docs/reference_behaviour.md#image-and-video-preparation.
    """
    ratio = source[0] / source[1]
    if ratio < size[0] / size[1]:
        height, width = size[0], math.ceil(size[0] / ratio)
    else:
        height, width = math.ceil(size[1] * ratio), size[1]
    # Python rounds half to even, as the official crop does.
    return (height, width), (round((height - size[0]) / 2), round((width - size[1]) / 2))


def _nearest(length: float) -> int:
    return max(MULTIPLE, int(length / MULTIPLE + 0.5) * MULTIPLE)
