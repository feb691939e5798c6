"""Convert MediaPipe's landmarks of a person to the pack's points."""

from __future__ import annotations

import numpy as np

from ... import skeleton
from .landmarks import Person

# Indices among MediaPipe's 33 body points.
_EYES_AND_NOSE = [0, 2, 5]
_SHOULDERS = [11, 12]

# For each of the 18 OpenPose body points its index among MediaPipe's 33. The neck, which
# it has not, is computed afterwards as the midpoint of the shoulders.
_BODY = np.array([0, 11, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7])

# Big toe and heel, likewise; MediaPipe has no small toe.
_LEFT_FOOT, _RIGHT_FOOT = [31, 29], [32, 30]
_TOE_AND_HEEL = [0, 2]  # in a foot of the skeleton

# Indices of the iBUG 68 face points in MediaPipe's canonical face mesh (468 points), starting at
# the person's right as in iBUG.
_FACE = np.array([
    127, 234, 93, 132, 58, 136, 149, 148, 152, 377, 378, 365, 288, 361, 323, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 1, 98, 97, 2, 326, 327,  # nose: bridge to tip, then below the nostrils
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91,  # outer lips
    78, 81, 13, 311, 308, 402, 14, 178,  # inner lips
])  # fmt: skip


def to_points(person: Person, canvas: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return points (134, 2) in pixels and scores (134,).

    Body scores are the visibility. A hand takes the score of its wrist, a face that of eyes and
    nose. Points outside the image are guesses and count as missing.

    Args:
        canvas: (height, width) of the image in pixels.
    """
    points, scores = np.full((skeleton.N_POINTS, 2), np.nan), np.zeros(skeleton.N_POINTS)
    body, visibility = person.body[_BODY], person.visibility[_BODY]
    body[1] = person.body[_SHOULDERS].mean(0)
    visibility[1] = person.visibility[_SHOULDERS].min()
    points[skeleton.BODY_SLICE], scores[skeleton.BODY_SLICE] = body, visibility
    left, right = person.hands
    face = None if person.face is None else person.face[_FACE]
    for part, found, score in (
        (skeleton.LEFT_HAND_SLICE, left, visibility[7]),
        (skeleton.RIGHT_HAND_SLICE, right, visibility[4]),
        (skeleton.FACE_SLICE, face, person.visibility[_EYES_AND_NOSE].mean()),
    ):
        if found is not None:
            points[part], scores[part] = found, score
    for part, marks in (
        (skeleton.LEFT_FOOT_SLICE, _LEFT_FOOT),
        (skeleton.RIGHT_FOOT_SLICE, _RIGHT_FOOT),
    ):
        at = np.arange(part.start, part.stop)[_TOE_AND_HEEL]
        points[at], scores[at] = person.body[marks], person.visibility[marks]
    height, width = canvas
    scores[((points < 0) | (points > (width, height))).any(-1)] = 0.0
    return points, scores
