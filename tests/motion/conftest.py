"""Clips to try motion on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dispose_core.motion.motion_field import MotionField
from dispose_core.motion.trajectory import trajectory_points
from dispose_core.pose.sequence import PoseSequence


@pytest.fixture(scope="session")
def clip_of():
    """clip_of({joint: (x, y)}, …, size=(H, W)) -> a clip with one dict a frame, in pixels."""

    def make(*frames: dict[int, tuple[float, float]], size=(100, 200)) -> PoseSequence:
        body, scores = np.full((len(frames), 18, 2), np.nan), np.zeros((len(frames), 18))
        for frame, found in enumerate(frames):
            for joint, (x, y) in found.items():
                body[frame, joint], scores[frame, joint] = (x / size[1], y / size[0]), 1.0
        return PoseSequence.from_parts(size, body, scores)

    return make


@pytest.fixture(scope="session")
def official_tracks(golden):
    """official_tracks("s" or "t") -> golden 05, its clip, and the size (H, W) of its maps."""

    def load(prefix: str):
        arrays = golden("05_tracks_traj_sparse")
        size = tuple(arrays[f"{prefix}_HW"].tolist())
        scores = np.where(arrays[f"{prefix}_subset"] == -1, 0.0, 1.0)
        clip = PoseSequence.from_parts(size, arrays[f"{prefix}_candidate"], scores)
        return arrays, clip, size

    return load


@pytest.fixture
def field(clip_of) -> MotionField:
    """Six frames of a 24×32 image on a 6×4 grid; frame n moves everything by (n, -n) cells."""
    clip = clip_of(*({4: (8 + n, 10)} for n in range(6)), size=(24, 32))
    grid = torch.arange(6.0)[:, None, None, None] * torch.tensor([1.0, -1.0])[:, None, None]
    return MotionField(
        grid.repeat(1, 1, 6, 4),
        trajectory_points(clip),
        (24, 32),
        torch.tensor([True] * 5 + [False]),
        layer=torch.arange(24.0).view(6, 4),
        subject=torch.linspace(0, 1, 24).view(6, 4),
        report=["first line", "zweite Zeile: ü"],
    )
