"""Skeleton images of a sequence, drawn on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..pose.render import render_poses
from ..pose.sequence import PoseSequence


class SkeletonImages:
    """Skeleton images of a sequence, the reference's first, drawn on demand.

    Attributes:
        shape: (F+1, 3, H, W)
    """

    def __init__(
        self,
        reference: Sequence[PoseSequence],
        driving: Sequence[PoseSequence],
        size: tuple[int, int],
    ) -> None:
        self._reference, self._driving, self._size = reference, driving, size
        self.shape = (1 + len(driving[0]), 3, *size)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, frames: slice) -> Tensor:
        """(n, 3, H, W) float32, 0…1."""
        images = torch.from_numpy(np.stack(list(self.drawn(range(len(self))[frames]))))
        return images.permute(0, 3, 1, 2) / 255

    def drawn(self, frames: range) -> Iterator[np.ndarray]:
        """Yield (H, W, 3) uint8 for each frame of a contiguous range."""
        if 0 in frames:
            yield from render_poses(self._reference, self._size)
        inner = slice(max(frames.start, 1) - 1, frames.stop - 1)
        if inner.stop > inner.start:
            yield from render_poses([person[inner] for person in self._driving], self._size)
