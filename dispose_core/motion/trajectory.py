"""Trajectory maps: blurred displacement of each joint from one frame to the next.

See docs/reference_behaviour.md#joint-tracks, 5.2. Only the joints are stored; `trajectory_maps`
rasterises them at any size.
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

# Maps per batch of matrix products.
CHUNK = 8


@dataclass(frozen=True, eq=False)
class TrajectoryPoints:
    """Joint motion from the preceding frame to each frame; frame 0 has none.

    Attributes:
        start: (F+1, 18, 2) float64 x, y in the preceding frame, fractions of the image.
        end: (F+1, 18, 2) float64 x, y in the frame, fractions.
        visible: (F+1, 18) bool, joints drawn in the trajectory map.
    """

    start: Tensor
    end: Tensor
    visible: Tensor

    def __len__(self) -> int:
        return len(self.visible)

    def at(self, index: Tensor) -> TrajectoryPoints:
        return TrajectoryPoints(self.start[index], self.end[index], self.visible[index])


def trajectory_points(sequence: PoseSequence, official: bool = False) -> TrajectoryPoints:
    """Joint motion of a sequence whose frame 0 is the reference pose.

    A joint missing in either frame is omitted. The official code does not check the later frame, so
    a joint that disappears seems to jump to (0, 0); `official` reproduces that.
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
    """The unblurred map as one displacement per joint.

    Returns:
        (n, 18, 2) int64 pixel x, y of each joint; (n, 18, 2) float64 displacement dx, dy in pixels;
        (n, 18) bool, False for omitted joints and for those covered by a later one.
    """
    start, end = to_pixels(points.start, size), to_pixels(points.end, size)
    pixels = start.long()  # truncates, as the official code does
    return pixels, end - start, last_on_pixel(pixels, points.visible)


def trajectory_maps(points: TrajectoryPoints, size: tuple[int, int]) -> Tensor:
    """Blurred displacement maps (docs/reference_behaviour.md#trajectory-map).

    Args:
        size: (H, W) of the maps.

    Returns:
        (n, 2, H, W) float32, (dx, dy) in pixels of `size`, blurred by a normalised Gaussian.
    """
    pixels, displacements, drawn = trajectory_marks(points, size)
    displacements = displacements * drawn[..., None]
    maps = torch.empty(len(points), 2, *size)
    for first in range(0, len(points), CHUNK):
        part = slice(first, first + CHUNK)
        splat_trajectories(pixels[part], displacements[part], maps[part])
    return maps


def splat_trajectories(
    pixels: Tensor, displacements: Tensor, out: Tensor, sigma: float = SIGMA
) -> None:
    """Splat the displacement of each joint with a Gaussian into `out`.

    The Gaussian is separable, so K joints need two small matrix products instead of a 2-D filter.

    Args:
        pixels: (n, K, 2) int64 x, y inside the image.
        displacements: (n, K, 2) dx, dy; zero for omitted joints.
        out: (n, 2, H, W) float32, contiguous, overwritten.
        sigma: standard deviation in pixels; the kernel radius is 99 pixels.
    """
    count, _, height, width = out.shape
    along_x = _blur(width, sigma).to(out.device)[pixels[..., 0]]  # (n, K, W)
    along_y = _blur(height, sigma).to(out.device)[pixels[..., 1]]  # (n, K, H)
    rows = torch.einsum("nkc,nkh->nchk", displacements.to(along_y), along_y)
    torch.bmm(rows.flatten(1, 2), along_x, out=out.view(count, 2 * height, width))


@lru_cache(maxsize=4)
def _blur(length: int, sigma: float) -> Tensor:
    """(length, length) blur matrix; row p is the response to an impulse at p.

    The border is mirrored (reflect-101) as often as the kernel needs.
    """
    taps = torch.arange(-RADIUS, RADIUS + 1)
    kernel = torch.exp(-(taps.double() ** 2) / (2 * sigma**2))
    last = length - 1
    # Repeated mirroring is a triangle wave of period 2·last.
    folded = (torch.arange(length)[:, None] + taps).abs() % max(2 * last, 1)
    source = last - (last - folded).abs()
    blur = torch.zeros(length, length, dtype=torch.float64)
    blur.scatter_add_(1, source, (kernel / kernel.sum()).expand(length, -1))
    return blur.t().float().contiguous()
