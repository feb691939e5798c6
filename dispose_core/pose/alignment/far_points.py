"""Leave out points that a detector guessed far outside the image.

Detectors complete a half-seen person with joints beyond the edge. Near it they are useful, but far
away they are guesses that nothing in the image supports.
"""

from __future__ import annotations

import numpy as np

from .. import skeleton
from ..sequence import PoseSequence

# Largest distance from the image, as a share of its width and height.
FARTHEST = 0.25


# What hangs on a joint and goes with it.
_ATTACHED = {
    skeleton.L_WRIST: skeleton.LEFT_HAND_SLICE,
    skeleton.R_WRIST: skeleton.RIGHT_HAND_SLICE,
    skeleton.NOSE: skeleton.FACE_SLICE,
    skeleton.L_ANKLE: skeleton.LEFT_FOOT_SLICE,
    skeleton.R_ANKLE: skeleton.RIGHT_FOOT_SLICE,
}


def drop_far_points(poses: PoseSequence) -> tuple[PoseSequence, int]:
    """Mark joints more than `FARTHEST` outside the image, and what hangs on them, as missing.

    Returns:
        The poses, and the number of those joints.
    """
    with np.errstate(invalid="ignore"):  # missing joints are NaN
        far = np.any(np.abs(poses.body - 0.5) > 0.5 + FARTHEST, axis=-1)  # (T, 18)
    if not far.any():
        return poses, 0
    scores = poses.scores.copy()
    scores[:, skeleton.BODY_SLICE][far] = 0.0
    for joint, part in _ATTACHED.items():
        scores[far[:, joint], part] = 0.0
    return poses.with_points(poses.points, scores), int(far.sum())
