"""Files of the point view, on a map where the place is known."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from dispose_core.features.browser_view import point_view
from dispose_core.features.keypoint_features import KeypointFeatures
from dispose_core.pose.sequence import PoseSequence


@pytest.fixture
def pose():
    points, scores = np.full((1, 128, 2), np.nan), np.zeros((1, 128))
    points[0, 0], points[0, 1], scores[0, :2] = (0.25, 0.5), (0.5, 0.75), 1
    return PoseSequence(points, scores, (600, 300))


@pytest.fixture
def feature_map():
    """(2, 4, 6): like the neck's opposite everywhere, like the nose at row 1, column 4."""
    found = torch.zeros(2, 4, 6)
    found[1] = -1
    found[:, 1, 4] = torch.tensor([3.0, 0.0])
    return found


def features(*joints: int) -> KeypointFeatures:
    vectors = torch.zeros(18, 2)
    for joint in joints:
        vectors[joint, joint] = 1
    return KeypointFeatures(vectors, vectors.any(1))


def opened(file: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(file)))


def test_each_joint_has_its_place_its_match_and_its_map(pose, feature_map):
    image = torch.full((3, 600, 300), 0.5)

    view = point_view(image, pose, image[:, :100], features(0, 1), feature_map)

    told = view.describe()
    assert told["map_size"] == [6, 4] and told["columns"] == 6
    nose, neck = told["joints"]
    assert nose == {
        "name": "Nose",
        "at": [0.25, 0.5],
        "match": [0.75, 0.375],
        "similarity": 1.0,
        "lowest": 0.0,
    }
    assert (neck["similarity"], neck["lowest"]) == (0.0, -1.0)
    maps = opened(view.maps)
    assert maps.shape == (4, 36)
    assert maps[1, 4] == 255 and np.count_nonzero(maps[:, :6]) == 1
    assert opened(view.reference).shape == (512, 256, 3)
    assert opened(view.target).shape == (100, 300, 3)


def test_without_a_joint_there_is_no_view(pose, feature_map):
    image = torch.zeros(3, 8, 8)
    assert point_view(image, pose, image, features(), feature_map) is None
