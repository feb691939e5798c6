"""People who dance on the spot, and what the tests of retargeting measure on them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from dispose_core.pose import skeleton
from dispose_core.pose.alignment.align import AlignOptions, align_poses
from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.skeleton import BONES

SIZE = (1000, 500)
LIMBS = AlignOptions("limbs")
HEAD = [0, *range(14, 18)]
LEGS = [9, 10, 12, 13]
# A child: everything at 0.6 of the adult, legs at 0.5, neck at 0.8, head at 1.1.
CHILD = np.full(skeleton.N_BODY, 0.6)
CHILD[[9, 10, 12, 13]], CHILD[0], CHILD[14:18] = 0.5, 0.8, 1.1


def pixels(pose: PoseSequence) -> np.ndarray:
    return pose.points * (pose.canvas[1], pose.canvas[0])


def lengths(pose: PoseSequence) -> np.ndarray:
    """(T, 13) of the bones in pixels."""
    at = pixels(pose)
    return np.stack([np.hypot(*(at[:, b] - at[:, a]).T) for a, b in BONES], -1)


def angles(pose: PoseSequence) -> np.ndarray:
    at = pixels(pose) @ (1, 1j)
    return np.stack([np.angle(at[:, b] - at[:, a]) for a, b in BONES], -1)


def of_other_build(pose: PoseSequence, factors: np.ndarray) -> PoseSequence:
    """Each limb as long as its factor says, the way it points."""
    at = pose.points.copy()
    for parent, child in skeleton.LIMBS:
        way = pose.points[:, child] - pose.points[:, parent]
        at[:, child] = at[:, parent] + way * factors[child]
    return pose.with_points(at)


def retarget(reference, driving, **options):
    aligned, report = align_poses(
        [reference], [driving], reference.canvas, AlignOptions("limbs", **options)
    )
    return aligned[0], report


def dancing(standing, frames: int = 24, canvas=SIZE, **place) -> PoseSequence:
    """The standing person, arms swinging, with hands, a face and feet."""
    pose = standing(frames, canvas, **place)
    points, scores = pose.points.copy(), np.full_like(pose.scores, 0.9)
    t = np.arange(frames) / 12
    shape = np.array([canvas[1], canvas[0]]) / canvas[0]
    for joints in ((3, 4), (6, 7)):
        for parent, joint in pairwise((joints[0] - 1, *joints)):
            length = np.hypot(*((pose.points[0, joint] - pose.points[0, parent]) * shape))
            angle = np.pi * (0.5 + 0.4 * np.sin(t * np.pi))
            way = length * np.stack([np.cos(angle), np.sin(angle)], -1) / shape
            points[:, joint] = points[:, parent] + way
    rng = np.random.default_rng(0)
    for part, joint in (
        (skeleton.LEFT_HAND_SLICE, 7),
        (skeleton.RIGHT_HAND_SLICE, 4),
        (skeleton.FACE_SLICE, 0),
        (skeleton.LEFT_FOOT_SLICE, 13),
        (skeleton.RIGHT_FOOT_SLICE, 10),
    ):
        spread = rng.normal(0, 0.01, (part.stop - part.start, 2))
        points[:, part] = points[:, [joint]] + spread
    return pose.with_points(points, scores)
