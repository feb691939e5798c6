"""Body joints as places on an image: what trajectory map and sparse flow have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from ..pose.sequence import PoseSequence


def body_joints(sequence: PoseSequence) -> tuple[Tensor, Tensor]:
    """Body points of a clip and which of them are seen.

    Returns:
        (T, 18, 2) float64 fractions x, y, (0, 0) where a joint is not seen (as
        docs/reference_behaviour.md#joint-tracks has it); (T, 18) bool.
    """
    visible = torch.from_numpy(sequence.body_visible)
    points = torch.from_numpy(sequence.body.copy())
    points[~visible] = 0.0
    return points, visible


def to_pixels(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Fractions (…, 2) -> pixels x, y of size (H, W), held inside the image.

    See docs/reference_behaviour.md#joint-tracks.
    """
    height, width = size
    scaled = points * points.new_tensor([width, height])
    return torch.minimum(scaled.clamp_min(0), points.new_tensor([width - 1, height - 1]))


def last_on_pixel(pixels: Tensor, shown: Tensor) -> Tensor:
    """Of several shown joints on one pixel only the last counts.

    See docs/reference_behaviour.md#trajectory-map, 5.3.

    Deciding it here leaves no pixel that is written twice, so the result does not depend on the
    order in which a device scatters.

    Args:
        pixels: (n, K, 2) int64 x, y.
        shown: (n, K) bool.

    Returns:
        (n, K) bool.
    """
    same = (pixels[:, :, None] == pixels[:, None]).all(-1) & shown[:, None]  # joint, other joint
    later = torch.ones(same.shape[1:], dtype=torch.bool, device=same.device).triu(1)
    return shown & ~(same & later).any(-1)
