"""Finding a joint again, on maps where the place is known."""

from __future__ import annotations

import pytest
import torch
from pytest import approx

from dispose_core.errors import NetworkError
from dispose_core.features.keypoint_features import KeypointFeatures
from dispose_core.features.matching import similarity_image, similarity_map


@pytest.fixture
def features():
    """Nose looks like (1, 0), neck like (0, 2); nothing else is seen."""
    vectors = torch.zeros(18, 2)
    vectors[0, 0], vectors[1, 1] = 1, 2
    return KeypointFeatures(vectors, vectors.any(1))


@pytest.fixture
def feature_map():
    """(2, 4, 6): like the neck's opposite everywhere, like the nose at row 1, column 4."""
    found = torch.zeros(2, 4, 6)
    found[1] = -1
    found[:, 1, 4] = torch.tensor([3.0, 0.0])
    found[:, 2, 2] = torch.tensor([1.0, 1.0])
    return found


def test_similarity_is_the_cosine_whatever_the_length(features, feature_map):
    nose, neck = (similarity_map(features, joint, feature_map) for joint in (0, 1))

    assert nose.shape == (4, 6)
    assert nose[1, 4] == approx(1.0) and nose[2, 2] == approx(0.5**0.5) and nose[0, 0] == 0
    assert neck[0, 0] == approx(-1.0) and neck[1, 4] == 0 and neck[2, 2] == approx(0.5**0.5)


def test_the_image_is_hot_and_ringed_where_the_joint_matches(features, feature_map):
    grey = torch.full((3, 64, 96), 0.5)

    image, match = similarity_image(features, 0, feature_map, grey)

    assert (match.x, match.y) == (4.5 / 6, 1.5 / 4) and match.similarity == approx(1.0)
    assert image.shape == (3, 64, 96)
    assert image.min() >= 0 and image.max() <= 1
    centre, far = image[:, 24, 72], image[:, 60, 4]
    assert centre[0] > 0.7 > 0.3 > far[0]  # red rises with similarity
    ring = (image == 1).all(0).nonzero().float().mean(0)
    assert ring.tolist() == approx([23.5, 71.5], abs=0.1)


def test_a_map_without_differences_is_drawn_too(features):
    image, match = similarity_image(features, 0, torch.ones(2, 4, 4), torch.zeros(3, 32, 32))

    assert image.isfinite().all() and match.similarity == approx(0.5**0.5)


def test_a_joint_that_is_not_seen_and_a_map_of_another_model_are_named(features, feature_map):
    with pytest.raises(NetworkError, match="does not show RWrist, it shows Nose, Neck"):
        similarity_map(features, 4, feature_map)
    with pytest.raises(NetworkError, match=r"shape \(3, 4, 4\), needed \(2, h, w\)"):
        similarity_map(features, 0, torch.zeros(3, 4, 4))
