"""Draw pose sequences as skeleton images, in the style of the model that reads them.

Styles are in `drawing.styles`; the default one is MimicMotion's, pixel for pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import PoseError
from ..progress import Progress, no_progress
from .drawing.shapes import BACKGROUNDS, DrawOptions, Painter
from .drawing.styles import STYLES
from .sequence import PoseSequence

__all__ = ["BACKGROUNDS", "STYLES", "DrawOptions", "draw_frame", "render_poses"]


def draw_frame(
    people: Sequence[PoseSequence],
    frame: int,
    size: tuple[int, int],
    options: DrawOptions | None = None,
) -> np.ndarray:
    """Draw all people of one frame; returns (H, W, 3) uint8 RGB.

    Args:
        people: sequences of equal length.
        options: parts, style and background; everything in MimicMotion's style by default.

    Raises:
        PoseError: `size` has no area, or the style is not known.
    """
    options = options or DrawOptions()
    return _painter(size, options).draw([person[frame] for person in people], options)


def render_poses(
    people: Sequence[PoseSequence],
    size: tuple[int, int],
    options: DrawOptions | None = None,
    on_frame: Progress = no_progress,
) -> Iterator[np.ndarray]:
    """Yield every frame as drawn by `draw_frame`; memory does not grow with the sequence length.

    Raises:
        PoseError: `size` has no area, or the style is not known.
    """
    options = options or DrawOptions()
    painter = _painter(size, options)
    frames = len(people[0]) if people else 0
    for t in range(frames):
        yield painter.draw([person[t] for person in people], options)
        on_frame(t + 1, frames)


def _painter(size: tuple[int, int], options: DrawOptions) -> Painter:
    height, width = size
    if min(height, width) < 1:
        raise PoseError(
            f"pose image: {width}×{height} pixels, needed at least 1×1. "
            "Set the width and height of the image to animate."
        )
    return STYLES[options.style].painter(size)
