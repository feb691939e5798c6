"""The drawing that MimicMotion was trained with, pixel for pixel as the official code draws it.

See docs/reference_behaviour.md#skeleton-drawing. A figure is drawn with OpenCV on a canvas whose
short side is 2160 and then resized. The canvas is reused for all frames, and limbs are drawn in
their dimmed colour instead of dimming the whole canvas: the same pixels in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .. import skeleton
from ..sequence import PoseSequence
from .shapes import BACKGROUNDS, EDGE_HUES, DrawOptions, draw_limb, pixel, valid_scores

_CANVAS_SHORT_SIDE = 2160
_LARGEST_ASPECT = 8  # images that are longer have a smaller canvas, of the area of this aspect
_JOINT_RADIUS = 4
_LIMB_HALF_WIDTH = 4
_HAND_RADIUS = 4
_HAND_THICKNESS = 2
_FACE_RADIUS = 3
_LIMB_DIM = 0.6

# Colours in output order; the official code draws with channels 0 and 2 swapped and swaps them
# back at the end.
_COLOURS = np.array(skeleton.COLOURS)[:, ::-1]
_EDGE_COLOURS = EDGE_HUES[:, ::-1]


class MimicMotionPainter:
    """Large drawing canvas, reused for all frames; `size` is (H, W) of the images."""

    def __init__(self, size: tuple[int, int]) -> None:
        height, width = size
        ratio = _CANVAS_SHORT_SIDE / min(height, width)
        aspect = max(height, width) / min(height, width)
        ratio *= min(1.0, (_LARGEST_ASPECT / aspect) ** 0.5)
        self.size = size
        canvas = max(1, int(height * ratio)), max(1, int(width * ratio))
        self.pixels = np.zeros((*canvas, 3), dtype=np.uint8)

    def draw(self, people: Sequence[PoseSequence], options: DrawOptions) -> np.ndarray:
        """Draw all people of a frame.

        Missing and invisible body points are not drawn. Hands and faces have no threshold; their
        brightness is their score.
        """
        self.pixels.fill(BACKGROUNDS[options.background])
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
        return cv2.resize(self.pixels, (width, height))

    def _place(self, pose: PoseSequence) -> tuple[np.ndarray, PoseSequence]:
        """Return the points in canvas pixels, (134, 2), and the pose without invalid points."""
        pose = pose.with_points(pose.points, valid_scores(pose)[None])
        height, width = self.pixels.shape[:2]
        return pose.points[0] * (width, height), pose


def draw_body(canvas: np.ndarray, people: Sequence[tuple[np.ndarray, PoseSequence]]) -> None:
    """Draw limbs and joints of all people.

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
                dimmed = (colour * _LIMB_DIM).astype(int)
                draw_limb(canvas, points[a], points[b], dimmed, _LIMB_HALF_WIDTH)
    for joint in range(skeleton.N_BODY):
        for points, pose in people:
            if pose.body_visible[0, joint]:
                colour = (_COLOURS[joint] * pose.body_scores[0, joint]).astype(int)
                cv2.circle(canvas, pixel(points[joint]), _JOINT_RADIUS, colour.tolist(), -1)


def _draw_hand(canvas: np.ndarray, points: np.ndarray, scores: np.ndarray) -> None:
    """Draw edges and points of one hand; points (21, 2) in canvas pixels, scores (21,)."""
    inside = _inside(points)
    for (a, b), hue in zip(skeleton.HAND_EDGES, _EDGE_COLOURS, strict=True):
        if inside[a] and inside[b]:
            colour = hue * int(scores[a] * scores[b] * 255)
            cv2.line(canvas, pixel(points[a]), pixel(points[b]), colour.tolist(), _HAND_THICKNESS)
    for i in np.flatnonzero(inside):
        colour = (int(scores[i] * 255), 0, 0)
        cv2.circle(canvas, pixel(points[i]), _HAND_RADIUS, colour, -1)


def _draw_face(canvas: np.ndarray, points: np.ndarray, scores: np.ndarray) -> None:
    """Draw the points of one face; points (68, 2) in canvas pixels, scores (68,)."""
    for i in np.flatnonzero(_inside(points)):
        grey = int(scores[i] * 255)
        cv2.circle(canvas, pixel(points[i]), _FACE_RADIUS, (grey, grey, grey), -1)


def _inside(points: np.ndarray) -> np.ndarray:
    """Mask of drawable points: the official code skips those left of or above pixel 1."""
    return np.all(points >= 1, axis=-1)
