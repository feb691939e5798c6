"""Sparse flow: displacement of each joint from the reference to each frame, input of CMP.

See docs/reference_behaviour.md#sparse-optical-flow, 5.4. The flow has one value at the pixel of
each joint, and a mask of these pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pose.sequence import PoseSequence
from .joints import body_joints, last_on_pixel, to_pixels


def sparse_marks(
    sequence: PoseSequence,
    size: tuple[int, int],
    grid: tuple[int, int] | None = None,
    official: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Displacement of each joint from frame 0, and the grid pixel at which it is stored.

    Joints missing in the reference or in the frame are omitted. The official code takes them to be
    at (0, 0); `official` reproduces that.

    Args:
        sequence: F+1 poses, frame 0 the reference.
        size: (H, W) of the image; joints outside are clamped to its edge.
        grid: (h, w) of the grid; `size` when None.

    Returns:
        (F+1, 18, 2) int64 grid x, y; (F+1, 18, 2) float64 dx, dy in pixels of the grid;
        (F+1, 18) bool, False for omitted joints and for those covered by a later one.
    """
    points, seen = body_joints(sequence)
    track = to_pixels(points, size)
    if grid is not None and grid != size:
        # The order of the operations matters: truncation must give the official code's pixel.
        track = track / track.new_tensor(size[::-1]) * track.new_tensor(grid[::-1])
    pixels = track[:1].long().expand(len(track), -1, -1)
    drawn = torch.ones_like(seen) if official else seen & seen[:1]
    return pixels, track - track[:1], last_on_pixel(pixels, drawn)


def sparse_flow(
    sequence: PoseSequence,
    size: tuple[int, int],
    grid: tuple[int, int] | None = None,
    frames: Sequence[int] | None = None,
    official: bool = False,
) -> tuple[Tensor, Tensor]:
    """Rasterise `sparse_marks`.

    Args:
        frames: absolute frames; all when None. For the others see `sparse_marks`.

    Returns:
        (n, 2, h, w) float32 flow, (dx, dy) in pixels of the grid, zero away from joints;
        (n, 2, h, w) float32 mask, 1 in both channels at joints.
    """
    pixels, displacements, drawn = sparse_marks(sequence, size, grid, official)
    chosen = torch.arange(len(sequence))[slice(None) if frames is None else list(frames)]
    frame, joint = drawn[chosen].nonzero(as_tuple=True)
    x, y = pixels[chosen[frame], joint].unbind(-1)

    flow = torch.zeros(len(chosen), 2, *(grid or size))
    mask = torch.zeros_like(flow[:, :1])
    flow[frame, :, y, x] = displacements[chosen[frame], joint].to(flow)
    mask[frame, :, y, x] = 1.0
    return flow, mask.expand_as(flow)


def image_on_grid(image: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resize (3, H, W) to (3, h, w) by nearest neighbour, as the official code does for CMP.

    See docs/reference_behaviour.md#sparse-flow-384.
    """
    return F.interpolate(image[None], grid, mode="nearest")[0]
