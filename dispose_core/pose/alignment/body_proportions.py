"""Measure a person's bone lengths in pixels and compare two people."""

from __future__ import annotations

from collections.abc import Sequence
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
# Upper and lower bones of arms and legs, (right, left) each, with the usual ratio of their lengths
# and the usual length of both in trunks.
_LIMBS = tuple(
    (list(upper), list(lower), ratio, trunks)
    for (_, upper, lower), ratio, trunks in (
        (zip(*ARMS, strict=True), 0.93, 1.05),
        (zip(*LEGS, strict=True), 1.0, 1.7),
    )
)

_LIMB_BONES = {joint for upper, lower, *_ in _LIMBS for joint in (*upper, *lower)}

# Percentiles of the lengths over all frames that are taken as the bone length: larger values are
# noise, smaller ones foreshortening, which arms and legs show most of the time.
FULL_LENGTH, _FULL_LIMB = 80, 90
# A bone shorter than this share of what the rest of its limb suggests is foreshortened; a whole
# limb shorter than the second share of the usual one too. Bodies do not differ as much.
_SHORT_BONE, _SHORT_LIMB = 0.6, 0.4
# The same where the other person's limb tells the ratio of the two bones.
_SHORTER_THAN_OTHERS = 0.75
# Shoulders at least this wide, in trunks, are seen from the front.
_FRONTAL = 0.55


@dataclass(frozen=True)
class Proportions:
    """Joints and bone lengths of a person in pixels; a missing neck is the shoulders' midpoint.

    Attributes:
        points: (T, 134, 2)
        seen: (T, 18) bool, visible joints.
        lengths: (18,) of the bone that ends in each joint, NaN where it is never visible or always
            foreshortened. Arms and legs are as long as the longer side.
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
                full = _FULL_LIMB if child in _LIMB_BONES else FULL_LENGTH
                length = np.percentile(np.hypot(*bone.T), full)
                lengths[child] = length if length > 1e-6 else np.nan
        return cls(points, seen, _without_foreshortened(lengths))

    @property
    def shown(self) -> np.ndarray:
        """(18,) bool, joints whose bone is visible in some frame."""
        shown = np.zeros(N_BODY, dtype=bool)
        for parent, child in BONES:
            shown[child] = (self.seen[:, parent] & self.seen[:, child]).any()
        return shown

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
) -> tuple[np.ndarray, list[int], list[int]]:
    """Return (18,) bone lengths for `reference`, and which of them are not its own.

    The length of an invisible or foreshortened bone is that of the opposite side, else it follows
    from the limb's other bone in the driver's proportions, else it is the driver's, scaled; NaN if
    neither person shows it.

    Returns:
        The lengths, the indices of foreshortened bones, and those borrowed from `driver`.
    """
    lengths = reference.lengths
    lengths = np.where(np.isnan(lengths), lengths[list(BODY_MIRROR)], lengths)
    replaced = np.zeros(len(lengths), dtype=bool)
    for upper, lower, usual, _ in _LIMBS:
        given = lengths[lower] / lengths[upper]
        ratio = driver.lengths[lower] / driver.lengths[upper]
        # Where the driver's limb is the odd one, it is the driver who is foreshortened.
        sound = np.isfinite(ratio) & ~(_oddness(given, usual) < _oddness(ratio, usual))
        ratio = np.clip(
            np.where(sound, ratio, usual),
            usual * _SHORTER_THAN_OTHERS,
            usual / _SHORTER_THAN_OTHERS,
        )
        given = given / ratio
        for pair, value, short in (
            (lower, lengths[upper] * ratio, given < _SHORTER_THAN_OTHERS),
            (upper, lengths[lower] / ratio, given > 1 / _SHORTER_THAN_OTHERS),
        ):
            replaced[pair] = (short | np.isnan(lengths[pair])) & np.isfinite(value)
            lengths[pair] = np.where(replaced[pair], value, lengths[pair])
    unknown = np.isnan(lengths) & np.isfinite(driver.lengths)
    lengths[unknown] = driver.lengths[unknown] * scale
    replaced |= unknown
    shown = reference.shown
    return (
        lengths,
        np.flatnonzero(replaced & shown).tolist(),
        np.flatnonzero(replaced & ~shown & np.isfinite(driver.lengths)).tolist(),
    )


def _oddness(ratio: np.ndarray, usual: float) -> np.ndarray:
    """How far the ratio of two bones of a limb is from the usual one, as a logarithm."""
    return np.abs(np.log(ratio / usual))


def difference(reference: Proportions, driver: Proportions) -> float:
    """Largest relative difference in proportion of shoulders, arms, trunk, legs or neck.

    0 for bodies that differ only in size. What foreshortening explains does not count: of arms and
    legs, the bone that is longest against the driver's stands for all; shoulders count if both
    bodies are seen from the front; a short neck may be a bowed head.
    """
    ratios = reference.lengths / driver.lengths

    def ratio_of(bones: Sequence[int]) -> float:
        known = ratios[list(bones)][np.isfinite(ratios[list(bones)])]
        return float(known.max()) if len(known) else np.nan

    groups = [ratio_of(HIPS)]
    groups += [ratio_of([*upper, *lower]) for upper, lower, *_ in _LIMBS]
    shoulders, hips = list(SHOULDERS), list(HIPS)
    if all(2 * b.length(shoulders) > _FRONTAL * b.length(hips) for b in (reference, driver)):
        groups.append(ratio_of(SHOULDERS))
    known = np.array([ratio for ratio in groups if np.isfinite(ratio)])
    if not len(known):
        return 0.0
    median = np.median(known)
    largest = float(np.abs(known / median - 1).max())
    return max(largest, float(np.nan_to_num(ratios[NOSE] / median - 1)))


def _without_foreshortened(lengths: np.ndarray) -> np.ndarray:
    """(18,) lengths in which arms and legs have that of their longer side, NaN if too short."""
    lengths = lengths.copy()
    hips = lengths[list(HIPS)]
    trunk = hips[np.isfinite(hips)].mean() if np.isfinite(hips).any() else np.nan
    for upper, lower, ratio, trunks in _LIMBS:
        for pair in (upper, lower):
            known = lengths[pair][np.isfinite(lengths[pair])]
            lengths[pair] = known.max() if len(known) else np.nan
        given = lengths[lower] / lengths[upper] / ratio
        whole = (lengths[lower] + lengths[upper]) / (trunks * trunk)
        too_short = whole < _SHORT_LIMB
        lengths[lower] = np.where((given < _SHORT_BONE) | too_short, np.nan, lengths[lower])
        lengths[upper] = np.where((given > 1 / _SHORT_BONE) | too_short, np.nan, lengths[upper])
    return lengths
