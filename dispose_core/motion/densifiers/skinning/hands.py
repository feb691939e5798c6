"""Bones of palm and fingers if the reference shows a hand, else a single bone for the hand."""

from __future__ import annotations

import numpy as np

from .body_model import BodyModel, as_complex, as_points, similarity
from .limbs import Bone, fit_affine, follow, layer_of
from .primitives import Capsule, Slab

_KNUCKLES = [0, 1, 5, 9, 13, 17]  # corners of the palm, the wrist first
# Radius of a finger, and noise of detected finger points, in lengths of the hand.
_FINGER, _NOISE = 0.06, 0.06
# Length and radius in shoulder widths of a hand that was not detected.
_MITTEN = (0.45, 0.09)


def hand_bones(body: BodyModel, side: str, forearm: np.ndarray) -> list[Bone]:
    """Bones of palm and fingers; empty if the reference shows no hand."""
    hand_index = 0 if side == "L" else 1
    hand, tracked = body.hands[hand_index], body.tracked_hands[:, hand_index]
    known = np.isfinite(hand[:, 0])
    if not (known[0] and known[_KNUCKLES].sum() >= 4):
        return []
    seen = np.isfinite(tracked[..., 0]) & known
    hand_length = max(np.linalg.norm(hand[known] - hand[0], axis=1).max(), 0.1 * body.unit)
    layer = layer_of(body, "hand", side)

    palm = follow(_palm(hand, tracked, seen, hand_length), seen[:, _KNUCKLES].sum(1) >= 4, forearm)
    corners = hand[[k for k in _KNUCKLES if known[k]]]
    finger = _FINGER * hand_length
    shape = Slab(corners, hand[0], corners[len(corners) // 2], 2 * finger)
    bones = [Bone(shape, layer, palm, palm)]
    for base in range(1, 21, 4):
        parent = palm
        for a in range(base, base + 3):
            if not (known[a] and known[a + 1]):
                break
            if np.linalg.norm(hand[a + 1] - hand[a]) < 0.01 * hand_length:
                continue
            both = seen[:, a] & seen[:, a + 1]
            ends = np.where(both[:, None, None], tracked[:, [a, a + 1]], hand[[a, a + 1]])
            transform = _phalanx(hand[[a, a + 1]], ends, parent, _NOISE * hand_length)
            parent = follow(transform, both, parent)
            bones.append(Bone(Capsule(hand[a], hand[a + 1], finger), layer, parent, parent))
    return bones


def _palm(hand: np.ndarray, tracked: np.ndarray, seen: np.ndarray, long: float) -> np.ndarray:
    """(n, 2, 4) affine transform of a palm, which may show its other side or its edge.

    The base of the thumb moves relative to the palm and gets less weight; the wrist gets more.
    """
    known = np.isfinite(hand[_KNUCKLES, 0])
    corners = np.where(known[:, None], hand[_KNUCKLES], hand[0])
    weight = seen[:, _KNUCKLES] * np.array([3.0, 0.5, 1, 1, 1, 1])
    turn, _ = similarity(
        as_complex(corners), as_complex(tracked[:, _KNUCKLES]), weight, (0.02 * long) ** 2
    )
    rows = np.concatenate([corners - hand[0], np.ones((len(corners), 1))], 1)
    expected = np.stack([as_points(turn), as_points(1j * turn)], 1)
    pull = np.full(2, 0.01 * long**2)
    fitted = fit_affine(rows, tracked[:, _KNUCKLES], weight, pull, expected)
    out = np.zeros((len(tracked), 2, 4))
    out[:, :, :2] = fitted[:, :, :2]
    out[:, :, 3] = fitted[:, :, 2] - out[:, :, :2] @ hand[0]
    return out


def _phalanx(
    joints: np.ndarray, tracked: np.ndarray, parent: np.ndarray, noise: float
) -> np.ndarray:
    """(n, 2, 4) similarity transform of a finger bone that maps midpoint to midpoint exactly.

    Its rotation and scale are a mean of the measured one and the parent's, in which the measured
    one has the weight l² / (l² + noise²) for a bone of length l in the reference.
    """
    before, after = as_complex(joints[1] - joints[0]), as_complex(tracked[:, 1] - tracked[:, 0])
    parent_bone = as_complex(parent[:, :, :2] @ (joints[1] - joints[0]))
    trust = np.abs(before) ** 2 / (np.abs(before) ** 2 + noise**2)
    turn = (trust * after + (1 - trust) * parent_bone) / before
    out = np.zeros((len(tracked), 2, 4))
    out[:, :, 0], out[:, :, 1] = as_points(turn), as_points(1j * turn)
    out[:, :, 3] = tracked.mean(1) - out[:, :, :2] @ joints.mean(0)
    return out


def mitten_bone(body: BodyModel, side: str, forearm: np.ndarray, transform: np.ndarray) -> Bone:
    """Bone of a hand that was not detected; it extends the forearm."""
    direction = (forearm[1] - forearm[0]) / max(np.linalg.norm(forearm[1] - forearm[0]), 1e-6)
    long, radius = (part * body.unit for part in _MITTEN)
    shape = Capsule(forearm[1], forearm[1] + long * direction, radius, (0.0, 0.0))
    return Bone(shape, layer_of(body, "hand", side), transform, transform)
