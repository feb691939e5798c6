"""Context windows: how a clip longer than the network's memory is cut into overlapping pieces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import NetworkError
from .options import LENGTH, OVERLAP


@dataclass(frozen=True, eq=False)
class ContextWindows:
    """Windows of one length over a clip; every one begins with frame 0, the reference.

    Attributes:
        num_frames: (n, length) int64, absolute frames of the clip, rising in each window.
        weights: (length,) float32, how much a window's prediction counts at each of its places.
    """

    frames: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def length(self) -> int:
        return self.frames.shape[1]

    def total_weights(self) -> Tensor:
        """(F+1,) float32: the weights of all windows summed at each frame, all above 0."""
        total = torch.zeros(int(self.frames.max()) + 1)
        return total.index_add_(0, self.frames.flatten(), self.weights.repeat(len(self)))


def context_windows(
    num_frames: int, length: int = LENGTH, overlap: int = OVERLAP
) -> ContextWindows:
    """The windows of a clip (docs/reference_behaviour.md#context-windows).

    A clip no longer than a window is a single, shorter one; the official code crashes there.

    Args:
        num_frames: frames of the clip, F+1: the reference and the driving frames.
        length: frames of a window, the reference included; at least 2.
        overlap: frames that neighbours share, the reference included, below `length`. 0 counts
            as 1: the reference is shared in any case, and the official code, which counts it as
            any other frame, leaves a frame out between two windows then.

    Raises:
        NetworkError: a value outside its range.
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
    """(length,) float32 weights that rise to the middle and fall: 1/length … 1 - 1/length."""
    rising = (torch.arange(length) + 0.5) * (2 / length)
    return torch.minimum(rising, 2 - rising)
