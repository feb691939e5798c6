"""Geometric primitives of the body model: distance, position along the axis, and depth of pixels.

Distances are in thicknesses of the primitive, so that a finger and a thigh are comparable. Depth is
the height of the visible surface above the plane of the joints, towards the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def crosswise(direction: np.ndarray) -> np.ndarray:
    """Rotate (…, 2) by 90°, from x towards y."""
    return np.stack([-direction[..., 1], direction[..., 0]], -1)


def segment_distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(N,) distances of (N, 2) points from a segment."""
    axis = end - start
    along = np.clip((points - start) @ axis / max(axis @ axis, 1e-12), 0, 1)
    return np.linalg.norm(points - start - along[:, None] * axis, axis=1)


@dataclass(frozen=True, eq=False)
class Capsule:
    """Limb: a segment with a radius; `bulge` is its depth in radii at start and end."""

    start: np.ndarray
    end: np.ndarray
    radius: float
    bulge: tuple[float, float] = (1.0, 1.0)

    @property
    def thickness(self) -> float:
        return self.radius

    def distance(self, points: np.ndarray) -> np.ndarray:
        return segment_distance(points, self.start, self.end) / self.radius

    def along(self, points: np.ndarray) -> np.ndarray:
        axis = self.end - self.start
        return np.clip((points - self.start) @ axis / max(axis @ axis, 1e-12), 0, 1)

    def depth(self, points: np.ndarray) -> np.ndarray:
        axis = self.end - self.start
        across = (points - self.start) @ crosswise(axis) / max(np.linalg.norm(axis), 1e-6)
        bulge = self.bulge[0] + self.along(points) * (self.bulge[1] - self.bulge[0])
        return bulge * np.sqrt(np.maximum(self.radius**2 - across**2, 0))


@dataclass(frozen=True, eq=False)
class Slab:
    """Torso or palm: a convex polygon with soft edges, rounded across its axis.

    Attributes:
        corners: (K, 2) in order.
        start, end: (2,) ends of the axis, for example the spine.
        softness: distance from the polygon that counts as one thickness.
        half_width: distance from the axis at which the depth is zero.
        bulge: depth on the axis.
    """

    corners: np.ndarray
    start: np.ndarray
    end: np.ndarray
    softness: float
    half_width: float = 1.0
    bulge: float = 0.0

    @property
    def thickness(self) -> float:
        return self.softness

    def distance(self, points: np.ndarray) -> np.ndarray:
        following = np.roll(self.corners, -1, axis=0)
        edge = following - self.corners
        away = points[:, None] - self.corners
        side = edge[:, 0] * away[..., 1] - edge[:, 1] * away[..., 0]
        inside = (side >= 0).all(1) | (side <= 0).all(1)
        edges = zip(self.corners, following, strict=True)
        outside = np.min([segment_distance(points, a, b) for a, b in edges], axis=0)
        return np.where(inside, 0, outside) / self.softness

    def along(self, points: np.ndarray) -> np.ndarray:
        axis = self.end - self.start
        return np.clip((points - self.start) @ axis / max(axis @ axis, 1e-12), 0, 1)

    def depth(self, points: np.ndarray) -> np.ndarray:
        axis = self.end - self.start
        across = (points - self.start) @ crosswise(axis) / max(np.linalg.norm(axis), 1e-6)
        return self.bulge * np.sqrt(np.maximum(1 - (across / self.half_width) ** 2, 0))


@dataclass(frozen=True, eq=False)
class Ellipse:
    """Head: an ellipsoid with `axes` (half width, half height), its height along `up`."""

    centre: np.ndarray
    up: np.ndarray
    axes: tuple[float, float]
    bulge: float

    @property
    def thickness(self) -> float:
        return self.axes[0]

    def _within(self, points: np.ndarray) -> np.ndarray:
        away = points - self.centre
        return np.hypot(away @ crosswise(self.up) / self.axes[0], away @ self.up / self.axes[1])

    def distance(self, points: np.ndarray) -> np.ndarray:
        return self._within(points)

    def along(self, points: np.ndarray) -> np.ndarray:
        return np.zeros(len(points))

    def depth(self, points: np.ndarray) -> np.ndarray:
        return self.bulge * np.sqrt(np.maximum(1 - self._within(points) ** 2, 0))


Shape = Capsule | Slab | Ellipse
