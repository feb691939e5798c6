"""Draw pose sequences as skeleton images, pixel for pixel as the official code draws them.

See docs/reference_behaviour.md#skeleton-drawing. A figure is drawn with OpenCV on a canvas whose
short side is 2160 and then resized. The canvas is reused for all frames, and limbs are drawn in
their dimmed colour instead of dimming the whole canvas: the same pixels in a tenth of the time.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from ..errors import PoseError
from ..progress import Progress, no_progress
from . import skeleton
from .sequence import PoseSequence

_CANVAS_SHORT_SIDE = 2160
_LARGEST_ASPECT = 8  # images that are longer have a smaller canvas, of the area of this aspect
_JOINT_RADIUS = 4
_LIMB_HALF_WIDTH = 4
_HAND_RADIUS = 4
_HAND_THICKNESS = 2
_FACE_RADIUS = 3
_LIMB_DIM = 0.6

# Points further outside than this many image sizes are treated as invalid; OpenCV fails on
# coordinates beyond 32 bits.
_FARTHEST = 10.0

# Colours in output order; the official code draws with channels 0 and 2 swapped and swaps them
# back at the end.
_COLOURS = np.array(skeleton.COLOURS)[:, ::-1]
_EDGE_COLOURS = np.array(
    [
        colorsys.hsv_to_rgb(e / len(skeleton.HAND_EDGES), 1.0, 1.0)
        for e in range(len(skeleton.HAND_EDGES))
    ]
)[:, ::-1]


@dataclass(frozen=True)
class DrawOptions:
    """Parts of a person to draw."""

    body: bool = True
    hands: bool = True
    face: bool = True


def draw_frame(
    people: Sequence[PoseSequence],
    frame: int,
    size: tuple[int, int],
    options: DrawOptions | None = None,
) -> np.ndarray:
    """Draw all people of one frame; returns (H, W, 3) uint8 RGB on black.

    Missing and invisible body points are not drawn. Hands and faces have no threshold; their
    brightness is their score (docs/reference_behaviour.md#skeleton-drawing).

    Args:
        people: sequences of equal length.
        options: parts to draw; all by default.

    Raises:
        PoseError: `size` has no area.
    """
    return _Canvas(size).draw([person[frame] for person in people], options or DrawOptions())


def render_poses(
    people: Sequence[PoseSequence],
    size: tuple[int, int],
    options: DrawOptions | None = None,
    on_frame: Progress = no_progress,
) -> Iterator[np.ndarray]:
    """Yield every frame as drawn by `draw_frame`; memory does not grow with the sequence length.

    Raises:
        PoseError: `size` has no area.
    """
    canvas = _Canvas(size)
    options = options or DrawOptions()
    frames = len(people[0]) if people else 0
    for t in range(frames):
        yield canvas.draw([person[t] for person in people], options)
        on_frame(t + 1, frames)


class _Canvas:
    """Large drawing canvas, reused for all frames."""

    def __init__(self, size: tuple[int, int]) -> None:
        height, width = size
        if min(height, width) < 1:
            raise PoseError(
                f"pose image: {width}×{height} pixels, needed at least 1×1. "
                "Set the width and height of the image to animate."
            )
        ratio = _CANVAS_SHORT_SIDE / min(height, width)
        aspect = max(height, width) / min(height, width)
        ratio *= min(1.0, (_LARGEST_ASPECT / aspect) ** 0.5)
        self.size = size
        canvas = max(1, int(height * ratio)), max(1, int(width * ratio))
        self.pixels = np.zeros((*canvas, 3), dtype=np.uint8)

    def draw(self, people: Sequence[PoseSequence], options: DrawOptions) -> np.ndarray:
        placed = [self._place(person) for person in people]
        if options.body:
            draw_body(self.pixels, [(points[skeleton.BODY_SLICE], pose) for points, pose in placed])
        if options.hands:
            for hand in (
                skeleton.LEFT_HAND_SLICE,
                skeleton.RIGHT_HAND_SLICE,
            ):  # all left hands are drawn before the right ones
                for points, pose in placed:
                    _draw_hand(self.pixels, points[hand], pose.scores[0, hand])
        if options.face:
            for points, pose in placed:
                _draw_face(self.pixels, points[skeleton.FACE_SLICE], pose.face_scores[0])
        height, width = self.size
        image = cv2.resize(self.pixels, (width, height))
        self.pixels.fill(0)
        return image

    def _place(self, pose: PoseSequence) -> tuple[np.ndarray, PoseSequence]:
        """Return the points in canvas pixels, (134, 2), and the pose without invalid points."""
        invalid = ~(np.abs(pose.points) <= _FARTHEST).all(-1)
        pose = pose.with_points(pose.points, np.where(invalid, 0.0, pose.scores))
        height, width = self.pixels.shape[:2]
        return pose.points[0] * (width, height), pose


def draw_body(canvas: np.ndarray, people: Sequence[tuple[np.ndarray, PoseSequence]]) -> None:
    """Draw limbs and joints of all people on a black canvas.

    Args:
        canvas: (H, W, 3) uint8, modified in place.
        people: for each person, body points (18, 2) in canvas pixels and a pose of one frame.
    """
    for limb, (a, b) in enumerate(skeleton.LIMBS):
        for points, pose in people:
            visible, scores = pose.body_visible[0], pose.body_scores[0]
            if visible[a] and visible[b]:
                # The official code dims the drawn limbs; they are opaque, so dimming their
                # colour beforehand gives the same pixels.
                colour = np.minimum((_COLOURS[limb] * (scores[a] * scores[b])).astype(int), 255)
                _draw_limb(canvas, points[a], points[b], (colour * _LIMB_DIM).astype(int))
    for joint in range(skeleton.N_BODY):
        for points, pose in people:
            if pose.body_visible[0, joint]:
                colour = (_COLOURS[joint] * pose.body_scores[0, joint]).astype(int)
                cv2.circle(canvas, _pixel(points[joint]), _JOINT_RADIUS, colour.tolist(), -1)


def _draw_limb(canvas: np.ndarray, a: np.ndarray, b: np.ndarray, colour: np.ndarray) -> None:
    (y0, x0), (y1, x1) = a[::-1], b[::-1]
    length = ((y0 - y1) ** 2 + (x0 - x1) ** 2) ** 0.5
    angle = np.degrees(np.arctan2(y0 - y1, x0 - x1))
    middle = (int(np.mean([x0, x1])), int(np.mean([y0, y1])))
    polygon = cv2.ellipse2Poly(middle, (int(length / 2), _LIMB_HALF_WIDTH), int(angle), 0, 360, 1)
    cv2.fillConvexPoly(canvas, cast(np.ndarray, polygon), colour.tolist())


def _draw_hand(canvas: np.ndarray, points: np.ndarray, scores: np.ndarray) -> None:
    """Draw edges and points of one hand; points (21, 2) in canvas pixels, scores (21,)."""
    inside = _inside(points)
    for (a, b), hue in zip(skeleton.HAND_EDGES, _EDGE_COLOURS, strict=True):
        if inside[a] and inside[b]:
            colour = hue * int(scores[a] * scores[b] * 255)
            cv2.line(canvas, _pixel(points[a]), _pixel(points[b]), colour.tolist(), _HAND_THICKNESS)
    for i in np.flatnonzero(inside):
        colour = (int(scores[i] * 255), 0, 0)
        cv2.circle(canvas, _pixel(points[i]), _HAND_RADIUS, colour, -1)


def _draw_face(canvas: np.ndarray, points: np.ndarray, scores: np.ndarray) -> None:
    """Draw the points of one face; points (68, 2) in canvas pixels, scores (68,)."""
    for i in np.flatnonzero(_inside(points)):
        grey = int(scores[i] * 255)
        cv2.circle(canvas, _pixel(points[i]), _FACE_RADIUS, (grey, grey, grey), -1)


def _inside(points: np.ndarray) -> np.ndarray:
    """Mask of drawable points: the official code skips those left of or above pixel 1."""
    return np.all(points >= 1, axis=-1)


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return int(point[0]), int(point[1])
