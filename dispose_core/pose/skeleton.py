"""The 134-point OpenPose skeleton: point order, limbs, bones, left/right symmetry and colours."""

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
NOSE, NECK = 0, 1
R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST = range(2, 8)
R_HIP, R_KNEE, R_ANKLE, L_HIP, L_KNEE, L_ANKLE = range(8, 14)
R_EYE, L_EYE, R_EAR, L_EAR = range(14, 18)
SHOULDERS, HIPS, ANKLES = (R_SHOULDER, L_SHOULDER), (R_HIP, L_HIP), (R_ANKLE, L_ANKLE)
TORSO = (NECK, *SHOULDERS, *HIPS)
HEAD = (NOSE, R_EYE, L_EYE, R_EAR, L_EAR)
LEGS = ((R_HIP, R_KNEE, R_ANKLE), (L_HIP, L_KNEE, L_ANKLE))  # right, left
ARMS = ((R_SHOULDER, R_ELBOW, R_WRIST), (L_SHOULDER, L_ELBOW, L_WRIST))

# A person is 134 points in one array: body, left hand, right hand, face, feet. The official code
# has no feet, so they come last, and nothing that it computes reads them.
N_BODY, N_HAND, N_FACE, N_FOOT = 18, 21, 68, 3
N_WITHOUT_FEET = N_BODY + 2 * N_HAND + N_FACE
N_POINTS = N_WITHOUT_FEET + 2 * N_FOOT
BODY_SLICE = slice(0, 18)
LEFT_HAND_SLICE = slice(18, 39)
RIGHT_HAND_SLICE = slice(39, 60)
HANDS_SLICE = slice(18, 60)
FACE_SLICE = slice(60, 128)
LEFT_FOOT_SLICE = slice(128, 131)  # big toe, small toe, heel
RIGHT_FOOT_SLICE = slice(131, 134)
FEET_SLICE = slice(128, 134)

# A point below this score counts as not seen (docs/reference_behaviour.md#pose-output, 4).
VISIBLE = 0.3

# The 17 drawn limbs as pairs of body points, in drawing order
# (docs/reference_behaviour.md#skeleton-drawing).
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip

# Bones as (parent, child), parents first: shoulders and arms, hips and legs, nose. Eyes and ears
# are not bones, because their distances in the image change as the head turns.
BONES, HEAD_LINKS = LIMBS[:13], LIMBS[13:]

# Five fingers from the wrist (point 0) to the tip (docs/reference_behaviour.md#skeleton-drawing).
FINGERS = tuple((0, *range(4 * i + 1, 4 * i + 5)) for i in range(5))
HAND_EDGES = tuple(edge for finger in FINGERS for edge in pairwise(finger))
PALM = (0, 5, 9, 13, 17)  # the wrist and the base joints of the four fingers

# Index of the mirrored point for each of the 134 points; face points follow the iBUG layout.
BODY_MIRROR = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
_FACE_MIRROR = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip
MIRROR = (
    *BODY_MIRROR,
    *range(RIGHT_HAND_SLICE.start, RIGHT_HAND_SLICE.stop),
    *range(LEFT_HAND_SLICE.start, LEFT_HAND_SLICE.stop),
    *(FACE_SLICE.start + i for i in _FACE_MIRROR),
    *range(RIGHT_FOOT_SLICE.start, RIGHT_FOOT_SLICE.stop),
    *range(LEFT_FOOT_SLICE.start, LEFT_FOOT_SLICE.stop),
)

# One colour per body point and limb, in the canvas's channel order
# (docs/reference_behaviour.md#skeleton-drawing).
COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
