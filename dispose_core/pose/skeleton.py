"""The fixed facts of the OpenPose figure: which point is which, and what is joined to what."""

from __future__ import annotations

from itertools import pairwise

# Body points in OpenPose order (docs/reference_behaviour.md#joint-order); "R" is the person's own
# right.
BODY = (
    "Nose", "Neck",
    "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist",
    "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle",
    "REye", "LEye", "REar", "LEar",
)  # fmt: skip

# A person is 128 points in one array: body, left hand, right hand, face.
N_BODY, N_HAND, N_FACE = 18, 21, 68
N_POINTS = N_BODY + 2 * N_HAND + N_FACE
BODY_SLICE = slice(0, 18)
LEFT_HAND_SLICE = slice(18, 39)
RIGHT_HAND_SLICE = slice(39, 60)
HANDS_SLICE = slice(18, 60)
FACE_SLICE = slice(60, 128)

# A point below this score counts as not seen (docs/reference_behaviour.md#pose-output, 4).
VISIBLE = 0.3

# The 17 limbs that are drawn, as pairs of body points, in drawing order
# (docs/reference_behaviour.md#skeleton-drawing).
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip

# Five fingers from the wrist (point 0) to the tip (docs/reference_behaviour.md#skeleton-drawing).
FINGERS = tuple((0, *range(4 * i + 1, 4 * i + 5)) for i in range(5))
HAND_EDGES = tuple(edge for finger in FINGERS for edge in pairwise(finger))

# One colour a body point and limb, in canvas channel order
# (docs/reference_behaviour.md#skeleton-drawing).
COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
