"""Limbs, points and colours that all styles share; everything is drawn with OpenCV, in place."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import cv2
import numpy as np

from ..sequence import PoseSequence
from ..skeleton import HAND_EDGES

# Points further outside than this many image sizes are treated as invalid; OpenCV fails on
# coordinates beyond 32 bits.
FARTHEST = 10.0

# A hue for each of the 20 edges of a hand, RGB in 0…1.
EDGE_HUES = np.array(
    [colorsys.hsv_to_rgb(e / len(HAND_EDGES), 1.0, 1.0) for e in range(len(HAND_EDGES))]
)

# Grey levels by name.
BACKGROUNDS = {"black": 0, "grey": 127, "white": 255}


@dataclass(frozen=True)
class DrawOptions:
    """What to draw.

    Attributes:
        body, hands, face: parts of a person. Models that were trained without face points get none,
            whatever `face` says (`styles.STYLES`).
        style: a name in `styles.STYLES`.
        background: a name in `BACKGROUNDS`.
    """

    body: bool = True
    hands: bool = True
    face: bool = True
    style: str = "mimicmotion"
    background: str = "black"


class Painter(Protocol):
    """Draws frames of one size, one after another."""

    def draw(self, people: Sequence[PoseSequence], options: DrawOptions) -> np.ndarray:
        """Draw people, each a sequence of one frame; returns (H, W, 3) uint8 RGB."""
        ...


def valid_scores(pose: PoseSequence) -> np.ndarray:
    """(134,) scores of the first frame, 0 where a point is missing or too far away to draw."""
    return np.where((np.abs(pose.points[0]) <= FARTHEST).all(-1), pose.scores[0], 0.0)


def draw_limb(
    canvas: np.ndarray, a: np.ndarray, b: np.ndarray, colour: np.ndarray, half_width: int
) -> None:
    """Fill an ellipse from `a` to `b`, points (2,) in pixels."""
    (x0, y0), (x1, y1) = a, b
    length = ((y0 - y1) ** 2 + (x0 - x1) ** 2) ** 0.5
    angle = np.degrees(np.arctan2(y0 - y1, x0 - x1))
    middle = (int(np.mean([x0, x1])), int(np.mean([y0, y1])))
    polygon = cv2.ellipse2Poly(middle, (int(length / 2), half_width), int(angle), 0, 360, 1)
    cv2.fillConvexPoly(canvas, cast(np.ndarray, polygon), colour.tolist())


def pixel(point: np.ndarray) -> tuple[int, int]:
    """The whole pixel x, y of a point (2,), cut off as the official code cuts it."""
    return int(point[0]), int(point[1])
