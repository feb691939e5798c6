"""The preprocessing as one would write it with OpenCV, straight from the SPEC: the yardstick.

Trajectory maps are a full-size float64 image a frame, filtered with the 199×199 kernel (SPEC
5.2); skeletons are drawn on the 2160 canvas and dimmed as a whole
(docs/reference_behaviour.md#skeleton-drawing).
"""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb

import cv2
import numpy as np

from dispose_core.pose import skeleton as sk
from dispose_core.pose.sequence import PoseSequence


def gaussian_kernel() -> np.ndarray:
    """(199, 199) float64, sum 1."""
    taps = np.arange(-99, 100)
    kernel = np.exp(-(taps[:, None] ** 2 + taps[None] ** 2) / (2 * 20.0**2))
    return kernel / kernel.sum()


def trajectory_map(
    clip: PoseSequence, frame: int, size: tuple[int, int], kernel: np.ndarray
) -> np.ndarray:
    """Blurred motion from the frame before, missing ends at (0, 0): (H, W, 2) float64."""
    height, width = size
    before, after = (
        np.where(clip.body_visible[e][:, None], clip.body[e], 0.0) for e in (frame - 1, frame)
    )
    scale, limit = np.array([width, height]), np.array([width - 1, height - 1])
    start, end = (np.clip(points * scale, 0, limit) for points in (before, after))
    motion = np.zeros((height, width, 2))
    for joint in range(sk.N_BODY):
        if clip.body_visible[frame - 1, joint]:
            x, y = start[joint]
            motion[int(y), int(x)] = end[joint] - start[joint]
    return cv2.filter2D(motion, -1, kernel)


def skeleton(pose: PoseSequence, size: tuple[int, int]) -> np.ndarray:
    """One person in one frame: (H, W, 3) uint8 RGB."""
    height, width = size
    ratio = 2160 / min(size)
    canvas = np.zeros((int(height * ratio), int(width * ratio), 3), np.uint8)
    scale = np.array([canvas.shape[1], canvas.shape[0]])

    points, scores, seen = pose.body[0] * scale, pose.body_scores[0], pose.body_visible[0]
    for limb, (a, b) in enumerate(sk.LIMBS):
        if seen[a] and seen[b]:
            (x0, y0), (x1, y1) = points[a], points[b]
            middle = (int((x0 + x1) / 2), int((y0 + y1) / 2))
            axes = (int(math.hypot(x0 - x1, y0 - y1) / 2), 4)
            angle = int(math.degrees(math.atan2(y0 - y1, x0 - x1)))
            polygon = cv2.ellipse2Poly(middle, axes, angle, 0, 360, 1)
            colour = [int(c * scores[a] * scores[b]) for c in sk.COLOURS[limb]]
            cv2.fillConvexPoly(canvas, polygon, colour)
    canvas = (canvas * 0.6).astype(np.uint8)
    for joint in np.flatnonzero(seen):
        colour = [int(c * scores[joint]) for c in sk.COLOURS[joint]]
        cv2.circle(canvas, _pixel(points[joint]), 4, colour, -1)

    for points, scores in zip(pose.hands[0] * scale, pose.hands_scores[0], strict=True):
        for e, (a, b) in enumerate(sk.HAND_EDGES):
            if (points[[a, b]] >= 1).all():
                colour = np.array(hsv_to_rgb(e / 20, 1, 1)) * int(scores[a] * scores[b] * 255)
                cv2.line(canvas, _pixel(points[a]), _pixel(points[b]), colour.tolist(), 2)
        for point, score in zip(points, scores, strict=True):
            if (point >= 1).all():
                cv2.circle(canvas, _pixel(point), 4, (0, 0, int(score * 255)), -1)

    for point, score in zip(pose.face[0] * scale, pose.face_scores[0], strict=True):
        if (point >= 1).all():
            cv2.circle(canvas, _pixel(point), 3, [int(score * 255)] * 3, -1)
    return cv2.resize(canvas, (width, height))[..., ::-1]


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return int(point[0]), int(point[1])
