"""Context windows: overlapping windows over sequences longer than the network's context."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import NetworkError
from .options import LENGTH, OVERLAP


@dataclass(frozen=True, eq=False)
class ContextWindows:
    """Windows of one length; each one starts with frame 0, the reference.

    Attributes:
        frames: (n, length) int64, absolute frames, ascending in each window.
        weights: (length,) float32, weight of a window's prediction at each position.
    """

    frames: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def length(self) -> int:
        return self.frames.shape[1]

    def total_weights(self) -> Tensor:
        """(F+1,) float32: sum of the weights of all windows at each frame, all above 0."""
        total = torch.zeros(int(self.frames.max()) + 1)
        return total.index_add_(0, self.frames.flatten(), self.weights.repeat(len(self)))


def context_windows(
    num_frames: int, length: int = LENGTH, overlap: int = OVERLAP
) -> ContextWindows:
    """Windows over a sequence (docs/reference_behaviour.md#context-windows).

    A sequence no longer than a window gives a single, shorter window; the official code crashes
    there.

    Args:
        length: frames of a window, the reference included; at least 2.
        overlap: frames that neighbours share, the reference included, below `length`. 0 counts as
            1, since the reference is always shared; the official code skips a frame between windows
            then.

    Raises:
        NetworkError: a value out of range.
    """
    if num_frames < 1:
        raise NetworkError("context windows: a clip of 0 frames. Give at least one pose.")
    if length < 2 or not 0 <= overlap < length:
        raise NetworkError(
            f"context windows: length {length} with overlap {overlap}; the length must be at "
            f"least 2 and the overlap 0…length - 1. The released weights want {LENGTH} and "
            f"{OVERLAP}."
        )
    length = min(length, num_frames)
    stride = max(length - max(overlap, 1), 1)
    last = num_frames - length
    starts = list(range(0, last + 1, stride))
    if starts[-1] < last:
        starts.append(last)
    frames = torch.tensor(starts)[:, None] + torch.arange(length)
    frames[:, 0] = 0
    return ContextWindows(frames, triangle(length))


def triangle(length: int) -> Tensor:
    """(length,) float32 triangular weights from 1/length up to the middle and down again."""
    rising = (torch.arange(length) + 0.5) * (2 / length)
    return torch.minimum(rising, 2 - rising)
