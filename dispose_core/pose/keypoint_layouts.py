"""Keypoint layouts of other programs, converted to the pack's 134 points.

Sources: COCO (cocodataset.org), COCO-WholeBody and Halpe (their dataset pages), OpenPose's output
documentation.
"""

from __future__ import annotations

import numpy as np

from . import skeleton

# COCO's 17 points: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left first.
# For each of the 18 OpenPose body points its index there; the neck is between the shoulders.
_COCO_BODY = [0, 0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
_SHOULDERS = [5, 6]

# OpenPose's BODY_25 without the middle of the hips; its feet are in the skeleton's order.
_BODY_25 = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
_BODY_25_FEET = slice(19, 25)

Parts = tuple[tuple[slice, "slice | list[int]"], ...]  # part of the skeleton, its source

# Of COCO-WholeBody's 133 points the parts behind the body.
_WHOLE_BODY: Parts = (
    (skeleton.FEET_SLICE, slice(17, 23)),
    (skeleton.FACE_SLICE, slice(23, 91)),
    (skeleton.LEFT_HAND_SLICE, slice(91, 112)),
    (skeleton.RIGHT_HAND_SLICE, slice(112, 133)),
)
# Halpe's 26 points: COCO's, head, neck, hips, and the feet, each left first; 136 with the rest.
_HALPE_FEET: Parts = ((skeleton.FEET_SLICE, [20, 22, 24, 21, 23, 25]),)
_HALPE: Parts = (
    *_HALPE_FEET,
    (skeleton.FACE_SLICE, slice(26, 94)),
    (skeleton.LEFT_HAND_SLICE, slice(94, 115)),
    (skeleton.RIGHT_HAND_SLICE, slice(115, 136)),
)
_PARTS = {133: _WHOLE_BODY, 136: _HALPE, 26: _HALPE_FEET}

# Name by number of points.
LAYOUTS = {
    17: "COCO, 17 joints",
    18: "OpenPose, 18 joints",
    25: "OpenPose, 25 joints",
    26: "Halpe, 26 joints",
    133: "COCO-WholeBody, 133 points",
    136: "Halpe, 136 points",
}


def to_skeleton(values: np.ndarray) -> np.ndarray:
    """Convert the points of people from one of the `LAYOUTS`.

    Args:
        values: (P, N, 3) x, y and confidence, which is 0 for a missing point; N is in `LAYOUTS`.

    Returns:
        (P, 134, 3) the same for the pack's skeleton.
    """
    count = values.shape[1]
    points = np.zeros((len(values), skeleton.N_POINTS, 3))
    if count == 18:
        points[:, skeleton.BODY_SLICE] = values
    elif count == 25:
        points[:, skeleton.BODY_SLICE] = values[:, _BODY_25]
        points[:, skeleton.FEET_SLICE] = values[:, _BODY_25_FEET]
    else:
        points[:, skeleton.BODY_SLICE] = values[:, _COCO_BODY]
        points[:, skeleton.NECK] = _middle(values[:, _SHOULDERS])
        for part, source in _PARTS.get(count, ()):
            points[:, part] = values[:, source]
    return points


def _middle(pair: np.ndarray) -> np.ndarray:
    """Middle of (P, 2, 3) points; missing where one of them is."""
    middle = pair.mean(1)
    middle[:, 2] = pair[..., 2].min(1)
    return np.where(middle[:, 2:] > 0, middle, 0.0)
