"""Place hands, feet, eyes, ears and face on the retargeted body.

They keep the driver's layout relative to their joint, scaled as a whole to the size of the
reference's hands and head, since eyes and ears show the direction of the head and fingers move. A
face that the reference shows keeps its own shape (`face_transfer.py`). Feet are scaled as the
shins, because few reference poses have any to measure.
"""

from __future__ import annotations

import numpy as np

from .. import skeleton
from ..skeleton import HEAD_LINKS, L_ANKLE, L_WRIST, NOSE, PALM, R_ANKLE, R_WRIST
from .body_proportions import FULL_LENGTH, Proportions
from .face_transfer import HEAD_POINTS, transfer_face

_EYES_AND_EARS = slice(14, 18)
_WRISTS = {R_WRIST: skeleton.RIGHT_HAND_SLICE, L_WRIST: skeleton.LEFT_HAND_SLICE}
_ANKLES = {R_ANKLE: skeleton.RIGHT_FOOT_SLICE, L_ANKLE: skeleton.LEFT_FOOT_SLICE}

# Largest factor between the size ratio of a hand or head and that of its parent bone. Beyond it
# the measurement is unreliable, as for a hand or head seen from the side.
_MOST_DISAGREEMENT = 1.5
# The same for a hand that seems smaller, as one image may show it foreshortened.
_SMALLEST_HAND = 1.25


def follow_joints(
    reference: Proportions,
    driver: Proportions,
    there: np.ndarray,
    body: np.ndarray,
    anchors: np.ndarray,
    bones: np.ndarray,
) -> np.ndarray:
    """Return (T, 134, 2), the complete person in pixels of the image.

    Args:
        reference: the reference person.
        driver: the driving person.
        there: (T, 18, 2) joints of the driver in pixels of the driving frames.
        body: (T, 18, 2) retargeted joints; those of eyes and ears are not read.
        anchors: (T, 18) joint to use where a wrist, an ankle or the nose is not visible.
        bones: (18,) length ratio of the bone that ends in each joint.
    """
    frames = np.arange(len(body))
    points = driver.points.copy()
    points[:, skeleton.BODY_SLICE] = body

    def follow(part: slice, joint: int, ratio: float) -> None:
        base = np.where(driver.seen[:, joint], joint, anchors[:, joint])
        offset = driver.points[:, part] - there[frames, base][:, None]
        points[:, part] = body[frames, base][:, None] + offset * ratio

    hand = _hand_ratio(reference, driver, bones[list(_WRISTS)].mean())
    for wrist, part in _WRISTS.items():
        follow(part, wrist, hand)
    for ankle, part in _ANKLES.items():
        follow(part, ankle, bones[list(_ANKLES)].mean())
    head = _clamped_ratio(*_head_sizes(reference, driver), bones[NOSE])
    follow(_EYES_AND_EARS, NOSE, head)
    follow(skeleton.FACE_SLICE, NOSE, head)
    face = transfer_face(reference, driver, body[:, NOSE], head)
    if face is not None:
        points[:, HEAD_POINTS] = np.where(np.isfinite(face), face, points[:, HEAD_POINTS])
    return points


def _clamped_ratio(reference: float, driver: float, expected: float) -> float:
    """The ratio `reference / driver`, clamped around `expected`; `expected` if it is unknown."""
    if not (reference > 0 and driver > 0):
        return expected
    return float(
        np.clip(reference / driver, expected / _MOST_DISAGREEMENT, expected * _MOST_DISAGREEMENT)
    )


def _hand_ratio(reference: Proportions, driver: Proportions, expected: float) -> float:
    """Size of the reference's hands against the driver's, clamped around the forearms' ratio.

    Of the two hands on either side, the pair that fits the forearms best counts: others are
    foreshortened, or enlarged because they are held at the camera. Where even that one is far too
    small, the reference shows its hands from the fingertips, and they tell no size.
    """
    ratios = [here / there for here in _hand_sizes(reference) for there in _hand_sizes(driver)]
    closest = min(ratios, key=lambda ratio: abs(np.log(ratio / expected)), default=expected)
    if closest < expected / _MOST_DISAGREEMENT:
        return expected
    return float(np.clip(closest, expected / _SMALLEST_HAND, expected * _MOST_DISAGREEMENT))


def _hand_sizes(body: Proportions) -> list[float]:
    """Palm length in pixels of each hand that is seen: from the wrist to the farthest finger base.

    Neither fingers nor a hand seen from its edge change it.
    """
    sizes = []
    for part in _WRISTS.values():
        palm = body.points[:, part][:, list(PALM)]
        lengths = np.linalg.norm(palm[:, 1:] - palm[:, :1], axis=-1).max(-1)
        lengths = lengths[lengths > 1e-6]  # NaN is not
        if len(lengths):
            sizes.append(float(np.percentile(lengths, FULL_LENGTH)))
    return sizes


def _head_sizes(reference: Proportions, driver: Proportions) -> tuple[float, float]:
    """Head sizes of both in pixels: the path from ear to ear over eyes and nose, on shared links.

    As the head turns, one half of it shortens while the other gets longer.
    """
    shared = [(a, b) for a, b in HEAD_LINKS if reference.seen[0, [a, b]].all()]
    if not shared:
        return np.nan, np.nan
    a, b = np.array(shared).T
    seen = driver.seen[:, a].all(-1) & driver.seen[:, b].all(-1)
    if not seen.any():
        return np.nan, np.nan

    def path_length(joints: np.ndarray) -> np.ndarray:
        return np.hypot(*np.moveaxis(joints[:, a] - joints[:, b], -1, 0)).sum(-1)

    return float(path_length(reference.joints)[0]), float(
        np.median(path_length(driver.joints[seen]))
    )
