"""A standing figure, and its flow by skinning."""

from __future__ import annotations

import numpy as np
import torch

from dispose_core.motion.densifiers.base import DenseMotion
from dispose_core.motion.densifiers.skinning.body_model import TEMPLATE, build_body_model
from dispose_core.motion.densifiers.skinning.densifier import SkinningDensifier
from dispose_core.motion.densifiers.skinning.person_segmentation import silhouette
from dispose_core.pose.sequence import PoseSequence

SIZE = (400, 300)
IMAGE = torch.full((3, *SIZE), 0.5)
RIGHT_ARM, RIGHT_LEG, LEFT_LEG = [2, 3, 4], [8, 9, 10], [11, 12, 13]


def standing(tracked: int = 2, facing: int = 1) -> np.ndarray:
    """(frames, 18, 2) pixels: the same standing figure, 60 px wide at the shoulders."""
    return np.repeat([TEMPLATE * (facing * 60, 60) + (150, 90)], tracked, 0)


def clip_of(body: np.ndarray, seen: np.ndarray | None = None, hands=None) -> PoseSequence:
    scores = np.ones(body.shape[:2]) if seen is None else seen.astype(float)
    pixels = np.array(SIZE[::-1])
    hand_scores = None if hands is None else np.ones(hands.shape[:3])
    hands = None if hands is None else hands / pixels
    return PoseSequence.from_parts(SIZE, body / pixels, scores, hands, hand_scores)


def silhouette_of(body: np.ndarray) -> torch.Tensor:
    mask = silhouette(build_body_model(clip_of(body[:1]), SIZE), SIZE)
    return torch.from_numpy(mask.astype(np.float32))


def skin(sequence: PoseSequence, mask: torch.Tensor | None = None) -> DenseMotion:
    mask = silhouette_of(standing()) if mask is None else mask
    return SkinningDensifier(mask)(IMAGE, sequence, lambda done, total: None)


def turned(points: np.ndarray, centre: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (points - centre) @ np.array([[c, s], [-s, c]]) + centre


def flow_at(motion: DenseMotion, points: np.ndarray, frame: int = 1) -> np.ndarray:
    """(N, 2) flow of the pixels that hold the points."""
    x, y = np.asarray(points).astype(int).T
    return motion.grid[frame][:, y, x].T.numpy()
