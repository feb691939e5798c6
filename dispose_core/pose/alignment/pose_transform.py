"""The scale and shift that map driving poses into the reference image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sequence import PoseSequence


@dataclass(frozen=True)
class PoseTransform:
    """Affine map per axis (x, y): aligned = fraction * scale + shift."""

    scale: np.ndarray
    shift: np.ndarray

    def __call__(self, person: PoseSequence, size: tuple[int, int]) -> PoseSequence:
        """Transform `person` into an image of `size` (H, W)."""
        return PoseSequence(person.points * self.scale + self.shift, person.scores, size)
