"""`KeypointFeatures`: feature vectors of the reference at its body joints.

See docs/reference_behaviour.md#keypoint-lookup.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import NetworkError
from ..pose import skeleton
from ..pose.fit import fit_to_reference
from ..pose.sequence import PoseSequence


@dataclass(frozen=True, eq=False)
class KeypointFeatures:
    """One vector per body joint; float32 on the CPU.

    Attributes:
        features: (18, C), OpenPose order; zero where not valid.
        valid: (18,) bool, joints visible in the reference.

    Raises:
        NetworkError: other shapes, or values that are not finite.
    """

    features: Tensor
    valid: Tensor

    def __post_init__(self) -> None:
        features = self.features.detach().float().cpu()
        valid = self.valid.bool().cpu()
        if (
            features.ndim != 2
            or len(features) != skeleton.N_BODY
            or valid.shape != (skeleton.N_BODY,)
        ):
            raise NetworkError(
                f"keypoint features: {tuple(features.shape)} with valid {tuple(valid.shape)}, "
                f"needed ({skeleton.N_BODY}, channels) and ({skeleton.N_BODY},): "
                "one row per body joint."
            )
        bad = (valid & ~features.isfinite().all(1)).nonzero().flatten().tolist()
        if bad:
            raise NetworkError(
                f"keypoint features: the vectors of "
                f"{', '.join(skeleton.BODY[j] for j in bad)} are not "
                "finite. Run the SD 1.5 model in float32 or bfloat16, or use another file of it."
            )
        object.__setattr__(self, "features", torch.where(valid[:, None], features, 0.0))
        object.__setattr__(self, "valid", valid)


def keypoint_features(
    feature_map: Tensor, pose: PoseSequence, size: tuple[int, int]
) -> KeypointFeatures:
    """Sample a feature map at the joints of the reference pose.

    Only four cells per joint are read. The result equals that of the official code, which upsamples
    the map to the image size with width and height swapped and reads it at integer pixels. The swap
    shifts a joint by less than a pixel and is kept, since the released weights were trained with
    it.

    Args:
        feature_map: (C, h, w) of the whole reference image, at any scale.
        pose: pose of the reference, one frame. Joints outside the image are clamped to its edge.

    Returns:
        Vectors of the visible joints; the others are zero and not valid.

    Raises:
        NetworkError: not exactly one pose or map, or a vector that is not finite.
        PoseError: the pose's canvas has another shape than the image.
    """
    if feature_map.ndim != 3 or 0 in feature_map.shape:
        raise NetworkError(
            f"keypoint features: feature map of shape {tuple(feature_map.shape)}, needed "
            "(channels, h, w): one image's. Give the reference image alone."
        )
    if len(pose) != 1:
        raise NetworkError(
            f"keypoint features: {len(pose)} reference poses, needed 1. "
            "Connect the pose of the reference image, not those of the video."
        )
    (pose,), _ = fit_to_reference([pose], size)
    height, width = size
    visible = pose.body_visible[0]
    points = np.where(visible[:, None], pose.body[0], 0.0)
    # Swapped on purpose: x runs over H columns and y over W rows in the official code.
    x = _cell_position(points[:, 0], height, feature_map.shape[2])
    y = _cell_position(points[:, 1], width, feature_map.shape[1])
    vectors = _bilinear(feature_map, torch.from_numpy(x), torch.from_numpy(y))
    return KeypointFeatures(vectors, torch.from_numpy(visible))


def _cell_position(fraction: np.ndarray, pixels: int, cells: int) -> np.ndarray:
    """Position on a map of `cells` of the integer pixel at a fraction of `pixels`."""
    # Clipped first, since distant points would overflow the integer.
    pixel = np.floor(np.clip(fraction * pixels, 0, pixels - 1))
    return np.maximum((pixel + 0.5) * (cells / pixels) - 0.5, 0.0)


def _bilinear(feature_map: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Sample (K, C) float32 at positions (K,) in cells, where 0 is the centre of the first cell."""
    height, width = feature_map.shape[1:]
    x0, y0 = x.long(), y.long()
    x1, y1 = (x0 + 1).clamp(max=width - 1), (y0 + 1).clamp(max=height - 1)
    rows = torch.stack([y0, y0, y1, y1])  # (4, K)
    columns = torch.stack([x0, x1, x0, x1])
    fx, fy = x - x0, y - y0
    weights = torch.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx])
    device = feature_map.device
    corners = feature_map[:, rows.to(device), columns.to(device)].float().cpu()  # (C, 4, K)
    # 0 × NaN would be NaN, so unused corners are masked.
    corners = torch.where(weights > 0, corners, 0.0)
    return torch.einsum("cnk,nk->kc", corners, weights.float())
