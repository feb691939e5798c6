"""How long a person's bones are in pixels, and how two people compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sequence import PoseSequence
from ..skeleton import (
    ARMS,
    BODY_MIRROR,
    BODY_SLICE,
    BONES,
    HIPS,
    LEGS,
    N_BODY,
    NECK,
    NOSE,
    SHOULDERS,
)

# Bones by the joint they end in. Trunk and legs tell how large a person is; arms turn towards the
# camera too often.
_TORSO_AND_LEGS = [joint for leg in LEGS for joint in leg]
_GROUPS = (
    list(SHOULDERS),
    [joint for arm in ARMS for joint in arm[1:]],
    list(HIPS),
    [joint for leg in LEGS for joint in leg[1:]],
    [NOSE],
)

# A bone is as long as it gets in this share of the frames: longer is noise, shorter is turned
# towards the camera.
FULL_LENGTH = 80


@dataclass(frozen=True)
class Proportions:
    """A person in pixels; the neck stands between the shoulders where it was not seen itself.

    Attributes:
        points: (T, 128, 2)
        seen: (T, 18) bool
        lengths: (18,) of the bone that ends in each joint, NaN where it is never seen.
    """

    points: np.ndarray
    seen: np.ndarray
    lengths: np.ndarray

    @classmethod
    def measure(cls, poses: PoseSequence, size: tuple[int, int]) -> Proportions:
        """`poses` in pixels of an image of `size` (H, W)."""
        points = poses.points * (size[1], size[0])
        seen = poses.body_visible.copy()
        between = ~seen[:, NECK] & seen[:, SHOULDERS].all(-1)
        points[between, NECK] = points[between][:, SHOULDERS].mean(1)
        seen[:, NECK] |= between
        lengths = np.full(N_BODY, np.nan)
        for parent, child in BONES:
            both = seen[:, parent] & seen[:, child]
            if both.any():
                bone = points[both, child] - points[both, parent]
                length = np.percentile(np.hypot(*bone.T), FULL_LENGTH)
                lengths[child] = length if length > 1e-6 else np.nan
        return cls(points, seen, lengths)

    @property
    def joints(self) -> np.ndarray:
        """(T, 18, 2)"""
        return self.points[:, BODY_SLICE]

    def length(self, ends: list[int]) -> float:
        """Mean length of the bones that end in these joints; 0 where none was seen."""
        found = self.lengths[ends][np.isfinite(self.lengths[ends])]
        return float(found.mean()) if len(found) else 0.0


def body_scale(reference: Proportions, driver: Proportions) -> float | None:
    """How many pixels of `reference` are one pixel of `driver`; None where they share no bone."""
    shared = np.isfinite(reference.lengths) & np.isfinite(driver.lengths)
    core = np.zeros_like(shared)
    core[_TORSO_AND_LEGS] = shared[_TORSO_AND_LEGS]
    used = core if core.any() else shared
    return float(reference.lengths[used].sum() / driver.lengths[used].sum()) if used.any() else None


def bone_lengths(
    reference: Proportions, driver: Proportions, scale: float
) -> tuple[np.ndarray, list[int]]:
    """(18,) lengths of the bones of `reference`, and which of them had to be taken from `driver`.

    A bone that is not seen is as long as on the other side, else as the driver's, scaled; NaN
    where neither person shows it.
    """
    lengths = reference.lengths
    lengths = np.where(np.isnan(lengths), lengths[list(BODY_MIRROR)], lengths)
    borrowed = np.isnan(lengths) & np.isfinite(driver.lengths)
    lengths[borrowed] = driver.lengths[borrowed] * scale
    return lengths, np.flatnonzero(borrowed).tolist()


def difference(reference: Proportions, driver: Proportions) -> float:
    """The largest share by which shoulders, arms, trunk, legs or neck differ in proportion.

    0 for bodies of one build, whatever their sizes.
    """
    ratios = reference.lengths / driver.lengths
    shared = [ratios[group][np.isfinite(ratios[group])] for group in _GROUPS]
    means = np.array([group.mean() for group in shared if len(group)])
    return float(np.abs(means / np.median(means) - 1).max()) if len(means) else 0.0
