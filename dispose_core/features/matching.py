"""Where a joint of the reference is found again in another image, as numbers and to look at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import NetworkError
from ..pose import skeleton
from .keypoint_features import KeypointFeatures

# Cold to hot, for similarities from the map's lowest to its highest.
HEAT = ((0.05, 0.05, 0.25), (0.45, 0.1, 0.45), (0.9, 0.3, 0.2), (1.0, 0.85, 0.2))
SHOWN = 0.6  # how much of the heat covers the image
RING = 0.014  # radius of the ring round the match, of the image's shorter side


@dataclass(frozen=True)
class Match:
    """The place in an image that is most like a joint.

    Attributes:
        x, y: fractions of the image.
        similarity: cosine, -1…1.
    """

    x: float
    y: float
    similarity: float


def similarity_map(features: KeypointFeatures, joint: int, feature_map: Tensor) -> Tensor:
    """Cosine between a joint's vector and every place of another image's feature map.

    Args:
        features: the reference's.
        joint: 0…17, OpenPose order.
        feature_map: (C, h, w), made with the same model and options.

    Returns:
        (h, w) float32 on the CPU, -1…1.

    Raises:
        NetworkError: the reference does not show the joint, or the map has other channels.
    """
    if not features.valid[joint]:
        shown = ", ".join(skeleton.BODY[j] for j in features.valid.nonzero().flatten().tolist())
        raise NetworkError(
            f"similarity: the reference does not show {skeleton.BODY[joint]}, it shows "
            f"{shown or 'no joint'}. Choose one of those."
        )
    vector = features.features[joint]
    if feature_map.ndim != 3 or len(feature_map) != len(vector):
        raise NetworkError(
            f"similarity: feature map of shape {tuple(feature_map.shape)}, needed "
            f"({len(vector)}, h, w). Make both with the same model, timestep and up block."
        )
    return F.cosine_similarity(feature_map.float().cpu(), vector[:, None, None], dim=0)


def best_match(similarity: Tensor) -> Match:
    """The place of the highest value of a map (h, w): the middle of its cell."""
    height, width = similarity.shape
    best = int(similarity.argmax())
    return Match(
        (best % width + 0.5) / width,
        (best // width + 0.5) / height,
        float(similarity.flatten()[best]),
    )


def similarity_image(
    features: KeypointFeatures, joint: int, feature_map: Tensor, image: Tensor
) -> tuple[Tensor, Match]:
    """A joint's similarity laid over an image, with a ring where it matches best.

    Args:
        features, joint, feature_map: see `similarity_map`.
        image: (3, H, W) 0…1, the one the map was made of.

    Returns:
        (3, H, W) 0…1, the colours stretched over the map's own range, and the match.

    Raises:
        NetworkError: as of `similarity_map`.
    """
    similarity = similarity_map(features, joint, feature_map)
    match = best_match(similarity)
    low, high = similarity.min(), similarity.max()
    level = (similarity - low) / (high - low).clamp(min=1e-6)
    size = tuple(image.shape[1:])
    level = F.interpolate(level[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    grey = image.float().cpu().mean(0)
    shown = grey * (1 - SHOWN) + _heat(level) * SHOWN
    return _ring(shown, match), match


def _heat(level: Tensor) -> Tensor:
    """(3, H, W) colours of values 0…1 (H, W)."""
    colours = torch.tensor(HEAT)
    place = level.clamp(0, 1) * (len(colours) - 1)
    below = place.floor().clamp(max=len(colours) - 2).long()
    part = (place - below)[..., None]
    return (colours[below] * (1 - part) + colours[below + 1] * part).permute(2, 0, 1)


def _ring(image: Tensor, match: Match) -> Tensor:
    """White with a dark rim, so that it shows on any colour."""
    height, width = image.shape[1:]
    radius = max(RING * min(height, width), 4.0)
    y = torch.arange(height)[:, None] + 0.5 - match.y * height
    x = torch.arange(width) + 0.5 - match.x * width
    away = (torch.hypot(x, y) - radius).abs()
    thick = radius / 4
    image = torch.where(away < 2 * thick, 0.0, image)
    return torch.where(away < thick, 1.0, image)
