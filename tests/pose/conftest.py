"""Poses that the tests of this room are made of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dispose_core.pose import skeleton
from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import PoseSequence

# A person who stands upright, arms out a little: 18 body points as fractions of the image.
STANDING = np.array(
    [
        (0.50, 0.20), (0.50, 0.30),
        (0.42, 0.30), (0.38, 0.42), (0.34, 0.54), (0.58, 0.30), (0.62, 0.42), (0.66, 0.54),
        (0.45, 0.55), (0.45, 0.72), (0.45, 0.90), (0.55, 0.55), (0.55, 0.72), (0.55, 0.90),
        (0.48, 0.18), (0.52, 0.18), (0.46, 0.19), (0.54, 0.19),
    ]
)  # fmt: skip


@pytest.fixture
def standing():
    """standing(frames) -> that person, all 18 body points at score 0.9, no hands, no face."""

    def make(frames: int = 1, canvas=(200, 100), scale=1.0, shift=(0.0, 0.0)) -> PoseSequence:
        body = np.broadcast_to(STANDING * scale + shift, (frames, 18, 2))
        return PoseSequence.from_parts(canvas, body, np.full((frames, 18), 0.9))

    return make


@pytest.fixture
def hide():
    """hide(pose, frames, joints, score) -> the same pose with lower scores there."""

    def change(pose: PoseSequence, frames, joints=slice(None), score: float = 0.0) -> PoseSequence:
        scores = pose.scores.copy()
        scores[frames, joints] = score
        return pose.with_points(pose.points, scores)

    return change


@pytest.fixture(scope="session")
def official_people():
    """official_people(arrays, prefixes, canvas) -> slots of a clip stored by the official code.

    A frame with fewer people than the fullest one leaves the later slots missing.
    """

    def read(g, prefixes: list[str], canvas=(1, 1)) -> list[PoseSequence]:
        slots = max(len(g[f"{p}_subset"]) for p in prefixes)
        points = np.full((slots, len(prefixes), skeleton.N_POINTS, 2), np.nan)
        scores = np.zeros((slots, len(prefixes), skeleton.N_POINTS))
        for t, p in enumerate(prefixes):
            people = len(g[f"{p}_subset"])
            points[:people, t, skeleton.BODY_SLICE] = g[f"{p}_candidate"].reshape(people, 18, 2)
            scores[:people, t, skeleton.BODY_SLICE] = g[f"{p}_score"]
            # All left hands come before all right ones (docs/reference_behaviour.md#pose-output).
            hands = g[f"{p}_hands"].reshape(2, people, 21, 2)
            hand_scores = g[f"{p}_hands_score"].reshape(2, people, 21)
            for part, xy, score in zip(
                (skeleton.LEFT_HAND_SLICE, skeleton.RIGHT_HAND_SLICE),
                hands,
                hand_scores,
                strict=True,
            ):
                points[:people, t, part], scores[:people, t, part] = xy, score
            points[:people, t, skeleton.FACE_SLICE] = g[f"{p}_faces"]
            scores[:people, t, skeleton.FACE_SLICE] = g[f"{p}_faces_score"]
        return [PoseSequence(points[i], scores[i], canvas) for i in range(slots)]

    return read


@pytest.fixture(scope="session")
def alignment_cases() -> list[dict]:
    """Sizes and frames of the cases a, b, c in golden 03."""
    path = Path(__file__).parents[1] / "goldens" / "03_alignment.json"
    return json.loads(path.read_text())


@pytest.fixture(scope="session")
def sample(assets):
    """The sample's reference and driving poses."""
    return [load_poses(assets / "poses" / f"{n}.json")[0][0] for n in ("reference", "driving")]
