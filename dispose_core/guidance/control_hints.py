"""`ControlHints`: inputs of the ControlNet for a whole sequence, encoded once and sliced by window.

They depend on neither the step, the window nor cond/uncond (docs/reference_behaviour.md#quirk-2,
3). They stay on the CPU, and windows select frames by their absolute index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import NetworkError
from ..models.controlnet import HybridControlNet, Residuals
from ..models.svd_unet import CachedConditioning


@dataclass(frozen=True, eq=False)
class PointLevel:
    """Sparse residuals of one level.

    Attributes:
        values: (M, C) float32, one row per stored cell.
        frame: (M,) int64, frame of each row.
        cell: (M,) int64, position y * w + x on the level's grid.
        size: (h, w) of the level's grid.
    """

    values: Tensor
    frame: Tensor
    cell: Tensor
    size: tuple[int, int]

    def dense(self, frames: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor | None:
        """Dense residuals (n, C, h, w) of frames (n,), or None if all are zero."""
        position, row = (frames[:, None] == self.frame).nonzero(as_tuple=True)
        if not len(row):
            return None
        # Non-blocking copies are safe, as the sources are not modified.
        values = self.values[row].to(device, dtype, non_blocking=True)
        grid = values.new_zeros(len(frames), values.shape[1], math.prod(self.size))
        position = position.to(device, non_blocking=True)
        grid[position, :, self.cell[row].to(device, non_blocking=True)] = values
        return grid.unflatten(2, self.size)


@dataclass(frozen=True, eq=False)
class PointResiduals:
    """The point adapter's output for a sequence (docs/reference_behaviour.md#point-adapter).

    One level per down block at the size of the block's output: 1/16, 1/32, 1/64, 1/64 of the image.
    Levels 2 and 3 are empty in most sequences.

    Attributes:
        per_level: the levels in the order of the down blocks.
    """

    per_level: tuple[PointLevel, ...]
    num_frames: int

    def levels(
        self, frames: Sequence[int], device: torch.device | str, dtype: torch.dtype
    ) -> list[Tensor | None]:
        """Each level (n, C_l, h_l, w_l) for the frames of a window, None where it adds nothing.

        Frames may be in any order and repeated.

        Raises:
            NetworkError: a frame is out of range.
        """
        index = window_index(frames, self.num_frames, "point residuals")
        return [level.dense(index, torch.device(device), dtype) for level in self.per_level]


@dataclass(frozen=True, eq=False)
class ControlHints:
    """All hints of F+1 frames (frame 0 is the reference).

    Attributes:
        motion: (F+1, C0, h, w) on the CPU, the motion embedding, added after the ControlNet's
            `conv_in` (docs/reference_behaviour.md#motion-embedding).
        points: residuals added after each down block
            (docs/reference_behaviour.md#controlnet-down-blocks). Optional; without it there is no
            point guidance.

    Raises:
        NetworkError: motion and points differ in length.
    """

    motion: Tensor
    points: PointResiduals | None = None

    def __post_init__(self) -> None:
        if self.points is not None and self.points.num_frames != len(self.motion):
            raise NetworkError(
                f"hints: motion for {len(self.motion)} frames and points for "
                f"{self.points.num_frames}. Make both from the same clip: the reference pose and "
                "every driving pose."
            )

    def __len__(self) -> int:
        return len(self.motion)

    def window_motion(
        self, frames: Sequence[int], device: torch.device | str, dtype: torch.dtype
    ) -> Tensor:
        """Motion embedding (n, C0, h, w) of a window's frames, in any order.

        Raises:
            NetworkError: a frame is out of range.
        """
        index = window_index(frames, len(self.motion), "motion embedding")
        return self.motion[index].to(device, dtype)


def window_residuals(
    net: HybridControlNet,
    sample: Tensor,
    timestep: Tensor | float,
    constants: CachedConditioning,
    hints: ControlHints,
    frames: Sequence[int],
    strength: float = 1.0,
) -> Residuals:
    """Run the ControlNet with the hints of these `frames`; see `HybridControlNet.forward`.

    Raises:
        NetworkError: also when a frame is out of range, or the number of frames differs from the
            window length.
    """
    num_frames = constants.num_frames
    if len(frames) != num_frames:
        raise NetworkError(
            f"ControlNet: {len(frames)} frame numbers for windows of {num_frames} frames. "
            "Give one number for each frame of the window."
        )
    motion = hints.window_motion(frames, net.device, net.dtype)
    points: Sequence[Tensor | None] = ()
    if hints.points is not None:
        points = hints.points.levels(frames, net.device, net.dtype)
    return net(sample, timestep, constants, motion, points, strength)


def window_index(frames: Sequence[int], available: int, name: str) -> Tensor:
    """Convert absolute frames to an index (n,) on the CPU.

    Raises:
        NetworkError: a frame is not in 0…available-1.
    """
    index = torch.as_tensor(frames, dtype=torch.int64).cpu()
    if ((index < 0) | (index >= available)).any():
        raise NetworkError(
            f"{name}: frames {int(index.min())}…{int(index.max())} are needed, the clip has "
            f"0…{available - 1}. A clip has one frame for the reference and one for each driving "
            "frame; give the sampler as many latent frames."
        )
    return index
