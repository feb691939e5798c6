"""What the reference picture looks like at each joint: diffusion features (SPEC 7, 8.1)."""

from .diffusion_features import (
    PROMPT,
    DiffusionFeatureOptions,
    FeaturePass,
    diffusion_features,
    ensemble_features,
)
from .keypoint_features import KeypointFeatures, keypoint_features
from .similarity import Match, similarity_map, similarity_picture

__all__ = [
    "PROMPT",
    "DiffusionFeatureOptions",
    "FeaturePass",
    "KeypointFeatures",
    "Match",
    "diffusion_features",
    "ensemble_features",
    "keypoint_features",
    "similarity_map",
    "similarity_picture",
]
