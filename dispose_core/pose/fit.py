"""Transform poses along with the resize and crop of their image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import PoseError
from ..media.resize import covering_crop
from .canvas import UNKNOWN, drawing_size, require_canvas, same_shape
from .sequence import PoseSequence

# Largest relative difference of aspect ratios that Prepare makes by rounding sides to multiples of
# 64; an image that differs more is another picture.
_CROPPED = 0.2


def fit_poses(
    people: Sequence[PoseSequence], source: tuple[int, int], size: tuple[int, int]
) -> list[PoseSequence]:
    """Map poses from an image of `source` size to the result of `resize_crop` with `size`.

    Points in the cropped area keep their position, outside 0…1.
    """
    covering, (top, left) = covering_crop(source, size)
    scale = np.array([covering[1] / size[1], covering[0] / size[0]])
    shift = np.array([left / size[1], top / size[0]])
    return [replace(person, points=person.points * scale - shift, canvas=size) for person in people]


def fit_to_image(
    people: Sequence[PoseSequence], size: tuple[int, int], name: str, image: str, way_out: str
) -> tuple[list[PoseSequence], list[str]]:
    """Poses in pixels of an image that may be a resized and slightly cropped copy of theirs.

    Args:
        people: with one canvas.
        size: (H, W) of the image.
        name, image: names of the poses and the image in messages.
        way_out: what to do if they do not fit, a sentence.

    Returns:
        The poses with canvas `size`, and a report if they were cropped.

    Raises:
        PoseError: the image has another shape than the canvas, or the canvas is not known.
    """
    canvas = people[0].canvas
    require_canvas(canvas, name)
    if same_shape(canvas, size):
        return [replace(person, canvas=size) for person in people], []
    found = f"{name}: found in an image of {canvas[1]}×{canvas[0]} pixels"
    if not same_shape(canvas, size, _CROPPED):
        raise PoseError(
            f"{found}, whose shape is not that of {image} ({size[1]}×{size[0]}). {way_out}"
        )
    return fit_poses(people, canvas, size), [
        f"{found}, cropped to {size[1]}×{size[0]} as Prepare crops images"
    ]


def fit_to_reference(
    people: Sequence[PoseSequence], size: tuple[int, int]
) -> tuple[list[PoseSequence], list[str]]:
    """`fit_to_image` for the reference pose, or a sequence that begins with it."""
    return fit_to_image(
        people,
        size,
        "reference pose",
        "the reference image",
        "Detect the pose in the image as Prepare gives it, or give the image that the pose was "
        "detected in.",
    )


def fit_to_drawing(people: Sequence[PoseSequence], width: int, height: int) -> list[PoseSequence]:
    """Poses for images of a given size, which becomes their canvas.

    Args:
        width, height: pixels; 0 follows from the other one and the shape of the canvas.

    Raises:
        PoseError: the images have another shape, in which bodies would be stretched, or neither a
            canvas nor a whole size is given.
    """
    canvas = people[0].canvas
    if not (width and height):
        require_canvas(canvas, "poses")
        size = drawing_size(canvas, width, height)
        return [replace(person, canvas=size) for person in people]
    if canvas == UNKNOWN:
        return [replace(person, canvas=(height, width)) for person in people]
    way_out = "Set the width or the height to 0, and it follows from the other."
    return fit_to_image(people, (height, width), "poses", "the images to draw", way_out)[0]
