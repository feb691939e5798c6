"""Feature vectors at joints against the official look-up, and on maps that fit on paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest import approx
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.features.keypoint_features import KeypointFeatures, keypoint_features
from dispose_core.pose.sequence import PoseSequence
from tests.rule_weights import rnd


def reference_pose(joints, size=(64, 64)):
    """One frame from {joint: (x, y)}."""
    body, scores = np.zeros((1, 18, 2)), np.zeros((1, 18))
    for joint, point in joints.items():
        body[0, joint], scores[0, joint] = point, 1.0
    return PoseSequence.from_parts(size, body, scores)


def ramp(height, width):
    """(2, h, w): channel 0 is the column, channel 1 the row."""
    x, y = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
    return torch.stack([x, y]).float()


@pytest.mark.parametrize("case", ["a", "b"])
def test_matches_the_official_vectors(golden, case):
    g = golden("09_dift_lookup")
    height, width = (int(side) for side in g[f"{case}_HW"])
    scores = (g[f"{case}_subset"] != -1).astype(float)
    pose = PoseSequence.from_parts((height, width), g[f"{case}_candidate"][None], scores)
    feature_map = rnd(f"dift_feats_{case}", (1, 1280, height // 16, width // 16))[0]

    got = keypoint_features(feature_map, pose, (height, width))

    assert got.valid.numpy().tolist() == (g[f"{case}_subset"][0] != -1).tolist()
    assert_close(got.features, torch.from_numpy(g[f"{case}_ref_point_emb"][0]), atol=1e-5, rtol=0)


def test_a_joint_reads_between_the_four_cells_round_it():
    # 64x64 with cells of 16: 0.5 is pixel 32, whose middle is 32.5 / 16 - 0.5 = 1.53125 cells in.
    got = keypoint_features(ramp(4, 4), reference_pose({3: (0.5, 0.25)}), (64, 64))

    assert got.features[3].tolist() == approx([1.53125, 16.5 / 16 - 0.5])
    assert got.valid.nonzero().flatten().tolist() == [3]
    assert got.features[[*range(3), *range(4, 18)]].abs().sum() == 0


def test_width_and_height_are_swapped_as_the_weights_were_trained():
    # A portrait of 128x64: x counts in 128 pixels, not 64, and y in 64.
    got = keypoint_features(ramp(8, 4), reference_pose({0: (0.4, 0.4)}, (128, 64)), (128, 64))

    x, y = (51 + 0.5) * 4 / 128 - 0.5, (25 + 0.5) * 8 / 64 - 0.5
    assert got.features[0].tolist() == approx([x, y])
    # Read without the swap it would be a fraction of a cell elsewhere.
    assert abs(x - ((25 + 0.5) * 4 / 64 - 0.5)) == approx(0.015625)


def test_joints_at_and_beyond_the_edges_take_the_edge():
    pose = reference_pose({0: (-3.0, -0.1), 1: (0.001, 1.0), 2: (1e30, 0.999)})

    got = keypoint_features(ramp(4, 4), pose, (64, 64)).features

    assert got[0].tolist() == [0, 0]
    assert got[1].tolist() == [0, 3]
    assert got[2].tolist() == [3, 3]


def test_a_map_of_another_scale_or_precision_is_read_the_same_way():
    pose = reference_pose({5: (0.3, 0.6)})
    fine = keypoint_features(ramp(8, 8), pose, (64, 64)).features[5]
    half = keypoint_features(ramp(8, 8).half(), pose, (64, 64)).features[5]

    assert fine.tolist() == approx([(19 + 0.5) / 8 - 0.5, (38 + 0.5) / 8 - 0.5])
    assert_close(half, fine, atol=2e-3, rtol=0)
    assert half.dtype == torch.float32


def test_values_that_are_not_finite_are_named_where_they_are_used():
    feature_map = ramp(4, 4)
    feature_map[1, 0, 0] = float("nan")
    away = keypoint_features(feature_map, reference_pose({4: (0.9, 0.9)}), (64, 64))

    assert away.features.isfinite().all()
    with pytest.raises(NetworkError, match="vectors of Nose, RWrist are not finite"):
        keypoint_features(feature_map, reference_pose({0: (0, 0), 4: (0.05, 0.0)}), (64, 64))
    # Beside the bad cell, with no share of it: still fine.
    beside = torch.zeros(2, 4, 4)
    beside[:, :, 1] = float("nan")
    edge = keypoint_features(beside, reference_pose({4: (0.0, 0.5)}), (64, 64))
    assert edge.features.isfinite().all()


def test_what_does_not_fit_is_named():
    pose = reference_pose({0: (0.5, 0.5)})

    with pytest.raises(NetworkError, match="0 reference poses, needed 1"):
        keypoint_features(ramp(4, 4), pose[[]], (64, 64))
    with pytest.raises(NetworkError, match=r"feature map of shape \(1, 2, 4, 4\)"):
        keypoint_features(ramp(4, 4)[None], pose, (64, 64))
    with pytest.raises(NetworkError, match=r"\(17, 4\) with valid \(18,\)"):
        KeypointFeatures(torch.zeros(17, 4), torch.ones(18))
