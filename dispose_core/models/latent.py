"""Validation of image sizes against the latent grid."""

from __future__ import annotations

from ..errors import NetworkError

DOWNSCALE = 8  # image pixels per latent cell and axis


def image_size(size: tuple[int, int], name: str) -> tuple[int, int]:
    """Return (H, W) as ints.

    Raises:
        NetworkError: a side is not a positive multiple of 8.
    """
    height, width = (int(side) for side in size)
    if height < 1 or width < 1 or height % DOWNSCALE or width % DOWNSCALE:
        raise NetworkError(
            f"{name}: an image of {width}×{height}; width and height must be multiples of "
            f"{DOWNSCALE}. Let Prepare fit the image."
        )
    return height, width
