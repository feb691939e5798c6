"""`MotionField`: dense motion of a clip on the densifier's own grid, handed out in pieces.

A clip of full-size flow is never held whole: a stage asks for the frames and the size it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisPoseError, MediaError
from .trajectory import TrajectoryPoints, trajectory_maps

# Frames of a clip by their absolute number; None means all.
Frames = Sequence[int] | slice | None


@dataclass(frozen=True, eq=False)
class MotionField:
    """Flow from the reference image to each frame of a clip; all tensors on the CPU.

    Attributes:
        grid: (F+1, 2, h, w) float32, (dx, dy) in pixels of this h×w grid; frame 0 is zero.
        trajectories: joint motion, materialised as blurred maps by `trajectory`.
        size: (H, W) of the image.
        valid: (F+1,) bool: frames that have a pose; the flow of others is zero.
        layer: (h, w) drawing order of the grid's points where known, larger is nearer.
        subject: (h, w) 0…1, where the person is on the grid, where the densifier knows.
        resample: how the grid is enlarged (docs/reference_behaviour.md#cmp-dense-motion: CMP's is
            nearest).
        report: what was decided on the way, a line each.
    """

    grid: Tensor
    trajectories: TrajectoryPoints
    size: tuple[int, int]
    valid: Tensor
    layer: Tensor | None = None
    subject: Tensor | None = None
    resample: Literal["bilinear", "nearest"] = "bilinear"
    report: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.grid)

    def flow(self, frames: Frames = None, size: tuple[int, int] | None = None) -> Tensor:
        """Flow of some frames at some size.

        Args:
            frames: absolute frames; all when None.
            size: (h, w) of the result; the image's when None.

        Returns:
            (n, 2, h, w) float32, (dx, dy) in pixels of that size; the caller's own copy.

        Raises:
            DisPoseError: the field has no such frame.
        """
        return resize_flow(self.grid[self._index(frames)], size or self.size, self.resample)

    def trajectory(self, frames: Frames = None, size: tuple[int, int] | None = None) -> Tensor:
        """Trajectory maps of some frames; arguments, result and errors as of `flow`.

        A frame's map shows the motion from the frame before it, whichever frames are asked for.
        """
        return trajectory_maps(self.trajectories.at(self._index(frames)), size or self.size)

    def slice(self, frames: Frames) -> MotionField:
        """A field with only these frames, their values unchanged: still from the reference.

        Raises:
            DisPoseError: the field has no such frame.
        """
        index = self._index(frames)
        return replace(
            self,
            grid=self.grid[index],
            trajectories=self.trajectories.at(index),
            valid=self.valid[index],
        )

    def largest_motion(self, size: tuple[int, int] | None = None) -> float:
        """The longest displacement of the clip, in pixels of `size` (the image's when None)."""
        scale = _scale(self.grid.shape[-2:], size or self.size)
        moved = (torch.hypot(*(one * scale)).max().item() for one in self.grid)
        return max(moved, default=0.0)

    def _index(self, frames: Frames) -> Tensor:
        count = len(self)
        if frames is None:
            return torch.arange(count)
        if isinstance(frames, slice):
            return torch.arange(count)[frames]
        index = torch.as_tensor(frames, dtype=torch.int64)
        wrong = index[(index < 0) | (index >= count)]
        if len(wrong):
            raise DisPoseError(
                f"motion field: frame {int(wrong[0])} was asked for, it has frames 0…{count - 1} "
                "(0 is the reference). Make the field from as many poses as there are frames."
            )
        return index


def resize_flow(
    flow: Tensor, size: tuple[int, int], resample: Literal["bilinear", "nearest"] = "bilinear"
) -> Tensor:
    """Flow at another size, its values in pixels of that size.

    Args:
        flow: (n, 2, h, w) pixels of h×w.
        size: (H, W).
        resample: bilinear between grid points (corners of pixels aligned), or the nearest of them.

    Returns:
        (n, 2, H, W) pixels of H×W; `flow` itself when it has that size.
    """
    given, wanted = tuple(flow.shape[-2:]), tuple(size)
    if given == wanted:
        return flow
    smooth = {"align_corners": False} if resample == "bilinear" else {}
    scale = _scale(given, wanted).to(flow)
    return F.interpolate(flow, wanted, mode=resample, **smooth).mul_(scale)


def _scale(given: Sequence[int], size: Sequence[int]) -> Tensor:
    """(2, 1, 1): what dx and dy grow by."""
    return torch.tensor([size[1] / given[1], size[0] / given[0]])[:, None, None]


def check_first_frame(grid: Tensor, path: Path) -> None:
    """Raises MediaError unless the flow read from `path` has a frame 0, and that stands still."""
    if not grid.numel() or grid[0].any():
        raise MediaError(
            f"motion field {path}: frame 0, the reference itself, is missing or moves. "
            "Make the motion field again."
        )
