"""Clips to try motion on."""

from __future__ import annotations

import numpy as np
import pytest

from dispose_core.pose.sequence import PoseSequence


@pytest.fixture(scope="session")
def clip_of():
    """clip_of({joint: (x, y)}, …, size=(H, W)) -> a clip with one dict an entry, in pixels."""

    def make(*entries: dict[int, tuple[float, float]], size=(100, 200)) -> PoseSequence:
        body, scores = np.full((len(entries), 18, 2), np.nan), np.zeros((len(entries), 18))
        for entry, found in enumerate(entries):
            for joint, (x, y) in found.items():
                body[entry, joint], scores[entry, joint] = (x / size[1], y / size[0]), 1.0
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
