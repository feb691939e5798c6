"""One scale and one shift for a whole clip: driving poses into the reference image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sequence import PoseSequence


@dataclass(frozen=True)
class Placement:
    """aligned = fraction * scale + shift, per axis (x, y)."""

    scale: np.ndarray
    shift: np.ndarray

    def __call__(self, person: PoseSequence, size: tuple[int, int]) -> PoseSequence:
        """`person` in an image of `size` (H, W)."""
        return PoseSequence(person.points * self.scale + self.shift, person.scores, size)
