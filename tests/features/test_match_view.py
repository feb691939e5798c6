"""Joints of the reference found again in another image, as numbers and as an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest import approx

from dispose_core.errors import MediaError
from dispose_core.features.keypoint_features import KeypointFeatures
from dispose_core.features.match_view import (
    describe_matches,
    fit_target,
    match_image,
    match_joints,
)
from dispose_core.pose import skeleton
from dispose_core.pose.sequence import PoseSequence

NOSE, RWRIST = 0, 4


@pytest.fixture
def features():
    """Two joints that point along the first and the second channel."""
    vectors = torch.zeros(18, 3)
    vectors[NOSE, 0] = vectors[RWRIST, 1] = 2.0
    return KeypointFeatures(vectors, vectors.any(1))


@pytest.fixture
def feature_map():
    """5×4 cells along the third channel; the nose lies in row 1, column 3, the wrist in 4, 0."""
    cells = torch.zeros(3, 5, 4)
    cells[2] = 1
    cells[:, 1, 3] = torch.tensor([5.0, 0, 0])
    cells[:, 4, 0] = torch.tensor([0, 3.0, 4.0])
    return cells


def test_each_joint_is_found_where_its_vector_points(features, feature_map):
    matches = match_joints(features, feature_map)
    assert list(matches) == [NOSE, RWRIST]
    nose, wrist = matches[NOSE], matches[RWRIST]
    assert (nose.x, nose.y, nose.similarity) == approx((3.5 / 4, 1.5 / 5, 1.0))
    assert (wrist.x, wrist.y, wrist.similarity) == approx((0.5 / 4, 4.5 / 5, 0.6))
    assert describe_matches(matches).splitlines() == [
        "2 of 18 joints have features",
        "Nose: similarity 1.00",
        "RWrist: similarity 0.60",
    ]


def test_a_line_in_the_joints_colour_leads_to_its_match(features, feature_map):
    body, scores = np.full((1, 18, 2), np.nan), np.zeros((1, 18))
    body[0, [NOSE, RWRIST]] = [(40 / 160, 30 / 200), (20 / 160, 150 / 200)]
    scores[0, [NOSE, RWRIST]] = 1
    pose = PoseSequence.from_parts((200, 160), body, scores)
    matches = match_joints(features, feature_map)
    drawn = match_image(torch.ones(3, 200, 160), pose, torch.ones(3, 100, 60), matches)
    assert drawn.shape == (3, 200, 160 + 120)  # the target is brought to the same height
    for joint, start in ((NOSE, (40, 30)), (RWRIST, (20, 150))):
        end = round(160 + matches[joint].x * 120), round(matches[joint].y * 200)
        colour = [c / 255 for c in skeleton.COLOURS[joint]]
        for x, y in (start, end):
            assert drawn[:, y, x].tolist() == approx(colour, abs=0.01)
    assert drawn[:, 199, 279].tolist() == approx([0.55] * 3, abs=0.01)


def test_an_image_to_search_keeps_its_shape_at_sides_the_unet_takes():
    landscape = torch.rand(3, 360, 640)
    assert fit_target(landscape, 1024).shape == (3, 1024, 1792)  # 1820 wide, to 64s
    assert fit_target(torch.rand(3, 1000, 125), 256).shape == (3, 256, 64)
    with pytest.raises(MediaError, match="target of 10×1000: more than 8 times as long as wide"):
        fit_target(torch.rand(3, 1000, 10), 256)
