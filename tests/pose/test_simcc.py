"""The pose network: what it sees of a person, and the points it finds; golden 02."""

from __future__ import annotations

import numpy as np
import pytest
from pytest import approx

from dispose_core.errors import CheckpointError, NetworkError
from dispose_core.pose import skeleton
from dispose_core.pose.detectors.dwpose.runtime import open_network
from dispose_core.pose.detectors.dwpose.simcc import (
    PoseNetwork,
    crop_person,
    decode_simcc,
    to_skeleton,
)
from tests.onnx_files import person_onnx, pose_onnx

ONE_GREY_LEVEL = 1.01 / 57  # of the crops, which are divided by the channels' deviations


class GivenNetwork:
    """A pose network whose outputs are given."""

    name = "given.onnx"
    batch = 1

    def __init__(self, columns: np.ndarray, rows: np.ndarray) -> None:
        self.given = [columns, rows]
        self.size = (rows.shape[2] // 2, columns.shape[2] // 2)
        self.outputs = [(None, *output.shape[1:]) for output in self.given]

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        return self.given


def official_outputs(people: int) -> GivenNetwork:
    """The made-up outputs that golden 02 goes on with (goldens/README)."""
    outputs = []
    for k in range(people):
        random = np.random.RandomState(100 + k)
        columns = random.rand(1, 133, 576) * 0.9
        rows = random.rand(1, 133, 768) * 0.8 - (random.rand(1, 133, 1) > 0.85)
        outputs.append((columns.astype(np.float32), rows.astype(np.float32)))
    return GivenNetwork(*map(np.concatenate, zip(*outputs, strict=True)))


def find(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    crops = [np.zeros((3, 384, 288), np.float32)] * len(boxes)
    return PoseNetwork(official_outputs(len(boxes))).find(crops, boxes)


def test_crops_are_the_official_ones(golden):
    g = golden("02_dwpose")
    height, width = g["image"].shape[:2]
    whole = np.array([0.0, 0.0, width, height])
    for box, name in zip([*g["boxes"], whole], ("warp0", "warp1", "nodet_warp"), strict=True):
        crop = crop_person(g["image"], box)
        assert crop.dtype == np.float32 and crop.shape == (3, 384, 288)
        difference = np.abs(crop[:, ::8, ::8] - g[f"{name}_sub"])
        # OpenCV 5 rounds a few values of a warp differently from OpenCV 4, by one grey level.
        assert difference.max() < ONE_GREY_LEVEL and (difference > 1e-5).mean() < 0.06


def test_the_133_points_are_the_official_ones(golden):
    g = golden("02_dwpose")
    points, scores = find(g["boxes"])
    np.testing.assert_allclose(points, g["kp133"], atol=1e-6)
    np.testing.assert_allclose(scores, g["sc133"], atol=1e-6)


def test_our_points_are_the_official_pose(golden):
    g = golden("02_dwpose")
    height, width = g["image"].shape[:2]
    points, scores = to_skeleton(*find(g["boxes"]))
    points = points / (width, height)
    hands = [points[:, part] for part in (skeleton.LEFT_HAND_SLICE, skeleton.RIGHT_HAND_SLICE)]
    hands_scores = [
        scores[:, part] for part in (skeleton.LEFT_HAND_SLICE, skeleton.RIGHT_HAND_SLICE)
    ]
    for ours, official in (
        (points[:, skeleton.BODY_SLICE].reshape(-1, 2), "candidate"),
        (scores[:, skeleton.BODY_SLICE], "score"),
        (points[:, skeleton.FACE_SLICE], "faces"),
        (scores[:, skeleton.FACE_SLICE], "faces_score"),
        (np.concatenate(hands), "hands"),
        (np.concatenate(hands_scores), "hands_score"),
    ):
        np.testing.assert_allclose(ours, g[f"pose_{official}"], atol=1e-6)


def test_the_official_subset_is_what_counts_as_visible(golden):
    g = golden("02_dwpose")
    _, scores = to_skeleton(*find(g["boxes"]))
    assert np.array_equal(scores[:, skeleton.BODY_SLICE] > skeleton.VISIBLE, g["pose_subset"] >= 0)


def test_without_a_box_the_points_are_those_of_the_whole_image(golden):
    g = golden("02_dwpose")
    height, width = g["image"].shape[:2]
    points, scores = to_skeleton(*find(np.array([[0.0, 0.0, width, height]])))
    official = [*range(18), *range(92, 134), *range(24, 92), *range(18, 24)]
    np.testing.assert_allclose(points, g["nodet_kp134"][:, official], atol=1e-6)
    np.testing.assert_allclose(scores, g["nodet_sc134"][:, official], atol=1e-6)


def test_a_place_is_the_likeliest_half_pixel_and_its_score_the_weaker_of_both():
    columns, rows = np.zeros((1, 133, 8)), np.zeros((1, 133, 6))
    columns[0, 0, 5], rows[0, 0, 2] = 0.9, 0.4
    columns[0, 1, 5], rows[0, 1] = 0.9, -0.1
    places, scores = decode_simcc(columns, rows)
    assert places[0, :2].tolist() == [[2.5, 1.0], [-0.5, -0.5]]
    assert scores[0, :3].tolist() == [0.4, -0.1, 0.0]


def test_a_box_grows_by_a_quarter_to_the_networks_proportions():
    """A white column of 3 pixels in a 40×40 image; the box 8×32 becomes 30×40."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 19:22] = 255
    crop = crop_person(image, np.array([16.0, 4.0, 24.0, 36.0]), (64, 48))
    assert crop.shape == (3, 64, 48)
    bright = crop[0].mean(0)
    # 48 / 30 = 1.6 pixels each: the middle, 20, stands in the middle, 24.
    assert np.flatnonzero(bright > bright.max() - 0.01).tolist() == [23, 24, 25]
    black = -np.array([123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    assert crop[:, 0, 0].tolist() == approx(black.tolist())


def test_points_lie_where_their_crop_was():
    columns, rows = np.zeros((1, 133, 96), np.float32), np.zeros((1, 133, 128), np.float32)
    columns[..., 48], rows[..., 0] = 1, 1
    crops = [np.zeros((3, 64, 48), np.float32)]
    wide = np.array([[100.0, 50.0, 148.0, 54.0]])  # 60 × 5, taken as 60 × 80 around (124, 52)
    points, _ = PoseNetwork(GivenNetwork(columns, rows)).find(crops, wide)
    assert points[0, 0].tolist() == approx([124.0, 12.0])


def test_the_neck_lies_between_shoulders_that_are_both_seen():
    points, scores = np.zeros((2, 133, 2)), np.full((2, 133), 0.5)
    points[:, 5], points[:, 6] = (4, 2), (8, 4)
    scores[1, 6] = 0.3
    ours, ours_scores = to_skeleton(points, scores)
    assert ours[:, 1].tolist() == [[6, 3], [6, 3]]
    assert ours_scores[:, 1].tolist() == [1.0, 0.0]


def test_every_point_has_its_place():
    """Points numbered as in COCO-WholeBody: nose, eyes, ears, arms, legs; feet; face; hands."""
    points = np.repeat(np.arange(133.0)[None, :, None], 2, 2)
    ours = to_skeleton(points, np.ones((1, 133)))[0][0, :, 0]
    names = dict(zip(skeleton.BODY, ours[:18].tolist(), strict=True))
    assert names == {
        "Nose": 0, "Neck": 5.5, "RShoulder": 6, "RElbow": 8, "RWrist": 10,
        "LShoulder": 5, "LElbow": 7, "LWrist": 9, "RHip": 12, "RKnee": 14, "RAnkle": 16,
        "LHip": 11, "LKnee": 13, "LAnkle": 15, "REye": 2, "LEye": 1, "REar": 4, "LEar": 3,
    }  # fmt: skip
    assert ours[skeleton.LEFT_HAND_SLICE].tolist() == [*range(91, 112)]
    assert ours[skeleton.RIGHT_HAND_SLICE].tolist() == [*range(112, 133)]
    assert ours[skeleton.FACE_SLICE].tolist() == [*range(23, 91)]


def test_the_person_detector_in_its_place_is_refused(tmp_path):
    network = open_network(person_onnx(tmp_path / "yolox.onnx"), "cpu", (64, 64))
    with pytest.raises(
        CheckpointError,
        match=r"yolox.onnx: gives \(1, 84, 85\), a pose network of 64×64 gives \(N, 133, 128\) and "
        r"\(N, 133, 128\)\. As pose network choose dw-ll_ucoco_384",
    ):
        PoseNetwork(network)


def test_a_network_of_another_number_of_points_is_refused(tmp_path):
    columns, rows = np.zeros((1, 17, 96)), np.zeros((1, 17, 128))
    network = GivenNetwork(columns, rows)
    network.outputs = [(None, None, 96), (None, None, 128)]
    with pytest.raises(NetworkError, match=r"gave \(1, 17, 96\) and \(1, 17, 128\), needed"):
        PoseNetwork(network).find([np.zeros((3, 64, 48))], np.array([[0.0, 0, 1, 1]]))


def test_a_network_from_a_file_finds_the_bright_pixel(tmp_path):
    image = np.zeros((64, 48, 3), np.uint8)
    image[20, 30] = 255
    box = np.array([4.8, 6.4, 43.2, 57.6])  # a quarter more is the whole image
    poses = PoseNetwork(open_network(pose_onnx(tmp_path / "q.onnx"), "cpu", (64, 48)))
    points, scores = poses.find([crop_person(image, box, (64, 48))], box[None])
    assert points.shape == (1, 133, 2) and scores.shape == (1, 133)
    assert points[0, 0].tolist() == approx([30, 20], abs=1e-4)
