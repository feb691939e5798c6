"""Rotated square regions of an image, from which the networks' inputs are cut.

All positions are in pixels, with y pointing down. Angles are in radians; a positive angle turns a
region clockwise on the screen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

_SMALLEST = 32  # pixels of the short side
_LONGEST = 16  # sides


@dataclass(frozen=True)
class Region:
    """A rotated square.

    Attributes:
        center: (2,) x, y.
        size: length of a side.
        angle: rotation.
    """

    center: np.ndarray
    size: float
    angle: float = 0.0

    def crop(self, image: np.ndarray, side: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
        """Cut the region out of an image and scale it.

        Args:
            image: (H, W, 3) uint8.
            side: of the result, in pixels.
            border: OpenCV's border mode for what lies outside the image.

        Returns:
            (side, side, 3) float32 in 0…1.
        """
        crop = cv2.warpAffine(
            image,
            self._to_image() @ np.diag([1 / side, 1 / side, 1]),
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
        return crop.astype(np.float32) / 255

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Convert (N, 2) points from fractions of the region to pixels of the image."""
        matrix = self._to_image()
        return points @ matrix[:, :2].T + matrix[:, 2]

    def from_image(self, points: np.ndarray) -> np.ndarray:
        """Convert (N, 2) points from pixels of the image to fractions of the region."""
        matrix = self._to_image()
        return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T

    def paste(self, values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Place a (side, side) map of the region into an image of zeros of `size` (H, W)."""
        matrix = self._to_image() @ np.diag([1 / len(values), 1 / len(values), 1])
        return cv2.warpAffine(values, matrix, size[::-1], flags=cv2.INTER_LINEAR)

    def _to_image(self) -> np.ndarray:
        """(2, 3) affine matrix from fractions of the region to pixels."""
        cos, sin = math.cos(self.angle) * self.size, math.sin(self.angle) * self.size
        rotation = np.array([[cos, -sin], [sin, cos]])
        return np.column_stack([rotation, self.center - rotation @ (0.5, 0.5)])


def whole_image(size: tuple[int, ...]) -> Region:
    """Return the smallest square around an image of `size` (H, W)."""
    height, width = size
    return Region(np.array([width / 2, height / 2]), float(max(size)))


def squares_along(size: tuple[int, ...]) -> list[Region]:
    """Return squares of the short side that cover an image of `size` (H, W), half overlapping.

    There are none for a square, nor for a strip, in which nobody could be seen.
    """
    short, long = min(size), max(size)
    if short == long or short < _SMALLEST or long > _LONGEST * short:
        return []
    steps = math.ceil(2 * (long - short) / short) + 1
    centers = np.linspace(short / 2, long - short / 2, steps)
    tall = size[0] > size[1]
    return [
        Region(np.array([short / 2, at] if tall else [at, short / 2]), float(short))
        for at in centers
    ]


def around(span: np.ndarray, scale: float = 1.0, shift: float = 0.0) -> Region:
    """Return the square around a circle.

    Args:
        span: (2, 2) the center, and a point on the circle that lies above it in the square.
        scale: factor of the size.
        shift: downward shift in the rotated square, as a fraction of the circle's diameter.
    """
    center, above = span
    diameter = 2 * float(np.linalg.norm(above - center))
    return _square(center, (diameter, diameter), upward(center, above), scale, shift)


def enclosing(points: np.ndarray, angle: float, scale: float, shift: float = 0.0) -> Region:
    """Return a square around the upright bounding box of (N, 2) points, turned by `angle`."""
    low, high = points.min(0), points.max(0)
    return _square((low + high) / 2, high - low, angle, scale, shift)


def enclosing_turned(points: np.ndarray, angle: float, scale: float, shift: float = 0.0) -> Region:
    """Return a square around the bounding box that is turned by `angle` itself."""
    turn = _rotation(angle)
    turned = points @ turn
    low, high = turned.min(0), turned.max(0)
    return _square(turn @ ((low + high) / 2), high - low, angle, scale, shift)


def level(left: np.ndarray, right: np.ndarray) -> float:
    """Return the angle of the line between two points that are level in an upright region."""
    return _direction(left, right)


def upward(start: np.ndarray, end: np.ndarray) -> float:
    """Return the angle of a region in which the line from `start` to `end` points up."""
    return _direction(start, end) + math.pi / 2


def _square(center, extent, angle: float, scale: float, shift: float) -> Region:
    width, height = extent
    center = center + _rotation(angle) @ (0.0, height * shift)
    # Points that coincide give the smallest region, not one that cannot be inverted.
    return Region(center, max(float(max(width, height)) * scale, 1.0), angle)


def _rotation(angle: float) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def _direction(start: np.ndarray, end: np.ndarray) -> float:
    x, y = end - start
    return math.atan2(y, x)
