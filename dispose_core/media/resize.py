"""Sizes that the networks take, and images fitted to them by resizing and cropping.

Sizes are (H, W). docs/reference_behaviour.md#image-and-video-preparation is the rule of the
official code; where the default departs from it, the
docstring says so and `official=True` keeps to it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import MediaError

MULTIPLE = 64  # the UNet halves the latent three times, and a latent pixel is eight pixels


ASPECT = 9 / 16  # the official code knows this, its inverse, and squares


LONGEST = 8  # times its short side; nobody can be cut out of a longer strip


def snap_resolution(resolution: int) -> int:
    """The multiple of 64 nearest to `resolution`.

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
    """(H, W) of docs/reference_behaviour.md#image-and-video-preparation: 9:16, 1:1 or 16:9,
    whichever way the image lies.

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
    """(H, W) in multiples of 64, nearest to the image's own shape.

    The short side is `resolution`, as with `official_size`, and so is the area at most: images
    longer than 16:9 get a smaller short side. 9:16, 1:1 and 16:9 come out as there.

    Args:
        source: (H, W) of the image.
        resolution: short side; snapped to a multiple of 64.

    Raises:
        MediaError: the image is more than 8 times as long as wide, or `resolution` below 64.
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
    """The image scaled to cover `size`, the overhang cropped evenly.

    See docs/reference_behaviour.md#image-and-video-preparation.

    Bilinear, the result rounded to 8 bits half to even, of float images too. The official code
    does not smooth before shrinking: of a large photograph it keeps one pixel in
    many, and fine patterns turn into others. By default they are averaged. Images that grow
    come out the same either way.

    Args:
        image: (…, C, H, W) uint8, or float in 0…1.
        size: (H, W) wanted.
        official: shrink as the official code does.

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
    """What `resize_crop` does to an image, for people: sizes, and what is cut off where."""
    fitted = f"Reference {source[1]}×{source[0]}: "
    if source == size:
        return fitted + "kept as it is."
    fitted += f"fitted to {size[1]}×{size[0]}"
    covering, _ = covering_crop(source, size)
    cut = [(large - small) / large for large, small in zip(covering, size, strict=True)]
    # In pixels of the source, which is what its owner can look at.
    rows, columns = (round(part * side / 2) for part, side in zip(cut, source, strict=True))
    if rows:
        return f"{fitted}; {rows} px cropped at the top and at the bottom."
    if columns:
        return f"{fitted}; {columns} px cropped on the left and on the right."
    return fitted + "; nothing cropped."


def covering_crop(
    source: tuple[int, int], size: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The image's size once it just covers `size`, and the (top, left) of the crop.

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
