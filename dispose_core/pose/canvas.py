"""Compare the canvas of poses with an image or with other poses before joining them.

Poses are fractions of their canvas, so canvases of one shape fit whatever their size. On a canvas
of another shape, every joint would lie in another place of the image.
"""

from __future__ import annotations

import math

from ..errors import PoseError

# Canvas of fractions whose file does not name the size of their image.
UNKNOWN = (1, 1)

# Largest relative difference between the aspect ratios of images of one shape: sides are rounded
# to multiples of 8 pixels or more, which moves a joint by less than a hundredth of the image.
_SAME_SHAPE = 0.02


def same_shape(
    first: tuple[int, int], second: tuple[int, int], tolerance: float = _SAME_SHAPE
) -> bool:
    """Whether two sizes (H, W) have one aspect ratio, but for rounding."""
    ratio = first[0] * second[1] / (first[1] * second[0])
    return abs(math.log(ratio)) <= tolerance


def drawing_size(canvas: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """(H, W) in which a side that is 0 follows from the other and the shape of `canvas`."""
    if not (width or height):
        return canvas
    return (
        height or max(round(width * canvas[0] / canvas[1]), 1),
        width or max(round(height * canvas[1] / canvas[0]), 1),
    )


def require_canvas(canvas: tuple[int, int], name: str) -> None:
    """Raise PoseError if the size of the image in which the poses were found is not known.

    Args:
        name: name of the poses in messages.
    """
    if canvas == UNKNOWN:
        raise PoseError(
            f"{name}: fractions of an image whose size the file does not say. Set the width and "
            "height of that image in Load Poses, or with --canvas WIDTHxHEIGHT on the command line."
        )
