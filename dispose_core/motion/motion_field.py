"""`MotionField`: dense motion on the densifier's grid, resized on request.

Full-size flow is never kept for all frames; callers request the frames and size they need.
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

# Absolute frame indices; None means all.
Frames = Sequence[int] | slice | None


@dataclass(frozen=True, eq=False)
class MotionField:
    """Flow from the reference image to each frame; all tensors are on the CPU.

    Attributes:
        grid: (F+1, 2, h, w) float32, (dx, dy) in pixels of this h×w grid; frame 0 is zero.
        trajectories: joint motion; `trajectory` converts it to blurred maps.
        valid: (F+1,) bool, frames that have a pose; the flow of others is zero.
        layer: (h, w) drawing order of the grid points if known; larger is nearer.
        subject: (h, w) mask of the person on the grid, 0…1, if known.
        resample: interpolation mode for resizing the grid; nearest for CMP
            (docs/reference_behaviour.md#cmp-dense-motion).
        report: messages of the stages that made the field.
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
        """Flow of the given frames at the given size.

        Args:
            frames: absolute frames; all when None.
            size: (h, w) of the result; the image's when None.

        Returns:
            (n, 2, h, w) float32, (dx, dy) in pixels of that size; a copy.

        Raises:
            DisPoseError: the field has no such frame.
        """
        return resize_flow(self.grid[self._index(frames)], size or self.size, self.resample)

    def trajectory(self, frames: Frames = None, size: tuple[int, int] | None = None) -> Tensor:
        """Trajectory maps of the given frames; arguments, result and errors as for `flow`.

        The map of a frame shows the motion from the preceding frame, even if that one is not
        requested.
        """
        return trajectory_maps(self.trajectories.at(self._index(frames)), size or self.size)

    def slice(self, frames: Frames) -> MotionField:
        """A field with only these frames; flow remains relative to the reference.

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
        """Largest displacement over all frames, in pixels of `size` (the image's when None)."""
        scale = _scale(self.grid.shape[-2:], size or self.size)
        moved = (torch.hypot(*(frame * scale)).max().item() for frame in self.grid)
        return max(moved, default=0.0)

    def _index(self, frames: Frames) -> Tensor:
        count = len(self)
        if frames is None:
            return torch.arange(count)
        if isinstance(frames, slice):
            return torch.arange(count)[frames]
        index = torch.as_tensor(frames, dtype=torch.int64)
        invalid = index[(index < 0) | (index >= count)]
        if len(invalid):
            raise DisPoseError(
                f"motion field: frame {int(invalid[0])} was asked for, it has frames 0…{count - 1} "
                "(0 is the reference). Make the field from as many poses as there are frames."
            )
        return index


def resize_flow(
    flow: Tensor, size: tuple[int, int], resample: Literal["bilinear", "nearest"] = "bilinear"
) -> Tensor:
    """Resize flow and scale its values to pixels of the new size.

    Args:
        flow: (n, 2, h, w) pixels of h×w.
        resample: bilinear (with `align_corners=False`) or nearest.

    Returns:
        (n, 2, H, W) pixels of H×W; `flow` itself if it has that size.
    """
    source_size, target_size = tuple(flow.shape[-2:]), tuple(size)
    if source_size == target_size:
        return flow
    smooth = {"align_corners": False} if resample == "bilinear" else {}
    scale = _scale(source_size, target_size).to(flow)
    return F.interpolate(flow, target_size, mode=resample, **smooth).mul_(scale)


def _scale(source_size: Sequence[int], size: Sequence[int]) -> Tensor:
    """(2, 1, 1) factors of dx and dy."""
    return torch.tensor([size[1] / source_size[1], size[0] / source_size[0]])[:, None, None]


def check_first_frame(grid: Tensor, path: Path) -> None:
    """Raise MediaError unless the flow read from `path` has a frame 0 with zero motion."""
    if not grid.numel() or grid[0].any():
        raise MediaError(
            f"motion field {path}: frame 0, the reference itself, is missing or moves. "
            "Make the motion field again."
        )
