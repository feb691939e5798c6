"""Body joints in pixels, shared by trajectory maps and sparse flow."""

from __future__ import annotations

import torch
from torch import Tensor

from ..pose.sequence import PoseSequence


def body_joints(sequence: PoseSequence) -> tuple[Tensor, Tensor]:
    """Body points of a sequence and their visibility.

    Returns:
        (T, 18, 2) float64 fractions x, y, (0, 0) for invisible joints (as in
        docs/reference_behaviour.md#joint-tracks); (T, 18) bool.
    """
    visible = torch.from_numpy(sequence.body_visible)
    points = torch.from_numpy(sequence.body.copy())
    points[~visible] = 0.0
    return points, visible


def to_pixels(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Convert fractions (…, 2) to pixels x, y of size (H, W), clamped to the image.

    See docs/reference_behaviour.md#joint-tracks.
    """
    height, width = size
    scaled = points * points.new_tensor([width, height])
    return torch.minimum(scaled.clamp_min(0), points.new_tensor([width - 1, height - 1]))


def last_on_pixel(pixels: Tensor, shown: Tensor) -> Tensor:
    """Keep only the last of several joints on one pixel.

    See docs/reference_behaviour.md#trajectory-map, 5.3. It makes each pixel written once, so that
    the result does not depend on the order in which a device scatters.

    Args:
        pixels: (n, K, 2) int64 x, y.
        shown: (n, K) bool, joints that are drawn.

    Returns:
        (n, K) bool.
    """
    same = (pixels[:, :, None] == pixels[:, None]).all(-1) & shown[:, None]  # joint, other joint
    later = torch.ones(same.shape[1:], dtype=torch.bool, device=same.device).triu(1)
    return shown & ~(same & later).any(-1)
