"""The figure in the reference image: joints, proportions and sizes that skinning works with.

An image rarely shows everything. What the torso and head need is completed from body
proportions, so that whatever builds on the figure meets no gap; limbs that are not seen stay
away and are followed by nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from ....pose import skeleton
from ....pose.sequence import PoseSequence
from ....pose.skeleton import (
    HEAD,
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

# A standing adult seen from the front, in shoulder widths (joint to joint), neck at the origin.
TEMPLATE = np.array([
    (0, -0.67), (0, 0),
    (-0.5, 0), (-0.68, 0.75), (-0.78, 1.45), (0.5, 0), (0.68, 0.75), (0.78, 1.45),
    (-0.3, 1.4), (-0.32, 2.6), (-0.32, 3.8), (0.3, 1.4), (0.32, 2.6), (0.32, 3.8),
    (-0.1, -0.75), (0.1, -0.75), (-0.23, -0.7), (0.23, -0.7),
])  # fmt: skip

# Weight of joints outside the torso when the body's place, turn and size are found.
_LIMB_WEIGHT = 0.05
# How far a hand's wrist may lie from the body's wrist, in shoulder widths. A hand is about half
# a shoulder width long; what is farther belongs to the other hand or to somebody else.
_HAND_REACH = 0.5
# Median width of a head between the ears and of the eyes' distance, in shoulder widths.
_EAR_TO_EAR = 0.42
_EARS_PER_EYES = 2.4


@dataclass(frozen=True, eq=False)
class BodyModel:
    """Frame 0 and all frames of a clip in pixels, completed where torso or head need it.

    Attributes:
        joints: (18, 2) of the reference; torso and head complete, other missing joints NaN.
        seen: (18,) bool: joints that the reference pose really has.
        frames: (n, 18, 2) of the clip, torso complete, other missing joints NaN.
        tracked_seen: (n, 18) bool: joints that both the reference and the frame have.
        hands, entries_hands: (2, 21, 2) and (n, 2, 21, 2), left then right; rejected points NaN.
        far_hands: (n, 2) bool: hands that were rejected, too far from their arm.
        present: (n,) bool: frames that share a joint with the reference.
        unit: shoulder width of the body in pixels, foreshortened or not.
        ear: half the distance between the ears in pixels.
        facing: 1 when the front is seen, −1 when the back is.
        front: (n,) 0…1, how sure it is that a frame shows that same side, and not a profile;
            frame 0 stands for the reference. What is only true of a body seen from the front
            or the back counts as much as this.
        turn: (n,) complex: turn and size of the whole body against the reference.
        shift: (n,) complex: where the pixel origin goes, so that x → turn·x + shift.
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
    """(…, 2) x, y → (…) x + iy: turning and scaling becomes one multiplication."""
    return points[..., 0] + 1j * points[..., 1]


def as_points(numbers: np.ndarray) -> np.ndarray:
    """(…) → (…, 2), the inverse of `as_complex`."""
    return np.stack([numbers.real, numbers.imag], -1)


def length(points: np.ndarray, a: int, b: int) -> np.ndarray:
    """Distance between joints `a` and `b` of (…, K, 2)."""
    return np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1)


def similarity(
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    stiffness: float,
    inertia: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least-squares turn, size and shift from `source` to `target`.

    `stiffness` (squared pixels) pulls turn and size towards none: one point alone shifts, two
    points near each other do not turn the whole body. `inertia` (the same unit) holds back the
    turn alone.

    Args:
        source: (K,) complex; target: (n, K) complex; weight: (n, K), 0 where a point is missing.

    Returns:
        (turn, shift), each (n,) complex, target ≈ turn · source + shift.
    """
    total = np.maximum(weight.sum(-1), 1e-12)
    target = np.where(weight > 0, target, 0)
    from_mean = (weight * np.where(weight > 0, source, 0)).sum(-1) / total
    to_mean = (weight * target).sum(-1) / total
    away = np.where(weight > 0, source - from_mean[:, None], 0)
    turn = (weight * away.conj() * (target - to_mean[:, None])).sum(-1) + stiffness
    spread = (weight * np.abs(away) ** 2).sum(-1)
    turn /= spread + stiffness
    free = spread / (spread + inertia + 1e-12)
    turn = np.abs(turn) * np.exp(1j * free * np.angle(turn))
    return turn, to_mean - turn * from_mean


def build_body_model(sequence: PoseSequence, size: tuple[int, int]) -> BodyModel:
    """The figure of a clip on a grid of `size` = (h, w).

    Args:
        sequence: n = F+1 poses, frame 0 the reference, with at least one visible body joint.
    """
    pixels = np.array([size[1], size[0]], dtype=float)
    visible = sequence.body_visible
    seen = visible[0]
    tracked = np.where(visible[..., None], sequence.body * pixels, np.nan)
    shared = visible & seen

    joints, unit, facing = _complete(tracked[0], seen)
    # Nobody is larger: coordinates of a million come from damaged files.
    unit = min(unit, float(max(size)))
    weight = np.where(np.isin(np.arange(18), TORSO), 1.0, _LIMB_WEIGHT) * shared
    # Shoulders tilt about twice as much as the body under them: where little else is seen, half
    # of their turn is the body's.
    stiffness, inertia = (0.05 * unit) ** 2, 0.5 * unit**2
    turn, shift = similarity(as_complex(joints), as_complex(tracked), weight, stiffness, inertia)
    present = shared.any(-1)
    turn, shift = np.where(present, turn, 1), np.where(present, shift, 0)

    torso = list(TORSO)
    carried = as_points(turn[:, None] * as_complex(joints[torso]) + shift[:, None])
    tracked[:, torso] = np.where(shared[:, torso, None], tracked[:, torso], carried)
    between = ~shared[:, NECK] & shared[:, R_SHOULDER] & shared[:, L_SHOULDER]
    tracked[between, NECK] = tracked[between][:, [R_SHOULDER, L_SHOULDER]].mean(1)

    hands = np.where(
        sequence.hands_scores[..., None] > skeleton.VISIBLE, sequence.hands * pixels, np.nan
    )
    reach = _HAND_REACH * unit * np.abs(turn)[:, None]
    away = np.linalg.norm(hands[:, :, 0] - tracked[:, [L_WRIST, R_WRIST]], axis=-1)
    hands = np.where((away <= reach)[..., None, None], hands, np.nan)

    ear = max(
        length(joints, R_EAR, L_EAR) / 2,
        _EARS_PER_EYES * length(joints, R_EYE, L_EYE) / 2,
        0.8 * _EAR_TO_EAR * unit / 2,
    )
    front = _front(joints, tracked, unit * np.abs(turn))
    return BodyModel(
        joints, seen, tracked, shared, hands[0], hands, away > reach, present,
        unit, cast(float, ear), facing, front, turn, shift,
    )  # fmt: skip


def _front(joints: np.ndarray, tracked: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(n,) 0…1 (`BodyModel.front`): shoulders half as wide as usual are half a profile."""
    before = joints[L_SHOULDER] - joints[R_SHOULDER]
    width = tracked[:, L_SHOULDER] - tracked[:, R_SHOULDER]
    wide = np.clip(np.linalg.norm(width, axis=1) / unit * 2 - 0.4, 0, 1)
    spine = as_complex(tracked[:, NECK] - tracked[:, [R_HIP, L_HIP]].mean(1))
    turn = spine * as_complex(joints[NECK] - joints[[R_HIP, L_HIP]].mean(0)).conj()
    same = (as_complex(width) * (as_complex(before) * turn).conj()).real > 0
    return wide * wide[0] * same


def _complete(joints: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Torso and head from the template where they are missing; the unit; the facing."""
    template, facing = TEMPLATE, 1
    across = [(R_SHOULDER, L_SHOULDER), (R_HIP, L_HIP), (R_EYE, L_EYE), (R_EAR, L_EAR)]
    for right, left in across:
        if seen[right] and seen[left]:
            facing = 1 if joints[left, 0] >= joints[right, 0] else -1
            break
    if facing < 0:
        template = TEMPLATE * (-1, 1)
    turn, shift = _place(template, joints, seen)
    placed = as_points(turn * as_complex(template) + shift)
    wanted = np.isin(np.arange(18), TORSO + HEAD)
    full = np.where((wanted & ~seen)[:, None], placed, joints)
    if not seen[NECK] and seen[R_SHOULDER] and seen[L_SHOULDER]:
        full[NECK] = full[[R_SHOULDER, L_SHOULDER]].mean(0)
    # Turned to the side, shoulders nearly coincide: the torso's length is then the better ruler.
    spine = np.linalg.norm(full[[R_HIP, L_HIP]].mean(0) - full[NECK])
    unit = max(length(full, R_SHOULDER, L_SHOULDER), spine / 1.45 * 0.8, 1.0)
    return full, float(cast(float, unit)), facing


def _place(template: np.ndarray, joints: np.ndarray, seen: np.ndarray) -> tuple[complex, complex]:
    """Turn, size and shift that lay the template on the joints that are seen."""
    weight = np.where(np.isin(np.arange(18), TORSO + HEAD), 1.0, _LIMB_WEIGHT) * seen
    spread = np.ptp(joints[seen], axis=0).max()
    template_spread = np.ptp(template[seen], axis=0).max()
    # The size is measured first: `similarity` then starts from it where points are few.
    size = spread / template_spread if min(spread, template_spread) > 1e-6 else 30.0
    turn, shift = similarity(
        as_complex(template * size), as_complex(joints)[None], weight[None], (0.05 * size) ** 2
    )
    return turn[0] * size, shift[0]
