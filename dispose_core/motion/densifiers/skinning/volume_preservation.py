"""Volume preservation: bent limbs keep their thickness.

Linear blend skinning makes an elbow thinner on its outer side and stretches cloth under a raised
arm. The correction moves pixels on the rim of a limb back to their distance from its bones.
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
# Share of the radius beyond which pixels belong to the rim; inner pixels may move across the limb
# as it twists.
_RIM = 0.5


class LimbVolume:
    """The two bones of a limb and the pixels that follow them.

    Attributes:
        at: (N,) indices of these pixels among the points.
    """

    def __init__(
        self, joints: np.ndarray, tracked: np.ndarray, usable: np.ndarray, body_scale: np.ndarray,
        points: np.ndarray, share: np.ndarray, radius: float,
    ) -> None:  # fmt: skip
        """`joints` (3, 2), `tracked` (n, 3, 2) with `usable` (n,) where visible, body `size` (n,).

        `points` (P, 2) are pixels with the summed skinning weight `share` (P,) of both bones.
        """
        chosen = np.flatnonzero(share > 0.05)
        self.at = torch.from_numpy(chosen)
        self.joints = torch.from_numpy(np.where(usable[:, None, None], tracked, joints)).float()
        self.usable, self.body_scale = usable, body_scale
        here = torch.from_numpy(points[chosen]).float()
        foot, _ = _nearest(here, torch.from_numpy(joints).float())
        self.distance = torch.linalg.norm(here - foot, dim=1)
        rim = ((self.distance / radius - _RIM) / (1 - _RIM)).clamp(0, 1)
        self.gain = torch.from_numpy(share[chosen]).float() * rim

    def correct(self, frame: int, place: Tensor) -> Tensor:
        """(N, 2) correction of the points `at`, which skinning moved to `place` (N, 2).

        A point at distance d from the bones moves along the gradient of d by gain · (d0·size - d),
        where d0 is its distance in the reference.
        """
        if not self.usable[frame]:
            return torch.zeros_like(place)
        foot, beside = _nearest(place, self.joints[frame])
        offset = place - foot
        distance = torch.linalg.norm(offset, dim=1).clamp_min(1e-3)
        deficit = self.distance * float(self.body_scale[frame]) - distance
        # Beside a bone points are only pulled in, as both parts touch inside the bend.
        deficit = torch.where(beside, deficit.clamp_max(0), deficit)
        return offset / distance[:, None] * (self.gain * deficit)[:, None]


def limb_volumes(
    body: BodyModel,
    bones: list[Bone],
    body_scale: np.ndarray,
    points: np.ndarray,
    weights: np.ndarray,
) -> list[LimbVolume]:
    """Limbs of which the reference shows both bones.

    Args:
        body_scale: (n,) scale of the body relative to the reference.
        points: (P, 2) pixels.
        weights: (B, P) skinning weights.
    """
    volumes = []
    for (side, *names), chain in _CHAINS.items():
        layers = [layer_of(body, name, side) for name in names]
        indices = [k for k, bone in enumerate(bones) if bone.layer in layers]
        if len(indices) != 2:
            continue
        joints = list(chain)
        radius = float(np.mean([cast(Capsule, bones[k].shape).radius for k in indices]))
        usable = np.all(body.tracked_seen[:, joints], axis=1)
        volumes.append(
            LimbVolume(
                body.joints[joints], body.tracked[:, joints], usable, body_scale,
                points, weights[indices].sum(0), radius,
            )
        )  # fmt: skip
    return volumes


def _nearest(points: Tensor, chain: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest points (N, 2) on the segments of `chain` (3, 2); whether they lie off the joint."""
    feet, inner = [], []
    for k in range(2):
        axis = chain[k + 1] - chain[k]
        along = ((points - chain[k]) @ axis / (axis @ axis).clamp_min(1e-9)).clamp(0, 1)
        feet.append(chain[k] + along[:, None] * axis)
        inner.append(along < 1 if k == 0 else along > 0)
    far = torch.stack([(points - foot).square().sum(1) for foot in feet])
    second = far[1] < far[0]
    return torch.where(second[:, None], feet[1], feet[0]), inner[0] | inner[1]
