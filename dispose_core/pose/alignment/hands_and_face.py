"""Fingers, eyes, ears and face: they keep the driver's layout about the joint they hang on.

How far eyes and ears are apart in the image tells where a head looks, and fingers open and
close; so these are scaled as wholes, to the size of the reference's hands and head.
"""

from __future__ import annotations

import numpy as np

from .. import skeleton
from ..skeleton import HEAD_LINKS, L_WRIST, NOSE, PALM, R_WRIST
from .body_proportions import FULL_LENGTH, Proportions

_EYES_AND_EARS = slice(14, 18)
_WRISTS = {R_WRIST: skeleton.RIGHT_HAND_SLICE, L_WRIST: skeleton.LEFT_HAND_SLICE}

# A hand or head whose ratio is further than this factor from that of the bone it hangs on was
# measured wrong: the hand is seen from its edge, the head from the side.
_MOST_DISAGREEMENT = 1.5


def follow_joints(
    reference: Proportions,
    driver: Proportions,
    there: np.ndarray,
    body: np.ndarray,
    anchors: np.ndarray,
    bones: np.ndarray,
) -> np.ndarray:
    """(T, 128, 2) the whole person, in pixels of the image.

    Args:
        reference: the reference person. by: the driver.
        there: (T, 18, 2) joints of the driver in pixels of the frames.
        body: (T, 18, 2) joints of the result; those of eyes and ears are not read.
        anchors: (T, 18) the joint to hang on where a wrist or the nose is not seen.
        bones: (18,) ratio of the lengths of the bone that ends in each joint.
    """
    frames = np.arange(len(body))
    points = driver.points.copy()
    points[:, skeleton.BODY_SLICE] = body

    def follow(part: slice, joint: int, ratio: float) -> None:
        base = np.where(driver.seen[:, joint], joint, anchors[:, joint])
        way = driver.points[:, part] - there[frames, base][:, None]
        points[:, part] = body[frames, base][:, None] + way * ratio

    hand = _agreeing(_hand_size(reference), _hand_size(driver), bones[list(_WRISTS)].mean())
    for wrist, part in _WRISTS.items():
        follow(part, wrist, hand)
    head = _agreeing(*_head_sizes(reference, driver), bones[NOSE])
    follow(_EYES_AND_EARS, NOSE, head)
    follow(skeleton.FACE_SLICE, NOSE, head)
    return points


def _agreeing(reference: float, driver: float, expected: float) -> float:
    """`reference / driver` kept near the `expected` ratio, which is used where none is measured."""
    if not (reference > 0 and driver > 0):
        return expected
    return float(
        np.clip(reference / driver, expected / _MOST_DISAGREEMENT, expected * _MOST_DISAGREEMENT)
    )


def _hand_size(body: Proportions) -> float:
    """Pixels: spread of the palm, which fingers do not change, of the hand that shows more."""
    sizes = []
    for part in _WRISTS.values():
        palm = body.points[:, part][:, list(PALM)]
        palm = palm[np.isfinite(palm).all((1, 2))]
        if len(palm):
            spread = np.sqrt(((palm - palm.mean(1, keepdims=True)) ** 2).sum((1, 2)))
            sizes.append(np.percentile(spread, FULL_LENGTH))
    return max(sizes, default=np.nan)


def _head_sizes(reference: Proportions, driver: Proportions) -> tuple[float, float]:
    """Pixels on both sides: the way from ear to ear over eyes and nose, as far as both show it.

    One side of it shortens when the other gets longer, so it hardly changes as a head turns.
    """
    shared = [(a, b) for a, b in HEAD_LINKS if reference.seen[0, [a, b]].all()]
    if not shared:
        return np.nan, np.nan
    a, b = np.array(shared).T
    seen = driver.seen[:, a].all(-1) & driver.seen[:, b].all(-1)
    if not seen.any():
        return np.nan, np.nan

    def way(joints: np.ndarray) -> np.ndarray:
        return np.hypot(*np.moveaxis(joints[:, a] - joints[:, b], -1, 0)).sum(-1)

    return float(way(reference.joints)[0]), float(np.median(way(driver.joints[seen])))
