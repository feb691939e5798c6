"""Bone hierarchy of the body model, from the trunk outwards.

An arm that is not visible in a frame follows its parent; a leg stays where it was last seen, as
feet do. A bone that is not visible in the reference is omitted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....pose.skeleton import (
    L_ANKLE,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    NECK,
    R_ANKLE,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
)
from .body_model import BodyModel, drag, hold
from .hands import hand_bones, mitten_bone
from .limbs import (
    LAYERS,
    Bone,
    bone_ends,
    follow,
    layer_of,
    limb_radius,
    limb_transform,
    measure_body_scale,
    tilt_of,
    wrap,
)
from .primitives import Capsule, crosswise
from .torso_head import torso_bones

# Radii of limbs of an average adult, in shoulder widths.
RADII = {"upper arm": 0.12, "forearm": 0.09, "thigh": 0.22, "shin": 0.15}
# Height of the surface above the joints, in radii, at both ends of a bone. Joints lie in the middle
# of hip and arm, but close to the front of knee and shin.
_THIGH_BULGE, _SHIN_BULGE, _FLAT = (1.0, 0.6), (0.0, 0.5), (0.0, 0.0)
# Distance in shoulder widths by which the hips may leave a leg that is not seen.
_STANDING = 1.0
_FOOT = 0.2  # half width of a shoe, and distance of its middle before the ankle
# Weight of the default orientation of an elbow, its inner side to the front, against its bend.
_ELBOW_PRIOR = 1.0

# Ends in the reference and the frames, tilt in the reference and the frames.
_Moving = tuple[np.ndarray, np.ndarray, tuple[float, np.ndarray]]


def build_bones(body: BodyModel, thickness: np.ndarray) -> list[Bone]:
    """Build all bones of the body.

    Args:
        thickness: (h, w) distance of each pixel of the person from the background, in pixels.
    """
    body_scale = measure_body_scale(body)
    bones = torso_bones(body, body_scale)
    chest, pelvis = bones[0].start, bones[0].end
    for side in ("R", "L"):
        bones += _leg(body, body_scale, thickness, side, pelvis)
    for side in ("R", "L"):
        bones += _arm(body, body_scale, thickness, side, chest)
    return bones


def _leg(
    body: BodyModel, body_scale: np.ndarray, thickness: np.ndarray, side: str, pelvis: np.ndarray
) -> list[Bone]:
    hip, knee, ankle = (R_HIP, R_KNEE, R_ANKLE) if side == "R" else (L_HIP, L_KNEE, L_ANKLE)
    bones = []
    parent = pelvis
    # Knees bend one way: a foreshortened thigh points forward, a shin back.
    for a, b, name, forward, bulge in (
        (hip, knee, "thigh", 1, _THIGH_BULGE),
        (knee, ankle, "shin", -1, _SHIN_BULGE),
    ):
        joints, tracked, seen, usable = bone_ends(body, a, b)
        if not usable:
            continue
        start, end = joints
        radius = limb_radius(start, end, RADII[name] * body.unit, thickness)
        transform = limb_transform(
            joints, tracked, body_scale, tilt_of(body, body_scale, a, b, forward)
        )
        if name == "thigh":
            parent = _resting(transform, seen, start, pelvis, _STANDING * body.unit)
        else:
            parent = follow(transform, seen, parent)
        bones.append(
            Bone(Capsule(start, end, radius, bulge), layer_of(body, name, side), parent, parent)
        )
    if not usable:
        return bones
    # The foot has no joint. It is rigidly attached in front of the shin, so that the heel rises as
    # the shin tilts back.
    down = (joints[1] - joints[0]) / max(np.linalg.norm(joints[1] - joints[0]), 1e-6)
    heel, reach = joints[1] + 0.1 * body.unit * down, 0.25 * body.unit * down
    shape = Capsule(heel, heel + reach, _FOOT * body.unit, (body.facing, body.facing))
    return [*bones, Bone(shape, layer_of(body, "foot", side), parent, parent)]


def _resting(
    transform: np.ndarray, seen: np.ndarray, joint: np.ndarray, parent: np.ndarray, slack: float
) -> np.ndarray:
    """`transform` where seen; elsewhere as last seen, dragged along if `parent` moves far away.

    Args:
        joint: (2,) position in the reference at which the bone is attached to the parent.
        slack: pixels that the parent may move away.
    """
    # Rotation, shape and place are held apart: a matrix halfway between two turns would shrink.
    angle = np.arctan2(
        transform[:, 1, 0] - transform[:, 0, 1], transform[:, 0, 0] + transform[:, 1, 1]
    )
    known = seen | (np.arange(len(seen)) == 0)
    angle[known] = np.unwrap(angle[known])
    shape = _rotations(-angle) @ transform[:, :, :3]
    angle, shape = hold(angle, seen), hold(shape, seen)
    attached = hold(transform[:, :, :2] @ joint + transform[:, :, 3], seen)
    target = parent[:, :, :2] @ joint + parent[:, :, 3]
    attached += drag(target - attached, slack) * ~seen[:, None]
    resting = np.concatenate([_rotations(angle) @ shape, attached[:, :, None]], 2)
    resting[:, :, 3] -= resting[:, :, :2] @ joint
    return np.where(seen[:, None, None], transform, resting)


def _rotations(angle: np.ndarray) -> np.ndarray:
    """(n, 2, 2) rotations by `angle` (n,) radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)


def _arm(
    body: BodyModel, body_scale: np.ndarray, thickness: np.ndarray, side: str, chest: np.ndarray
) -> list[Bone]:
    first = R_SHOULDER if side == "R" else L_SHOULDER
    shoulder, elbow, wrist = first, first + 1, first + 2
    upper, upper_to, upper_seen, has_upper = bone_ends(body, shoulder, elbow)
    lower, lower_to, lower_seen, has_lower = bone_ends(body, elbow, wrist)
    upper_tilt = lower_tilt = (0.0, np.zeros_like(body_scale))
    if has_upper:
        upper_tilt = tilt_of(body, body_scale, shoulder, elbow, 1)
    if has_lower:
        lower_tilt = tilt_of(body, body_scale, elbow, wrist, 1)
    twists: Sequence[np.ndarray] = (np.zeros_like(body_scale),) * 2
    if has_upper and has_lower:
        twists = _hinge_twists(
            (upper, upper_to, upper_tilt), (lower, lower_to, lower_tilt), body.facing
        )
        both = upper_seen & lower_seen
        twists = [body.front * np.where(both, twist, 0) for twist in twists]

    bones, parent = [], chest
    if has_upper:
        # The twist is zero at the shoulder and complete at the elbow.
        untwisted = follow(
            limb_transform(upper, upper_to, body_scale, upper_tilt), upper_seen, chest
        )
        twisted = limb_transform(upper, upper_to, body_scale, upper_tilt, twists[0])
        parent = follow(twisted, upper_seen, untwisted)
        start, end = upper
        radius = limb_radius(start, end, RADII["upper arm"] * body.unit, thickness)
        layer = layer_of(body, "upper arm", side)
        bones = [
            _shoulder(body, shoulder, upper_seen, chest),
            Bone(Capsule(start, end, radius), layer, untwisted, parent),
        ]
    if has_lower:
        # Only half of the twist is applied at the wrist, as the hand rotates independently.
        near, far = (
            follow(
                limb_transform(lower, lower_to, body_scale, lower_tilt, turn), lower_seen, parent
            )
            for turn in (twists[1], 0.5 * twists[1])
        )
        start, end = lower
        radius = limb_radius(start, end, RADII["forearm"] * body.unit, thickness)
        bones.append(Bone(Capsule(start, end, radius), layer_of(body, "forearm", side), near, far))
        hand = hand_bones(body, side, far)
        bones += hand or [mitten_bone(body, side, lower, far)]
    return bones


def _shoulder(body: BodyModel, shoulder: int, seen: np.ndarray, chest: np.ndarray) -> Bone:
    """Bone from neck to shoulder, following the chest at one end and the shoulder at the other."""
    joint = body.joints[shoulder]
    end = chest.copy()
    end[:, :, 3] = body.tracked[:, shoulder] - end[:, :, :2] @ joint
    end = follow(end, seen, chest)
    start = joint + 0.6 * (body.joints[NECK] - joint)
    return Bone(
        Capsule(start, joint, RADII["upper arm"] * body.unit, _FLAT), LAYERS["torso"], chest, end
    )


def _hinge_twists(upper: _Moving, lower: _Moving, facing: int) -> tuple[np.ndarray, ...]:
    """(n,) twist of upper arm and forearm about their axes, from the bending plane of the elbow.

    The elbow bends towards its inner side, which faces forward on a straight arm. A weighted sum of
    both directions is used, in which the degree of bending is the weight of the first.
    """

    def in_space(ends: np.ndarray, tilt: np.ndarray | float) -> np.ndarray:
        flat = ends[..., 1, :] - ends[..., 0, :]
        flat = flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-6)
        tilt = np.asarray(tilt)[..., None]
        return np.concatenate([flat * np.sqrt(1 - tilt**2), tilt], -1)

    def angle(bone: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Angle of a direction about the bone axis, from `crosswise` towards the viewer."""
        flat = bone[..., :2]
        n = crosswise(flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-6))
        n = np.concatenate([n, np.zeros_like(n[..., :1])], -1)
        return np.arctan2((direction * np.cross(bone, n)).sum(-1), (direction * n).sum(-1))

    inner_side = np.array([0, 0, facing * _ELBOW_PRIOR])
    before = [in_space(joints, tilt[0]) for joints, _, tilt in (upper, lower)]
    after = [in_space(tracked, tilt[1]) for _, tracked, tilt in (upper, lower)]
    # The inner side of the upper arm faces along the forearm, that of the forearm back along it.
    return tuple(
        wrap(
            angle(after[i], sign * after[1 - i] + inner_side)
            - angle(before[i], sign * before[1 - i] + inner_side)
        )
        for i, sign in ((0, 1), (1, -1))
    )
