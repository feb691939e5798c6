"""Palm and fingers, where the reference shows a hand; a mitten where it does not."""

from __future__ import annotations

import numpy as np

from .body_model import BodyModel, as_complex, as_points, similarity
from .limbs import Bone, fit_affine, follow, layer_of
from .primitives import Capsule, Slab

_KNUCKLES = [0, 1, 5, 9, 13, 17]  # the corners of a palm, the wrist first
# Radius of a finger, and how far off a detector's finger points are, in lengths of the hand.
_FINGER, _NOISE = 0.06, 0.06
# A hand that is not seen: length and radius in shoulder widths.
_MITTEN = (0.45, 0.09)


def hand_bones(body: BodyModel, side: str, forearm: np.ndarray) -> list[Bone]:
    """Palm and fingers; none where the reference shows no hand."""
    which = 0 if side == "L" else 1
    hand, tracked = body.hands[which], body.tracked_hands[:, which]
    known = np.isfinite(hand[:, 0])
    if not (known[0] and known[_KNUCKLES].sum() >= 4):
        return []
    seen = np.isfinite(tracked[..., 0]) & known
    long = max(np.linalg.norm(hand[known] - hand[0], axis=1).max(), 0.1 * body.unit)
    layer = layer_of(body, "hand", side)

    palm = follow(_palm(hand, tracked, seen, long), seen[:, _KNUCKLES].sum(1) >= 4, forearm)
    corners = hand[[k for k in _KNUCKLES if known[k]]]
    finger = _FINGER * long
    shape = Slab(corners, hand[0], corners[len(corners) // 2], 2 * finger)
    bones = [Bone(shape, layer, palm, palm)]
    for base in range(1, 21, 4):
        parent = palm
        for a in range(base, base + 3):
            if not (known[a] and known[a + 1]):
                break
            if np.linalg.norm(hand[a + 1] - hand[a]) < 0.01 * long:
                continue
            both = seen[:, a] & seen[:, a + 1]
            ends = np.where(both[:, None, None], tracked[:, [a, a + 1]], hand[[a, a + 1]])
            own = _phalanx(hand[[a, a + 1]], ends, parent, _NOISE * long)
            parent = follow(own, both, parent)
            bones.append(Bone(Capsule(hand[a], hand[a + 1], finger), layer, parent, parent))
    return bones


def _palm(hand: np.ndarray, tracked: np.ndarray, seen: np.ndarray, long: float) -> np.ndarray:
    """(n, 2, 4) of a palm, which may show its other side or its edge: any affine map.

    The base of the thumb moves on the palm and counts less; the wrist belongs to the arm too.
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
    found = fit_affine(rows, tracked[:, _KNUCKLES], weight, pull, expected)
    out = np.zeros((len(tracked), 2, 4))
    out[:, :, :2] = found[:, :, :2]
    out[:, :, 3] = found[:, :, 2] - out[:, :, :2] @ hand[0]
    return out


def _phalanx(
    joints: np.ndarray, tracked: np.ndarray, parent: np.ndarray, noise: float
) -> np.ndarray:
    """A finger bone: its middle exactly, its turn as far as its length stands above the noise."""
    before, after = as_complex(joints[1] - joints[0]), as_complex(tracked[:, 1] - tracked[:, 0])
    carried = as_complex(parent[:, :, :2] @ (joints[1] - joints[0]))
    trust = np.abs(before) ** 2 / (np.abs(before) ** 2 + noise**2)
    turn = (trust * after + (1 - trust) * carried) / before
    out = np.zeros((len(tracked), 2, 4))
    out[:, :, 0], out[:, :, 1] = as_points(turn), as_points(1j * turn)
    out[:, :, 3] = tracked.mean(1) - out[:, :, :2] @ joints.mean(0)
    return out


def mitten_bone(body: BodyModel, side: str, forearm: np.ndarray, transform: np.ndarray) -> Bone:
    """A hand of which nothing is known but the wrist: it goes on where the forearm ends."""
    out = (forearm[1] - forearm[0]) / max(np.linalg.norm(forearm[1] - forearm[0]), 1e-6)
    long, radius = (part * body.unit for part in _MITTEN)
    shape = Capsule(forearm[1], forearm[1] + long * out, radius, (0.0, 0.0))
    return Bone(shape, layer_of(body, "hand", side), transform, transform)
