"""Read and write still images as upright, opaque RGB."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import MediaError
from .atomic_write import atomic_write

# Pillow modes with one 16-bit channel; older versions open 16-bit PNGs as "I".
SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N", "I"}
# Errors that Pillow raises for damaged files, besides its own.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error)


def read_image(path: str | Path) -> Tensor:
    """Read an image as viewers display it.

    EXIF rotation is applied, and transparent areas are composited over white. CMYK, palette and
    grey images become RGB; of an animation the first frame is read. 16-bit grey images keep their
    precision; Pillow reads 16-bit RGB PNGs at 8 bits.

    Returns:
        (3, H, W) float32 RGB, 0…1.

    Raises:
        MediaError: missing, not an image, damaged, too large, or in a pixel format without a
            defined white level (floating point, 32 bit).
    """
    with open_image(path) as pil_image:
        rgb = to_rgb(pil_image, str(path))
    rgb = rgb.astype(np.float32) / np.float32(np.iinfo(rgb.dtype).max)
    return torch.from_numpy(rgb).permute(2, 0, 1).contiguous()


def to_pixels(image: Tensor) -> np.ndarray:
    """Convert an image (3, H, W) in 0…1 to (H, W, 3) uint8, rounded."""
    return (image.permute(1, 2, 0) * 255).round().byte().numpy()


def write_image(path: str | Path, image: Tensor | np.ndarray) -> None:
    """Write an image in the format given by the extension of `path`.

    Args:
        image: tensor (3, H, W) or array (H, W, 3), RGB; uint8, or float in 0…1.

    Raises:
        MediaError: unknown extension, or the file cannot be written.
    """
    pixels = image.permute(1, 2, 0).cpu().numpy() if isinstance(image, Tensor) else image
    if pixels.dtype != np.uint8:
        pixels = np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    suffix = Path(path).suffix.lower()
    if suffix not in Image.registered_extensions():
        raise MediaError(f"{path}: no image format is called {suffix!r}. Use .png or .jpg.")
    with atomic_write(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, quality=95)


def open_image(source) -> Image.Image:
    """Open an image from a path or open file; only its header is read.

    Raises:
        MediaError: missing, unreadable, not an image, or too large.
    """
    name = str(source) if isinstance(source, (str, Path)) else "image from memory"
    try:
        return Image.open(source)
    except Image.DecompressionBombError as e:
        raise MediaError(
            f"{name}: too large to open safely ({e}). Scale it down; no step uses more than a few "
            "megapixels."
        ) from e
    except UnidentifiedImageError as e:
        raise MediaError(
            f"{name}: not an image, or in a format that cannot be read. Save it as PNG or JPEG."
        ) from e
    except DAMAGED as e:
        if isinstance(e, OSError) and e.errno is not None:
            raise MediaError(
                f"{name}: cannot be opened ({e.strerror}). Check the path and that you may read it."
            ) from e
        raise MediaError(_damaged(name, e)) from e


def to_rgb(pil_image: Image.Image, name: str, frame: int = 0) -> np.ndarray:
    """Convert an open image to (H, W, 3) RGB, uint8 or, for 16-bit grey, uint16.

    Args:
        name: name of the image in messages.
        frame: frame of an animation.

    Raises:
        MediaError: damaged, or a pixel format without a defined white level.
    """
    try:
        if frame or getattr(pil_image, "n_frames", 1) > 1:
            pil_image.seek(frame)
        pil_image.load()
        upright = ImageOps.exif_transpose(pil_image)
    except Image.DecompressionBombError as e:
        raise MediaError(f"{name}: too large to open safely ({e}). Scale it down.") from e
    except DAMAGED as e:
        raise MediaError(_damaged(name, e)) from e
    if upright.mode in SIXTEEN_BIT:
        grey = np.asarray(upright)
        if grey.max(initial=0) > 65535 or grey.min(initial=0) < 0:
            raise MediaError(
                f"{name}: 32-bit values ({grey.min()}…{grey.max()}) have no defined white level. "
                "Save it as an 8- or 16-bit PNG."
            )
        return np.repeat(grey.astype(np.uint16)[..., None], 3, axis=2)
    if upright.mode == "F":
        raise MediaError(
            f"{name}: floating-point pixels have no defined white level. "
            "Save it as an 8- or 16-bit PNG."
        )
    if "transparency" in upright.info or upright.mode in {"RGBA", "LA", "PA", "RGBa", "La"}:
        colours = upright.convert("RGBA")
        white = Image.new("RGBA", colours.size, "white")
        return np.array(Image.alpha_composite(white, colours).convert("RGB"))
    return np.array(upright.convert("RGB"))


def _damaged(name: str, error: Exception) -> str:
    return f"{name}: damaged or cut short ({error}). Download or export it again."
