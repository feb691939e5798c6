"""Limbs keep their thickness where they bend.

Mixing the ways of two bones makes an elbow thin on its outer side, and draws the cloth under an
arm that is raised into a flap. What lies on the skin of a limb stays as far from its bones.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from ....pose.skeleton import (
    L_ANKLE,
    L_ELBOW,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_WRIST,
    R_ANKLE,
    R_ELBOW,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
    R_WRIST,
)
from .body_model import BodyModel
from .limbs import Bone, layer_of
from .primitives import Capsule

_CHAINS = {
    ("R", "upper arm", "forearm"): (R_SHOULDER, R_ELBOW, R_WRIST),
    ("L", "upper arm", "forearm"): (L_SHOULDER, L_ELBOW, L_WRIST),
    ("R", "thigh", "shin"): (R_HIP, R_KNEE, R_ANKLE),
    ("L", "thigh", "shin"): (L_HIP, L_KNEE, L_ANKLE),
}
# From this part of the radius outwards pixels are skin at the rim; further in they may also roll
# to the other side as the limb turns about itself.
_RIM = 0.5


class LimbVolume:
    """Two bones of one limb, and the pixels that follow them.

    Attributes:
        at: (N,) which of the points.
    """

    def __init__(
        self, joints: np.ndarray, tracked: np.ndarray, usable: np.ndarray, size: np.ndarray,
        points: np.ndarray, share: np.ndarray, radius: float,
    ) -> None:  # fmt: skip
        """Reference joints (3, 2), frames (n, 3, 2), where all are seen (n,), body size (n,);
        points (P, 2) and how much each follows the limb (P,)."""
        chosen = np.flatnonzero(share > 0.05)
        self.at = torch.from_numpy(chosen)
        self.joints = torch.from_numpy(np.where(usable[:, None, None], tracked, joints)).float()
        self.usable, self.size = usable, size
        here = torch.from_numpy(points[chosen]).float()
        foot, _ = _nearest(here, torch.from_numpy(joints).float())
        self.distance = torch.linalg.norm(here - foot, dim=1)
        rim = ((self.distance / radius - _RIM) / (1 - _RIM)).clamp(0, 1)
        self.gain = torch.from_numpy(share[chosen]).float() * rim

    def correct(self, frame: int, place: Tensor) -> Tensor:
        """(N, 2) what to add to the points `at`, which were moved to `place` (N, 2)."""
        if not self.usable[frame]:
            return torch.zeros_like(place)
        foot, beside = _nearest(place, self.joints[frame])
        away = place - foot
        far = torch.linalg.norm(away, dim=1).clamp_min(1e-3)
        short = self.distance * float(self.size[frame]) - far
        # Inside the bend two parts press against each other: nothing is to be pushed apart.
        short = torch.where(beside, short.clamp_max(0), short)
        return away / far[:, None] * (self.gain * short)[:, None]


def limb_volumes(
    body: BodyModel, bones: list[Bone], size: np.ndarray, points: np.ndarray, weights: np.ndarray
) -> list[LimbVolume]:
    """The limbs of which the reference shows both bones.

    Args:
        size: (n,) of the body against the reference.
        points: (P, 2) pixels; weights: (B, P) how much each follows each bone.
    """
    found = []
    for (side, *names), chain in _CHAINS.items():
        layers = [layer_of(body, name, side) for name in names]
        own = [k for k, bone in enumerate(bones) if bone.layer in layers]
        if len(own) != 2:
            continue
        joints = list(chain)
        radius = float(np.mean([cast(Capsule, bones[k].shape).radius for k in own]))
        usable = body.tracked_seen[:, joints].all(1)
        found.append(
            LimbVolume(
                body.joints[joints], body.tracked[:, joints], usable, size,
                points, weights[own].sum(0), radius,
            )
        )  # fmt: skip
    return found


def _nearest(points: Tensor, chain: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest point (N, 2) on two segments (3, 2); does it lie beside one, not at the joint?"""
    feet, inner = [], []
    for k in range(2):
        axis = chain[k + 1] - chain[k]
        along = ((points - chain[k]) @ axis / (axis @ axis).clamp_min(1e-9)).clamp(0, 1)
        feet.append(chain[k] + along[:, None] * axis)
        inner.append(along < 1 if k == 0 else along > 0)
    far = torch.stack([(points - foot).square().sum(1) for foot in feet])
    second = far[1] < far[0]
    return torch.where(second[:, None], feet[1], feet[0]), inner[0] | inner[1]
