"""Torso and head bones, with turning, nodding and shrugging."""

from __future__ import annotations

import numpy as np

from ....pose.skeleton import HEAD, L_EAR, L_HIP, L_SHOULDER, NECK, R_EAR, R_HIP, R_SHOULDER
from .body_model import BodyModel, as_complex, as_points, similarity
from .limbs import LAYERS, Bone, fit_affine, follow
from .primitives import Ellipse, Slab, crosswise

# Share of the head's yaw and of the shoulders' tilt that the chest follows.
_CHEST_PER_HEAD = 0.4
_CHEST_PER_SHOULDERS = 0.45
_CHEST_DEPTH = 0.4  # depth of the chest before the shoulder joints, in shoulder widths
# Shoulders move relative to the chest; a change of their width below this is not a rotation.
_WIDTH_PLAY = 0.08
# Head, in half distances between the ears: depth of nose and eyes before the plane of the ears,
# half width and height of the skull, its depth.
_NOSE_DEPTH, _EYE_DEPTH = 1.7, 1.15
_SKULL, _SKULL_DEPTH = (1.1, 1.6), 1.4
# Regularisation of the head's transform in x, y and depth.
_HEAD_STIFFNESS = (1.0, 1.0, 0.2)


def torso_bones(body: BodyModel, body_scale: np.ndarray) -> list[Bone]:
    """Bones of the torso, blended from chest to pelvis, and of the head.

    Args:
        body_scale: (n,) scale of the body relative to the reference.
    """
    joints = body.joints
    head = _head_transform(body, body_scale)
    spine = _Spine(body, body_scale)
    # The depth column of the head along the shoulders is the sine of its yaw.
    swing = np.arcsin(np.clip(head[:, :, 2] @ spine.sideways / body_scale, -1, 1))
    tilt, width = spine.across(R_SHOULDER, L_SHOULDER)
    yaw = _chest_yaw(width, swing)
    chest = spine.transform(1.0, _CHEST_PER_SHOULDERS * tilt, np.cos(yaw), np.sin(yaw))
    tilt, width = spine.across(R_HIP, L_HIP)
    width = np.sign(width) * np.minimum(np.abs(width) + _WIDTH_PLAY, 1)
    pelvis = spine.transform(0.0, tilt, width, np.zeros_like(width))

    corners = joints[[R_SHOULDER, L_SHOULDER, L_HIP, R_HIP]]
    inner = np.array([[0.75, 0.25, 0, 0], [0.25, 0.75, 0, 0], [0, 0, 0.9, 0.1], [0, 0, 0.1, 0.9]])
    torso = Slab(
        inner @ corners, joints[NECK], joints[[R_HIP, L_HIP]].mean(0),
        0.2 * body.unit, 0.62 * body.unit, _CHEST_DEPTH * body.unit,
    )  # fmt: skip
    ears = joints[[R_EAR, L_EAR]].mean(0)
    skull = Ellipse(
        ears + 0.2 * body.ear * spine.up, spine.up,
        (_SKULL[0] * body.ear, _SKULL[1] * body.ear),
        _SKULL_DEPTH * body.ear * body.facing,
    )  # fmt: skip
    head = follow(head, np.any(body.tracked_seen[:, HEAD], axis=1), chest)
    return [Bone(torso, LAYERS["torso"], chest, pelvis), Bone(skull, LAYERS["head"], head, head)]


class _Spine:
    """Axis of the torso, from the midpoint of the hips to the neck.

    Attributes:
        up, sideways: (2,) unit vectors in the reference, to the neck and to the left shoulder.
        turn: (n,) rotation of the axis in radians.
    """

    def __init__(self, body: BodyModel, body_scale: np.ndarray) -> None:
        self.body, self.body_scale = body, body_scale
        hips = [R_HIP, L_HIP]
        self.base = body.joints[hips].mean(0), body.tracked[:, hips].mean(1)
        before = body.joints[NECK] - self.base[0]
        after = body.tracked[:, NECK] - self.base[1]
        if (
            np.linalg.norm(before) < 0.3 * body.unit
        ):  # bent towards the viewer: the axis is undefined
            before = np.array([0, -1.4 * body.unit])
            after = as_points(body.turn * as_complex(before))
        # The axis cannot get longer, although raised shoulders lift the neck point.
        long = np.maximum(np.linalg.norm(after, axis=1), 1e-6)
        after = after * np.minimum(1, body_scale * np.linalg.norm(before) / long)[:, None]
        self.axis = before, after
        self.turn = np.angle(as_complex(after) * as_complex(before).conj())
        self.up = before / np.linalg.norm(before)
        shoulders = body.joints[L_SHOULDER] - body.joints[R_SHOULDER]
        self.sideways = shoulders / max(np.linalg.norm(shoulders), 1e-6)
        if abs(self.sideways @ crosswise(self.up)) < 0.5:  # a profile
            self.sideways = body.facing * crosswise(self.up)

    def across(self, a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
        """Tilt of joints a–b relative to the axis, and their width relative to the reference.

        Both (n,); the width is negative for a body that shows its other side.
        """
        joints, tracked = self.body.joints, self.body.tracked
        before, after = (as_complex(p[..., b, :] - p[..., a, :]) for p in (joints, tracked))
        if np.abs(before) < 0.15 * self.body.unit:  # a profile: undefined
            return np.zeros_like(self.body_scale), np.ones_like(self.body_scale)
        turn = after / before * np.exp(-1j * self.turn)
        side = np.where(turn.real < 0, -1, 1)
        return np.angle(turn * side + 1e-12), side * np.abs(turn) / self.body_scale

    def transform(
        self, at: float, tilt: np.ndarray, width: np.ndarray, sway: np.ndarray
    ) -> np.ndarray:
        """(n, 2, 4) transform of the torso at the hips (`at` 0) or the neck (`at` 1).

        With the sideways and axis vectors as columns, B in the reference and B' in the frame, it is
        [B'·inv(B) | c | t]: c moves the front of the body sideways by `sway`, and t maps the point
        `at` on the axis to its position in the frame.

        Args:
            at: position on the axis.
            tilt: (n,) relative to the rotation of the axis, radians.
            width: (n,) relative to the reference.
            sway: (n,) sideways motion of the front per unit of depth.
        """
        sideways = as_points(np.exp(1j * (self.turn + tilt)) * as_complex(self.sideways))
        # A body seen from the side is still half as wide as from the front.
        width = np.where(width < 0, np.minimum(width, -0.5), np.maximum(width, 0.5))
        before = np.stack([self.sideways, self.axis[0]], -1)
        after = np.stack([sideways * (self.body_scale * width)[:, None], self.axis[1]], -1)
        out = np.zeros((len(self.body_scale), 2, 4))
        out[:, :, :2] = after @ np.linalg.inv(before)
        out[:, :, 2] = sideways * (self.body_scale * sway)[:, None]
        start, end = (base + at * axis for base, axis in zip(self.base, self.axis, strict=True))
        out[:, :, 3] = end - out[:, :, :2] @ start
        return out


def _chest_yaw(width: np.ndarray, head_yaw: np.ndarray) -> np.ndarray:
    """(n,) yaw of the chest relative to the reference, in radians.

    Its sign and default size come from the head's yaw; it is clamped to the range
    arccos(width ± _WIDTH_PLAY) given by the width of the shoulders.
    """
    least = np.arccos(np.clip(width + _WIDTH_PLAY, -1, 1))
    most = np.arccos(np.clip(width - _WIDTH_PLAY, -1, 1))
    return np.sign(head_yaw) * np.clip(_CHEST_PER_HEAD * np.abs(head_yaw), least, most)


def _head_transform(body: BodyModel, body_scale: np.ndarray) -> np.ndarray:
    """(n, 2, 4) transform of the head, fitted to nose, eyes and ears as points of a rigid head.

    Least squares in x, y and depth, regularised towards the rotation of the visible head points:
    one point only translates, two rotate, and five also give yaw and pitch.
    """
    points = list(HEAD)
    joints = body.joints[points]
    seen = body.tracked_seen[:, points].astype(float)
    tracked = np.where(seen[..., None] > 0, body.tracked[:, points], 0)
    ear = body.ear
    centre = joints[[3, 4]].mean(0)
    # Depth of nose, eyes and ears relative to the ears; negative from behind.
    depth = body.facing * ear * np.array([_NOSE_DEPTH, _EYE_DEPTH, _EYE_DEPTH, 0, 0])
    rows = np.concatenate([joints - centre, depth[:, None], np.ones((5, 1))], 1)  # (5, 4)

    flat = seen * np.array([0.1, 1, 1, 1, 1])  # the nose moves with yaw and pitch
    turn, _ = similarity(as_complex(joints), as_complex(tracked), flat, (0.3 * ear) ** 2)
    heading = body.turn / np.maximum(np.abs(body.turn), 1e-6)
    turn = np.where(flat.sum(1) > 1.5, turn, heading)
    turn = turn / np.maximum(np.abs(turn), 1e-6) * body_scale
    expected = np.zeros((len(body_scale), 3, 2))
    expected[:, 0] = as_points(turn)
    # Ears that changed sides mean the back of the head, not one upside down.
    expected[:, 1] = as_points(1j * np.where((turn * heading.conj()).real < 0, -turn, turn))
    out = fit_affine(rows, tracked, seen, np.array(_HEAD_STIFFNESS) * ear**2, expected)
    out[:, :, 3] -= out[:, :, :2] @ centre
    return out
