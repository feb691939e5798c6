"""Body model of the reference image: joints, proportions and orientation for skinning.

Missing torso and head joints are completed from a template of body proportions; missing limbs
stay missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from ....pose import skeleton
from ....pose.sequence import PoseSequence
from ....pose.skeleton import (
    HEAD,
    HIPS,
    L_EAR,
    L_EYE,
    L_HIP,
    L_SHOULDER,
    L_WRIST,
    NECK,
    R_EAR,
    R_EYE,
    R_HIP,
    R_SHOULDER,
    R_WRIST,
    TORSO,
)

# Template of a standing adult from the front, in shoulder widths, neck at the origin.
TEMPLATE = np.array([
    (0, -0.67), (0, 0),
    (-0.5, 0), (-0.68, 0.75), (-0.78, 1.45), (0.5, 0), (0.68, 0.75), (0.78, 1.45),
    (-0.3, 1.4), (-0.32, 2.6), (-0.32, 3.8), (0.3, 1.4), (0.32, 2.6), (0.32, 3.8),
    (-0.1, -0.75), (0.1, -0.75), (-0.23, -0.7), (0.23, -0.7),
])  # fmt: skip

# Weight of joints outside the torso in the fit of position, rotation and scale.
_LIMB_WEIGHT = 0.05
# Distance in shoulder widths by which the neck may leave hips that are not seen.
_BENDING = 1.5
# Largest distance of a hand's wrist from the body's wrist, in shoulder widths. A hand is about half
# a shoulder width long; a hand further away belongs to the other arm or to another person.
_HAND_REACH = 0.5
# Median distance of the ears in shoulder widths, and in distances of the eyes.
_EAR_TO_EAR = 0.42
_EARS_PER_EYES = 2.4


@dataclass(frozen=True, eq=False)
class BodyModel:
    """Reference and all frames in pixels, with torso and head completed.

    Attributes:
        joints: (18, 2) of the reference; torso and head complete, other missing joints NaN.
        seen: (18,) bool, joints visible in the reference pose.
        tracked: (n, 18, 2) of all frames, torso complete, other missing joints NaN.
        tracked_seen: (n, 18) bool, joints visible in both the reference and the frame.
        hands, tracked_hands: (2, 21, 2) and (n, 2, 21, 2), left then right; rejected points NaN.
        far_hands: (n, 2) bool, hands rejected as too far from their arm.
        present: (n,) bool, frames that share a joint with the reference.
        unit: shoulder width in pixels, estimated from the torso where foreshortened.
        ear: half the distance between the ears in pixels.
        facing: 1 when the front is visible, -1 when the back is.
        front: (n,) 0…1, confidence that a frame shows the same side as the reference, not a
            profile; frame 0 stands for the reference. It weights the rules that hold only for
            front and back views.
        turn: (n,) complex, rotation and scale of the whole body relative to the reference.
        shift: (n,) complex, translation, so that x becomes turn·x + shift.
    """

    joints: np.ndarray
    seen: np.ndarray
    tracked: np.ndarray
    tracked_seen: np.ndarray
    hands: np.ndarray
    tracked_hands: np.ndarray
    far_hands: np.ndarray
    present: np.ndarray
    unit: float
    ear: float
    facing: int
    front: np.ndarray
    turn: np.ndarray
    shift: np.ndarray


def as_complex(points: np.ndarray) -> np.ndarray:
    """Convert (…, 2) x, y to (…) x + iy, so that rotation with scale is one multiplication."""
    return points[..., 0] + 1j * points[..., 1]


def as_points(numbers: np.ndarray) -> np.ndarray:
    """Convert (…) to (…, 2), the inverse of `as_complex`."""
    return np.stack([numbers.real, numbers.imag], -1)


def length(points: np.ndarray, a: int, b: int) -> np.ndarray:
    """Distance between joints `a` and `b` of (…, K, 2)."""
    return np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1)


def hold(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """`values` (n, …) where `seen` (n,), and between those linear in time; constant after the last.

    What is not seen does not move. Frame 0, the reference, counts as seen.
    """
    frames = np.arange(len(values))
    known = np.flatnonzero(seen | (frames == 0))
    after = np.minimum(np.searchsorted(known, frames), len(known) - 1)
    right = known[after]
    left = known[np.maximum(after - 1, 0)]
    weight = np.clip((frames - left) / np.maximum(right - left, 1), 0, 1)
    weight = weight.reshape(-1, *(1,) * (values.ndim - 1))
    return values[left] + (values[right] - values[left]) * weight


def drag(distance: np.ndarray, slack: float) -> np.ndarray:
    """(n, 2) motion of a resting part behind one that is `distance` (n, 2) ahead.

    It only follows beyond the `slack`, so that the body is not torn.
    """
    far = np.linalg.norm(distance, axis=-1, keepdims=True)
    return distance * np.maximum(1 - slack / np.maximum(far, 1e-6), 0)


def similarity(
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    stiffness: float,
    inertia: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least-squares similarity transform from `source` to `target`.

    With s, t relative to their weighted means and weights w, turn = (sum w·conj(s)·t + k) /
    (sum w·|s|² + k), where k is `stiffness` (squared pixels), which pulls towards the
    identity: a single point only shifts, and close points hardly rotate. `inertia` (same unit)
    damps the rotation alone.

    Args:
        source: (K,) complex.
        target: (n, K) complex.
        weight: (n, K), 0 where a point is missing.

    Returns:
        (turn, shift), each (n,) complex, target is about turn · source + shift.
    """
    total = np.maximum(weight.sum(-1), 1e-12)
    target = np.where(weight > 0, target, 0)
    from_mean = (weight * np.where(weight > 0, source, 0)).sum(-1) / total
    to_mean = (weight * target).sum(-1) / total
    centred = np.where(weight > 0, source - from_mean[:, None], 0)
    turn = (weight * centred.conj() * (target - to_mean[:, None])).sum(-1) + stiffness
    spread = (weight * np.abs(centred) ** 2).sum(-1)
    turn /= spread + stiffness
    damping = spread / (spread + inertia + 1e-12)
    turn = np.abs(turn) * np.exp(1j * damping * np.angle(turn))
    return turn, to_mean - turn * from_mean


def build_body_model(sequence: PoseSequence, size: tuple[int, int]) -> BodyModel:
    """Build the body model of a sequence on a grid of `size` = (h, w).

    Args:
        sequence: n = F+1 poses, frame 0 the reference, with at least one visible body joint.
    """
    pixels = np.array([size[1], size[0]], dtype=float)
    visible = sequence.body_visible
    seen = visible[0]
    tracked = np.where(visible[..., None], sequence.body * pixels, np.nan)
    shared = visible & seen

    joints, unit, facing = _complete(tracked[0], seen)
    # Bounds the size against invalid coordinates in damaged files.
    unit = min(unit, float(max(size)))
    weight = np.where(np.isin(np.arange(18), TORSO), 1.0, _LIMB_WEIGHT) * shared
    # Shoulders tilt about twice as much as the body; where little else is visible, half of their
    # rotation is attributed to the body.
    stiffness, inertia = (0.05 * unit) ** 2, 0.5 * unit**2
    turn, shift = similarity(as_complex(joints), as_complex(tracked), weight, stiffness, inertia)
    present = shared.any(-1)
    turn, shift = np.where(present, turn, 1), np.where(present, shift, 0)

    torso = list(TORSO)
    carried = as_points(turn[:, None] * as_complex(joints[torso]) + shift[:, None])
    tracked[:, torso] = np.where(shared[:, torso, None], tracked[:, torso], carried)
    between = ~shared[:, NECK] & shared[:, R_SHOULDER] & shared[:, L_SHOULDER]
    tracked[between, NECK] = tracked[between][:, [R_SHOULDER, L_SHOULDER]].mean(1)
    if seen[list(HIPS)].any():
        hips = tracked[:, list(HIPS)]
        hips = hold(hips, shared[:, list(HIPS)].any(-1))
        neck = tracked[:, NECK] - joints[NECK]
        hips += drag(neck - (hips - hips[0]).mean(1), _BENDING * unit)[:, None]
        tracked[:, list(HIPS)] = hips

    hands = np.where(
        sequence.hands_scores[..., None] > skeleton.VISIBLE, sequence.hands * pixels, np.nan
    )
    reach = _HAND_REACH * unit * np.abs(turn)[:, None]
    wrist_distance = np.linalg.norm(hands[:, :, 0] - tracked[:, [L_WRIST, R_WRIST]], axis=-1)
    hands = np.where((wrist_distance <= reach)[..., None, None], hands, np.nan)

    ear = max(
        length(joints, R_EAR, L_EAR) / 2,
        _EARS_PER_EYES * length(joints, R_EYE, L_EYE) / 2,
        0.8 * _EAR_TO_EAR * unit / 2,
    )
    front = _front(joints, tracked, unit * np.abs(turn))
    return BodyModel(
        joints, seen, tracked, shared, hands[0], hands, wrist_distance > reach, present,
        unit, cast(float, ear), facing, front, turn, shift,
    )  # fmt: skip


def _front(joints: np.ndarray, tracked: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(n,) 0…1 (`BodyModel.front`); shoulders of half the usual width count as half a profile."""
    before = joints[L_SHOULDER] - joints[R_SHOULDER]
    width = tracked[:, L_SHOULDER] - tracked[:, R_SHOULDER]
    wide = np.clip(np.linalg.norm(width, axis=1) / unit * 2 - 0.4, 0, 1)
    spine = as_complex(tracked[:, NECK] - tracked[:, [R_HIP, L_HIP]].mean(1))
    turn = spine * as_complex(joints[NECK] - joints[[R_HIP, L_HIP]].mean(0)).conj()
    same = (as_complex(width) * (as_complex(before) * turn).conj()).real > 0
    return wide * wide[0] * same


def _complete(joints: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Complete torso and head from the template; returns joints, unit and facing."""
    template, facing = TEMPLATE, 1
    across = [(R_SHOULDER, L_SHOULDER), (R_HIP, L_HIP), (R_EYE, L_EYE), (R_EAR, L_EAR)]
    for right, left in across:
        if seen[right] and seen[left]:
            facing = 1 if joints[left, 0] >= joints[right, 0] else -1
            break
    if facing < 0:
        template = TEMPLATE * (-1, 1)
    turn, shift = _fit_template(template, joints, seen)
    placed = as_points(turn * as_complex(template) + shift)
    completed_joints = np.isin(np.arange(18), TORSO + HEAD)
    full = np.where((completed_joints & ~seen)[:, None], placed, joints)
    if not seen[NECK] and seen[R_SHOULDER] and seen[L_SHOULDER]:
        full[NECK] = full[[R_SHOULDER, L_SHOULDER]].mean(0)
    # In a profile the shoulders nearly coincide; the length of the torso is then more reliable.
    spine = np.linalg.norm(full[[R_HIP, L_HIP]].mean(0) - full[NECK])
    unit = max(length(full, R_SHOULDER, L_SHOULDER), spine / 1.45 * 0.8, 1.0)
    return full, float(cast(float, unit)), facing


def _fit_template(
    template: np.ndarray, joints: np.ndarray, seen: np.ndarray
) -> tuple[complex, complex]:
    """Similarity transform that fits the template to the visible joints."""
    weight = np.where(np.isin(np.arange(18), TORSO + HEAD), 1.0, _LIMB_WEIGHT) * seen
    spread = np.ptp(joints[seen], axis=0).max()
    template_spread = np.ptp(template[seen], axis=0).max()
    # Scaling first makes the identity, to which `similarity` falls back, the measured size.
    size = spread / template_spread if min(spread, template_spread) > 1e-6 else 30.0
    turn, shift = similarity(
        as_complex(template * size), as_complex(joints)[None], weight[None], (0.05 * size) ** 2
    )
    return turn[0] * size, shift[0]
