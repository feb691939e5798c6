"""Trajectory map: where each joint goes from one frame to the next, blurred.

See docs/reference_behaviour.md#joint-tracks, 5.2.

Kept as points, which are tiny; `trajectory_maps` turns them into images of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..pose.sequence import PoseSequence
from .joints import body_joints, last_on_pixel, to_pixels

# The official blur: 199 taps, standard deviation 20 pixels at every image size
# (docs/reference_behaviour.md#trajectory-map).
SIGMA = 20.0
RADIUS = 99

# Maps are made this many at a time: a batch for the matrix product, little memory beside it.
CHUNK = 8


@dataclass(frozen=True, eq=False)
class TrajectoryPoints:
    """Joint motion from the frame before to each frame; frame 0 shows none.

    Attributes:
        start: (F+1, 18, 2) float64 x, y at the frame before, fractions of the image.
        end: (F+1, 18, 2) float64 x, y at the frame, fractions.
        visible: (F+1, 18) bool: joints that leave a mark in the trajectory map.
    """

    start: Tensor
    end: Tensor
    visible: Tensor

    def __len__(self) -> int:
        return len(self.visible)

    def at(self, index: Tensor) -> TrajectoryPoints:
        """Only these frames, values unchanged."""
        return TrajectoryPoints(self.start[index], self.end[index], self.visible[index])


def trajectory_points(sequence: PoseSequence, official: bool = False) -> TrajectoryPoints:
    """Joint motion of a clip (frame 0 the reference pose).

    A joint that is missing at either end leaves no mark. The official code does not look at the
    later end: a joint that disappears there seems to jump to (0, 0). `official` keeps that.
    """
    points, seen = body_joints(sequence)
    start, end = torch.zeros_like(points), torch.zeros_like(points)
    visible = torch.zeros_like(seen)
    visible[1:] = seen[:-1] if official else seen[:-1] & seen[1:]
    start[1:], end[1:] = points[:-1], points[1:]
    return TrajectoryPoints(start, end, visible)


def trajectory_marks(
    points: TrajectoryPoints, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """The map before the blur: one mark a joint.

    Args:
        points: n frames.
        size: (H, W).

    Returns:
        (n, 18, 2) int64 pixel x, y of each mark; (n, 18, 2) float64 displacement dx, dy in
        pixels; (n, 18) bool, false for joints without a mark and for those under a later one.
    """
    start, end = to_pixels(points.start, size), to_pixels(points.end, size)
    pixels = start.long()  # truncates, as the official code does
    return pixels, end - start, last_on_pixel(pixels, points.visible)


def trajectory_maps(points: TrajectoryPoints, size: tuple[int, int]) -> Tensor:
    """Blurred displacement maps (docs/reference_behaviour.md#trajectory-map).

    Args:
        points: n frames.
        size: (H, W) of the maps.

    Returns:
        (n, 2, H, W) float32, (dx, dy) in pixels of `size`, spread by a Gaussian that sums to 1.
    """
    pixels, displacements, shown = trajectory_marks(points, size)
    displacements = displacements * shown[..., None]
    maps = torch.empty(len(points), 2, *size)
    for first in range(0, len(points), CHUNK):
        part = slice(first, first + CHUNK)
        splat_trajectories(pixels[part], displacements[part], maps[part])
    return maps


def splat_trajectories(
    pixels: Tensor, displacements: Tensor, out: Tensor, sigma: float = SIGMA
) -> None:
    """Writes each joint's displacement, spread by a Gaussian, into `out`.

    The Gaussian is separable, so K joints cost two small matrix products instead of a 2-D filter.

    Args:
        pixels: (n, K, 2) int64 x, y inside the image.
        displacements: (n, K, 2) dx, dy; zero for joints without a mark.
        out: (n, 2, H, W) float32, contiguous, overwritten.
        sigma: standard deviation in pixels; the kernel ends 99 pixels from its centre.
    """
    count, _, height, width = out.shape
    along_x = _blur(width, sigma).to(out.device)[pixels[..., 0]]  # (n, K, W)
    along_y = _blur(height, sigma).to(out.device)[pixels[..., 1]]  # (n, K, H)
    rows = torch.einsum("nkc,nkh->nchk", displacements.to(along_y), along_y)
    torch.bmm(rows.flatten(1, 2), along_x, out=out.view(count, 2 * height, width))


@lru_cache(maxsize=4)
def _blur(length: int, sigma: float) -> Tensor:
    """(length, length): row p is what a 1 at place p becomes.

    The image goes on mirrored at its edge pixels (reflect-101), as often as the kernel needs.
    """
    taps = torch.arange(-RADIUS, RADIUS + 1)
    kernel = torch.exp(-(taps.double() ** 2) / (2 * sigma**2))
    last = length - 1
    # Distance along a zigzag of period 2·last folds every tap back into the image.
    folded = (torch.arange(length)[:, None] + taps).abs() % max(2 * last, 1)
    source = last - (last - folded).abs()
    blur = torch.zeros(length, length, dtype=torch.float64)
    blur.scatter_add_(1, source, (kernel / kernel.sum()).expand(length, -1))
    return blur.t().float().contiguous()
