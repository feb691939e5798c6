"""Match joints of the reference in another image by cosine similarity of their features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import NetworkError
from ..pose import skeleton
from .keypoint_features import KeypointFeatures

# Colour map from low to high similarity.
HEAT = ((0.05, 0.05, 0.25), (0.45, 0.1, 0.45), (0.9, 0.3, 0.2), (1.0, 0.85, 0.2))
SHOWN = 0.6  # opacity of the heat map
RING = 0.014  # radius of the ring around the match as a share of the image's shorter side


@dataclass(frozen=True)
class Match:
    """Best match of a joint.

    Attributes:
        x, y: fractions of the image.
        similarity: cosine, -1…1.
    """

    x: float
    y: float
    similarity: float


def similarity_map(features: KeypointFeatures, joint: int, feature_map: Tensor) -> Tensor:
    """Cosine similarity of a joint's vector to every cell of another image's feature map.

    Args:
        features: those of the reference.
        joint: 0…17, OpenPose order.
        feature_map: (C, h, w), made with the same model and options.

    Returns:
        (h, w) float32 on the CPU, -1…1.

    Raises:
        NetworkError: the joint is not visible in the reference, or the map has other channels.
    """
    if not features.valid[joint]:
        joints = ", ".join(skeleton.BODY[j] for j in features.valid.nonzero().flatten().tolist())
        raise NetworkError(
            f"similarity: the reference does not show {skeleton.BODY[joint]}, it shows "
            f"{joints or 'no joint'}. Choose one of those."
        )
    vector = features.features[joint]
    if feature_map.ndim != 3 or len(feature_map) != len(vector):
        raise NetworkError(
            f"similarity: feature map of shape {tuple(feature_map.shape)}, needed "
            f"({len(vector)}, h, w). Make both with the same model, timestep and up block."
        )
    return F.cosine_similarity(feature_map.float().cpu(), vector[:, None, None], dim=0)


def best_match(similarity: Tensor) -> Match:
    """Centre of the cell with the highest value of a map (h, w)."""
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
    """Heat map of a joint's similarity over the image, with a ring at the best match.

    Args:
        features, joint, feature_map: see `similarity_map`.
        image: (3, H, W) 0…1, the image of the map.

    Returns:
        (3, H, W) 0…1, colours scaled to the range of the map, and the match.

    Raises:
        NetworkError: see `similarity_map`.
    """
    similarity = similarity_map(features, joint, feature_map)
    match = best_match(similarity)
    low, high = similarity.min(), similarity.max()
    level = (similarity - low) / (high - low).clamp(min=1e-6)
    size = tuple(image.shape[1:])
    level = F.interpolate(level[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    grey = image.float().cpu().mean(0)
    blended = grey * (1 - SHOWN) + _heat(level) * SHOWN
    return _ring(blended, match), match


def _heat(level: Tensor) -> Tensor:
    """Map values 0…1 (H, W) to colours (3, H, W)."""
    colours = torch.tensor(HEAT)
    position = level.clamp(0, 1) * (len(colours) - 1)
    below = position.floor().clamp(max=len(colours) - 2).long()
    fraction = (position - below)[..., None]
    return (colours[below] * (1 - fraction) + colours[below + 1] * fraction).permute(2, 0, 1)


def _ring(image: Tensor, match: Match) -> Tensor:
    """Draw a white ring with a dark rim, visible on any colour."""
    height, width = image.shape[1:]
    radius = max(RING * min(height, width), 4.0)
    y = torch.arange(height)[:, None] + 0.5 - match.y * height
    x = torch.arange(width) + 0.5 - match.x * width
    distance = (torch.hypot(x, y) - radius).abs()
    thickness = radius / 4
    image = torch.where(distance < 2 * thickness, 0.0, image)
    return torch.where(distance < thickness, 1.0, image)
