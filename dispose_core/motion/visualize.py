"""Visualise motion fields: colour-coded flow beside arrows on the image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisPoseError
from .motion_field import Frames, MotionField

# Colour wheel of Baker et al. (A Database and Evaluation Methodology for Optical Flow, IJCV 2011):
# steps between its pure colours red, yellow, green, cyan, blue, magenta.
_STEPS = (15, 6, 4, 11, 13, 6)
_CORNERS = (
    (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0),
    (1.0, 0.0, 1.0), (1.0, 0.0, 0.0),
)  # fmt: skip
# Subdivisions per step, so that neighbouring colours differ by at most one 8-bit level.
FINE = 64

# Spacing of arrows and size of the key, as shares of the image's shorter side.
ARROW_SPACING = 1 / 24
KEY = 1 / 5
# Brightness of arrow colours relative to the wheel, so that yellow is visible on white.
ARROW_DEPTH = 0.85
# Shortest motion drawn as an arrow, in pixels.
LEAST_ARROW = 2.0
# Share of the image's colour that is kept under the arrows, so that their colours stand out.
FADE = 0.3


def colour_wheel(flow: Tensor, max_motion: float | None = None) -> Tensor:
    """Colour-code flow: hue is direction, saturation is distance; white is zero motion.

    Saturation grows with the square root of the distance, so that both the small motion of the hips
    and the large motion of the hands are visible.

    Args:
        flow: (n, 2, h, w) dx, dy.
        max_motion: distance of full saturation, in the unit of the flow; the maximum of `flow` when
            None. Longer motion is darker.

    Returns:
        (n, 3, h, w) 0…1, RGB.
    """
    length = torch.hypot(flow[:, :1], flow[:, 1:])
    if max_motion is None:
        max_motion = length.max().item() if length.numel() else 0.0
    strength = (length / max(max_motion, 1e-6)).sqrt()
    pure = _hue(flow)
    return torch.where(strength <= 1, 1 - strength * (1 - pure), 0.75 * pure)


def draw_arrows(image: np.ndarray, flow: Tensor, spacing: int) -> np.ndarray:
    """Draw motion arrows over the desaturated image, in the colours of `colour_wheel`.

    Args:
        image: (H, W, 3) uint8.
        flow: (2, H, W) dx, dy in pixels.
        spacing: pixels between arrows.

    Returns:
        (H, W, 3) uint8, a new image.
    """
    first = spacing // 2
    sampled = flow[:, first::spacing, first::spacing]
    colours = _to_bytes(ARROW_DEPTH * _hue(sampled[None])[0]).reshape(-1, 3)
    row, column = np.indices(sampled.shape[1:]).reshape(2, -1)
    start = np.stack([column, row], -1) * spacing + first
    motion = sampled.flatten(1).t().numpy()
    length = np.linalg.norm(motion, axis=-1)
    order = np.argsort(length, kind="stable")  # longest arrows on top
    order = order[length[order] > LEAST_ARROW]

    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    canvas = cv2.addWeighted(grey, 1 - FADE, image, FADE, 0)
    thin = max(1, round(min(image.shape[:2]) / 290))
    head = np.clip(length * 0.35, 3 * thin, 0.5 * spacing) / np.maximum(length, 1e-6)
    for i in order:
        tail, tip = start[i].tolist(), np.rint(start[i] + motion[i]).astype(int).tolist()
        # A white outline keeps arrows legible on any image.
        for colour, width in (((255, 255, 255), thin + 2), (colours[i].tolist(), thin)):
            cv2.arrowedLine(canvas, tail, tip, colour, width, cv2.LINE_AA, tipLength=float(head[i]))
    return canvas


def motion_images(
    image: Tensor,
    field: MotionField,
    frames: Frames = None,
    size: tuple[int, int] | None = None,
) -> Iterator[np.ndarray]:
    """Yield colour-coded flow beside arrows on the image, frame by frame.

    All frames share one colour scale; the key in the corner shows the distance of full saturation.

    Args:
        image: (3, H, W) reference, 0…1.
        frames: absolute frames; all when None.
        size: (h, w) of each half; the image's when None.

    Yields:
        (h, 2·w, 3) uint8, RGB.

    Raises:
        DisPoseError: image and field differ in size, or the field has no such frame.
    """
    height, width = image.shape[-2:]
    image_size = (height, width)
    if image_size != tuple(field.size):
        raise DisPoseError(
            f"motion images: the image is {image_size[1]}×{image_size[0]}, its motion field is for "
            f"{field.size[1]}×{field.size[0]}. Use the image the field was made from."
        )
    size = size or image_size
    small = F.interpolate(image[None], size, mode="area")[0]
    longest, max_motion = field.largest_motion(), field.largest_motion(size)
    key = _key(max(24, round(min(size) * KEY)), longest)
    return _draw(_to_bytes(small), field.slice(frames), max_motion, key)


def _draw(
    base: np.ndarray, field: MotionField, max_motion: float, key: np.ndarray
) -> Iterator[np.ndarray]:
    height, width = base.shape[:2]
    size = (height, width)
    spacing = max(4, round(min(size) * ARROW_SPACING))
    for frame in range(len(field)):
        flow = field.flow([frame], size)
        wheel = _to_bytes(colour_wheel(flow, max_motion)[0])
        corner = wheel[-len(key) :, : key.shape[1]]
        # The key is cropped on images smaller than it.
        np.minimum(corner, key[-len(corner) :, : corner.shape[1]], out=corner)
        yield np.concatenate([wheel, draw_arrows(base, flow[0], spacing)], 1)


def _hue(flow: Tensor) -> Tensor:
    """Pure colour (n, 3, h, w) of the direction of (n, 2, h, w) dx, dy; red is to the right."""
    turn = torch.atan2(flow[:, 1], flow[:, 0]) / (2 * math.pi) % 1.0
    wheel = _wheel().to(flow)
    return wheel[:, (turn * wheel.shape[1]).long().clamp_max(wheel.shape[1] - 1)].movedim(0, 1)


@lru_cache(maxsize=1)
def _wheel() -> Tensor:
    """(3, 55·FINE) colours of one turn, starting to the right and turning downwards."""
    runs = [
        torch.lerp(torch.tensor(a)[:, None], torch.tensor(b)[:, None], torch.arange(n) / n)
        for a, b, n in zip(_CORNERS[:-1], _CORNERS[1:], (n * FINE for n in _STEPS), strict=True)
    ]
    return torch.cat(runs, 1)


def _key(side: int, max_motion: float) -> np.ndarray:
    """A small colour wheel on white, labelled with the distance at its rim."""
    across = torch.linspace(-1.15, 1.15, side)
    flow = torch.stack(torch.meshgrid(across, across, indexing="xy"))
    disc = _to_bytes(torch.where(flow.norm(dim=0) <= 1, colour_wheel(flow[None], 1.0)[0], 1.0))
    radius = round(side / 2.3)
    cv2.circle(disc, (side // 2, side // 2), radius, (110, 110, 110), 1, cv2.LINE_AA)
    text, scale = f"{max_motion:.0f} px", side / 190
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    strip = np.full((height + side // 10, side, 3), 255, np.uint8)
    place = ((side - width) // 2, height)
    cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (60, 60, 60), 1, cv2.LINE_AA)
    return np.concatenate([disc, strip])


def _to_bytes(image: Tensor) -> np.ndarray:
    return image.movedim(0, -1).mul(255).round().clamp(0, 255).byte().cpu().numpy().copy()
