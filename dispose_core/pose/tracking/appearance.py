"""How large a body is in the image, of which only some joints may be seen."""

from __future__ import annotations

import numpy as np

from .. import skeleton

# Lengths of the bones of an adult in heights of the body (Drillis and Contini 1966).
_SHOULDER, _UPPER_ARM, _FOREARM, _TRUNK, _THIGH, _SHIN, _NECK = (
    0.129, 0.186, 0.146, 0.29, 0.245, 0.246, 0.1,
)  # fmt: skip
_ARM, _LEG = (_UPPER_ARM, _FOREARM), (_TRUNK, _THIGH, _SHIN)
_IN_HEIGHTS = np.array([_SHOULDER, _SHOULDER, *_ARM, *_ARM, *_LEG, *_LEG, _NECK])
_STARTS, _ENDS = np.array(skeleton.BONES).T
# Bones are never longer in the image than they are, only foreshortened: long ones count for more.
_POWER = 4
# A stature needs so many bones; hands and faces alone have none.
_FEWEST_BONES = 3


def box_diagonals(joints: np.ndarray) -> np.ndarray:
    """Size of the part that is seen: diagonals of the boxes around joints (..., K, 2).

    Args:
        joints: pixels, NaN where missing.

    Returns:
        (...) pixels, at least one, since a single joint has no extent.
    """
    known = np.isfinite(joints)
    low = np.where(known, joints, np.inf).min(-2)
    high = np.where(known, joints, -np.inf).max(-2)
    extent = np.where(np.isfinite(low), high - low, 0.0)
    return np.maximum(np.hypot(extent[..., 0], extent[..., 1]), 1.0)


def statures(joints: np.ndarray) -> np.ndarray:
    """Height that a body would have upright, from those of its bones that are seen.

    Args:
        joints: (..., K, 2) pixels, of which the first 18 are the body's, NaN where missing.

    Returns:
        (...) natural logarithm of pixels, NaN where fewer than three bones are seen.
    """
    bones = joints[..., _ENDS, :] - joints[..., _STARTS, :]
    heights = np.hypot(bones[..., 0], bones[..., 1]) / _IN_HEIGHTS
    seen = np.isfinite(heights)
    count = seen.sum(-1)
    total = (np.where(seen, heights, 0.0) ** _POWER).sum(-1)
    enough = (count >= _FEWEST_BONES) & (total > 0)
    mean = np.where(enough, total, 1.0) / np.maximum(count, 1)
    return np.where(enough, np.log(mean) / _POWER, np.nan)
