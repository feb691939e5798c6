"""Measure a person's bone lengths in pixels and compare two people."""

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

# Bones, named by their child joint. Body size is measured on trunk and legs, as arms are often
# foreshortened.
_TORSO_AND_LEGS = [joint for leg in LEGS for joint in leg]
_GROUPS = (
    list(SHOULDERS),
    [joint for arm in ARMS for joint in arm[1:]],
    list(HIPS),
    [joint for leg in LEGS for joint in leg[1:]],
    [NOSE],
)

# Percentile of the lengths over all frames that is taken as the bone length: larger values are
# noise, smaller ones foreshortening.
FULL_LENGTH = 80


@dataclass(frozen=True)
class Proportions:
    """Joints and bone lengths of a person in pixels; a missing neck is the shoulders' midpoint.

    Attributes:
        points: (T, 134, 2)
        seen: (T, 18) bool, visible joints.
        lengths: (18,) of the bone that ends in each joint, NaN where it is never visible.
    """

    points: np.ndarray
    seen: np.ndarray
    lengths: np.ndarray

    @classmethod
    def measure(cls, poses: PoseSequence, size: tuple[int, int]) -> Proportions:
        """Measure poses in pixels of an image of `size` (H, W)."""
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
        """Mean length of the bones that end in these joints; 0 if none is known."""
        known = self.lengths[ends][np.isfinite(self.lengths[ends])]
        return float(known.mean()) if len(known) else 0.0


def body_scale(reference: Proportions, driver: Proportions) -> float | None:
    """Scale from `driver` pixels to `reference` pixels; None if they share no bone."""
    shared = np.isfinite(reference.lengths) & np.isfinite(driver.lengths)
    core = np.zeros_like(shared)
    core[_TORSO_AND_LEGS] = shared[_TORSO_AND_LEGS]
    used = core if core.any() else shared
    return float(reference.lengths[used].sum() / driver.lengths[used].sum()) if used.any() else None


def bone_lengths(
    reference: Proportions, driver: Proportions, scale: float
) -> tuple[np.ndarray, list[int]]:
    """Return (18,) bone lengths for `reference` and the indices borrowed from `driver`.

    The length of an invisible bone is that of the opposite side, else the driver's, scaled; NaN if
    neither person shows it.
    """
    lengths = reference.lengths
    lengths = np.where(np.isnan(lengths), lengths[list(BODY_MIRROR)], lengths)
    borrowed = np.isnan(lengths) & np.isfinite(driver.lengths)
    lengths[borrowed] = driver.lengths[borrowed] * scale
    return lengths, np.flatnonzero(borrowed).tolist()


def difference(reference: Proportions, driver: Proportions) -> float:
    """Largest relative difference in proportion of shoulders, arms, trunk, legs or neck.

    0 for bodies that differ only in size.
    """
    ratios = reference.lengths / driver.lengths
    shared = [ratios[group][np.isfinite(ratios[group])] for group in _GROUPS]
    means = np.array([group.mean() for group in shared if len(group)])
    return float(np.abs(means / np.median(means) - 1).max()) if len(means) else 0.0
