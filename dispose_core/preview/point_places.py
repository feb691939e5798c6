"""Where the points of tracks lie in the reference image."""

from __future__ import annotations

import math
import re
from typing import Literal, get_args

import cv2
import numpy as np

from ..errors import DisPoseError
from ..motion.motion_field import MotionField

Where = Literal["joints", "grid", "outline", "own points"]
WHERE: tuple[Where, ...] = get_args(Where)


def point_places(
    field: MotionField,
    where: Literal["grid", "outline", "own points"],
    count: int,
    own_points: str = "",
) -> np.ndarray:
    """(N, 2) x, y of points, fractions of the image.

    Args:
        field: its mask says where the person is.
        where: on a grid over the person, along the outline, or as `own_points` says.
        count: about how many on the grid, how many on the outline.
        own_points: "0.5,0.3 0.6,0.3".

    Raises:
        DisPoseError: the field has no person, or the text holds no points.
    """
    if where == "own points":
        height, width = field.grid.shape[-2:]
        return _own(own_points, (height, width))
    return (_grid if where == "grid" else _outline)(_person(field), count)


def _person(field: MotionField) -> np.ndarray:
    """(h, w) bool mask of the person on the field's grid."""
    mask = field.subject
    if mask is None or not (mask > 0.5).any():
        raise DisPoseError(
            "motion tracks: the motion field has no mask of the person to place points on. Make it "
            "with a subject mask, or place the points on the joints."
        )
    return (mask > 0.5).numpy()


def _grid(person: np.ndarray, count: int) -> np.ndarray:
    """About `count` points (N, 2) on a square grid over the person, fractions."""
    height, width = person.shape
    step = max(math.sqrt(person.sum() / count), 1.0)
    rows = np.arange(step / 2, height, step)
    columns = np.arange(step / 2, width, step)
    y, x = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    inside = person[y.astype(int), x.astype(int)]
    if not inside.any():  # a person thinner than a step
        y, x = (axis[:: max(len(axis) // count, 1)] + 0.5 for axis in np.nonzero(person))
        inside = np.ones(len(x), dtype=bool)
    return np.stack([x[inside] / width, y[inside] / height], -1)


def _outline(person: np.ndarray, count: int) -> np.ndarray:
    """`count` points (N, 2) evenly spaced along the person's outline, fractions."""
    height, width = person.shape
    # A pixel inside, so that the points move with the person.
    thinner = cv2.erode(person.astype(np.uint8), np.ones((3, 3), np.uint8))
    mask = thinner if thinner.any() else person.astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = max(contours, key=len)[:, 0].astype(float) + 0.5
    line = np.concatenate([line, line[:1]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(count) * along[-1] / count
    return np.stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)], -1) / (width, height)


def _own(own_points: str, size: tuple[int, int]) -> np.ndarray:
    """(N, 2) fractions from text, not beyond the last cell of a grid of (h, w)."""
    number = r"(\d+\.?\d*|\.\d+)"
    pair = rf"(?<![\d.]){number}\s*,\s*{number}(?![\d.])"
    points = np.array(re.findall(pair, own_points), dtype=np.float64).reshape(-1, 2)
    rest = re.sub(r"[\s;\[\]()|,]", "", re.sub(pair, "", own_points))
    if rest or not len(points) or points.max() > 1:
        raise DisPoseError(
            f"own points: {own_points[:80]!r} is not a list of points. Write x,y for each, as "
            "fractions of the image's width and height, such as 0.5,0.3 0.45,0.6."
        )
    height, width = size
    return np.minimum(points, 1 - 0.5 / np.array([width, height]))
