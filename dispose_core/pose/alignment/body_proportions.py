"""How long a person's bones are in pixels, and how two people compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import skeleton as sk
from ..sequence import PoseSequence

# (parent, child), parents first: shoulders and arms, hips and legs, nose. The eyes and ears are no
# bones: how far they are apart in the picture tells where the head looks.
BONES = sk.LIMBS[:13]
HEAD_LINKS = sk.LIMBS[13:]
NOSE, NECK, SHOULDERS, HIPS = 0, 1, (2, 5), (8, 11)
MIRROR = {2: 5, 3: 6, 4: 7, 8: 11, 9: 12, 10: 13, 5: 2, 6: 3, 7: 4, 11: 8, 12: 9, 13: 10}

# Bones by the joint they end in. Trunk and legs tell how large a person is; arms turn towards the
# camera too often.
_TRUNK_AND_LEGS = [8, 9, 10, 11, 12, 13]
_GROUPS = ([2, 5], [3, 4, 6, 7], [8, 11], [9, 10, 12, 13], [NOSE])

# A bone is as long as it gets in this share of the frames: longer is noise, shorter is turned
# towards the camera.
FULL_LENGTH = 80


@dataclass(frozen=True)
class Body:
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
    def measure(cls, poses: PoseSequence, size: tuple[int, int]) -> Body:
        """`poses` in pixels of a picture of `size` (H, W)."""
        points = poses.points * (size[1], size[0])
        seen = poses.body_visible.copy()
        between = ~seen[:, NECK] & seen[:, SHOULDERS].all(-1)
        points[between, NECK] = points[between][:, SHOULDERS].mean(1)
        seen[:, NECK] |= between
        lengths = np.full(sk.N_BODY, np.nan)
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
        return self.points[:, sk.BODY_SLICE]

    def length(self, ends: list[int]) -> float:
        """Mean length of the bones that end in these joints; 0 where none was seen."""
        found = self.lengths[ends][np.isfinite(self.lengths[ends])]
        return float(found.mean()) if len(found) else 0.0


def body_scale(of: Body, by: Body) -> float | None:
    """How many pixels of `of` are one pixel of `by`; None where they share no bone."""
    shared = np.isfinite(of.lengths) & np.isfinite(by.lengths)
    core = np.zeros_like(shared)
    core[_TRUNK_AND_LEGS] = shared[_TRUNK_AND_LEGS]
    used = core if core.any() else shared
    return float(of.lengths[used].sum() / by.lengths[used].sum()) if used.any() else None


def bone_lengths(of: Body, by: Body, scale: float) -> tuple[np.ndarray, list[int]]:
    """(18,) lengths of the bones of `of`, and which of them had to be taken from `by`.

    A bone that is not seen is as long as on the other side, else as the driver's, scaled; NaN
    where neither person shows it.
    """
    lengths = of.lengths.copy()
    for child, other in MIRROR.items():
        if np.isnan(lengths[child]):
            lengths[child] = of.lengths[other]
    borrowed = np.isnan(lengths) & np.isfinite(by.lengths)
    lengths[borrowed] = by.lengths[borrowed] * scale
    return lengths, np.flatnonzero(borrowed).tolist()


def difference(of: Body, by: Body) -> float:
    """The largest share by which shoulders, arms, trunk, legs or neck differ in proportion.

    0 for bodies of one build, whatever their sizes.
    """
    ratios = of.lengths / by.lengths
    shared = [ratios[group][np.isfinite(ratios[group])] for group in _GROUPS]
    means = np.array([group.mean() for group in shared if len(group)])
    return float(np.abs(means / np.median(means) - 1).max()) if len(means) else 0.0
