"""Fingers, eyes, ears and face: they keep the driver's layout about the joint they hang on.

How far eyes and ears are apart in the picture tells where a head looks, and fingers open and
close; so these are scaled as wholes, to the size of the reference's hands and head.
"""

from __future__ import annotations

import numpy as np

from .. import skeleton as sk
from .body_proportions import FULL_LENGTH, HEAD_LINKS, NOSE, Body

_EYES_AND_EARS = slice(14, 18)
_WRISTS = {4: sk.RIGHT_HAND_SLICE, 7: sk.LEFT_HAND_SLICE}
_PALM = [0, 5, 9, 13, 17]  # wrist and the roots of the fingers

# A hand or head whose ratio is further than this factor from that of the bone it hangs on was
# measured wrong: the hand is seen from its edge, the head from the side.
_MOST_DISAGREEMENT = 1.5


def follow_joints(
    of: Body,
    by: Body,
    there: np.ndarray,
    body: np.ndarray,
    anchors: np.ndarray,
    bones: np.ndarray,
) -> np.ndarray:
    """(T, 128, 2) the whole person, in pixels of the picture.

    Args:
        of: the reference person. by: the driver.
        there: (T, 18, 2) joints of the driver in pixels of the frames.
        body: (T, 18, 2) joints of the result; those of eyes and ears are not read.
        anchors: (T, 18) the joint to hang on where a wrist or the nose is not seen.
        bones: (18,) ratio of the lengths of the bone that ends in each joint.
    """
    frames = np.arange(len(body))
    points = by.points.copy()
    points[:, sk.BODY_SLICE] = body

    def follow(part: slice, joint: int, ratio: float) -> None:
        base = np.where(by.seen[:, joint], joint, anchors[:, joint])
        way = by.points[:, part] - there[frames, base][:, None]
        points[:, part] = body[frames, base][:, None] + way * ratio

    hand = _agreeing(_hand_size(of), _hand_size(by), bones[list(_WRISTS)].mean())
    for wrist, part in _WRISTS.items():
        follow(part, wrist, hand)
    head = _agreeing(*_head_sizes(of, by), bones[NOSE])
    follow(_EYES_AND_EARS, NOSE, head)
    follow(sk.FACE_SLICE, NOSE, head)
    return points


def _agreeing(of: float, by: float, expected: float) -> float:
    """`of / by` kept near the `expected` ratio, which holds where it cannot be measured."""
    if not (of > 0 and by > 0):
        return expected
    return float(np.clip(of / by, expected / _MOST_DISAGREEMENT, expected * _MOST_DISAGREEMENT))


def _hand_size(body: Body) -> float:
    """Pixels: spread of the palm, which fingers do not change, of the hand that shows more."""
    sizes = []
    for part in _WRISTS.values():
        palm = body.points[:, part][:, _PALM]
        palm = palm[np.isfinite(palm).all((1, 2))]
        if len(palm):
            spread = np.sqrt(((palm - palm.mean(1, keepdims=True)) ** 2).sum((1, 2)))
            sizes.append(np.percentile(spread, FULL_LENGTH))
    return max(sizes, default=np.nan)


def _head_sizes(of: Body, by: Body) -> tuple[float, float]:
    """Pixels on both sides: the way from ear to ear over eyes and nose, as far as both show it.

    One side of it shortens when the other gets longer, so it hardly changes as a head turns.
    """
    shared = [(a, b) for a, b in HEAD_LINKS if of.seen[0, [a, b]].all()]
    if not shared:
        return np.nan, np.nan
    a, b = np.array(shared).T
    seen = by.seen[:, a].all(-1) & by.seen[:, b].all(-1)
    if not seen.any():
        return np.nan, np.nan

    def way(joints: np.ndarray) -> np.ndarray:
        return np.hypot(*np.moveaxis(joints[:, a] - joints[:, b], -1, 0)).sum(-1)

    return float(way(of.joints)[0]), float(np.median(way(by.joints[seen])))
