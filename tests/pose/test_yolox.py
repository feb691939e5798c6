"""The person detector: what it sees, which boxes remain; golden 02."""

from __future__ import annotations

import numpy as np
import pytest
from pytest import approx

from dispose_core.errors import CheckpointError, NetworkError
from dispose_core.pose.detectors.dwpose.runtime import open_network
from dispose_core.pose.detectors.dwpose.yolox import PersonDetector, letterbox, suppress
from tests.onnx_files import person_onnx, pose_onnx

SIZE = (64, 64)


class GivenNetwork:
    """A YOLOX whose output is given."""

    name = "given.onnx"
    batch = 1

    def __init__(self, output: np.ndarray, size=SIZE) -> None:
        self.output, self.size = output, size
        self.outputs = [(None, *output.shape[1:])]

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        return [np.repeat(self.output, len(images), 0)]


def nobody(anchors: int = 84) -> np.ndarray:
    return np.zeros((1, anchors, 85), np.float32)


def somebody(output: np.ndarray, row: int, score: float, person: float = 1.0, at=(0.0, 0.0)):
    """A box as large as the cell it is at."""
    output[0, row, :6] = *at, 0.0, 0.0, score, person


def find(output: np.ndarray, image=(64, 64)) -> np.ndarray:
    (boxes,) = PersonDetector(GivenNetwork(output)).find([np.zeros((*image, 3), np.uint8)])
    return boxes


@pytest.fixture(scope="session")
def official_output() -> np.ndarray:
    """The made-up network output that golden 02 starts from (goldens/README)."""
    random = np.random.RandomState(7)
    output = random.rand(1, 8400, 85).astype(np.float32) * 0.2
    output[..., :4] = random.rand(1, 8400, 4).astype(np.float32) - 0.5
    for row, *box, kind, score in (
        (6420, 0.2, 0.3, 2.7, 3.3, 0.95, 0, 0.9),
        (6421, 0.1, 0.3, 2.7, 3.3, 0.9, 0, 0.9),
        (8200, 0.1, 0.2, 2.0, 2.4, 0.8, 0, 0.7),
        (8300, 0.1, 0.2, 2.0, 2.0, 0.9, 5, 0.9),
        (5000, 0.1, 0.2, 2.0, 2.0, 0.5, 0, 0.5),
    ):
        output[0, row, :5] = box
        output[0, row, 5:] *= 0.1
        output[0, row, 5 + kind] = score
    return output


def test_the_letterbox_is_the_official_one(golden):
    g = golden("02_dwpose")
    shown, scale = letterbox(g["image"])
    assert scale == 640 / 200
    assert np.array_equal(shown[:, ::5, ::5], g["letterbox_u8_sub"])


def test_boxes_are_the_official_ones(golden, official_output):
    g = golden("02_dwpose")
    detector = PersonDetector(GivenNetwork(official_output, (640, 640)))
    (boxes,) = detector.find([g["image"]])
    np.testing.assert_allclose(boxes, g["boxes"], atol=1e-4)


def test_nobody_is_found_where_the_official_code_finds_nobody(golden, official_output):
    assert len(golden("02_dwpose")["nodet_boxes"]) == 0
    official_output = official_output.copy()
    official_output[0, [6420, 6421, 8200], 4] = 0.1
    detector = PersonDetector(GivenNetwork(official_output, (640, 640)))
    assert detector.find([golden("02_dwpose")["image"]])[0].shape == (0, 4)


def test_the_image_stands_top_left_on_grey_and_is_not_normalised():
    shown, scale = letterbox(np.full((32, 16, 3), 200, np.uint8), SIZE)
    assert scale == 2.0 and shown.dtype == np.float32
    assert (shown[:, :, :32] == 200).all() and (shown[:, :, 32:] == 114).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_a_strip_of_one_pixel_is_still_seen(size):
    shown, _ = letterbox(np.full((*size, 3), 7, np.uint8), SIZE)
    assert shown.shape == (3, 64, 64) and (shown[:, 0, 0] == 7).all()


def test_a_cell_is_where_its_level_and_row_say():
    output = nobody()
    somebody(output, 8 * 3 + 2, 0.9, at=(0.5, 0.25))  # stride 8: column 2, row 3
    somebody(output, 64 + 5, 0.8)  # stride 16: column 1, row 1
    somebody(output, 64 + 16 + 1, 0.7)  # stride 32: column 1, row 0
    # Centres (20, 26), (16, 16), (32, 0), sides 8, 16, 32; twice as large an image.
    assert find(output, (128, 128)).tolist() == [
        [32, 44, 48, 60],
        [16, 16, 48, 48],
        [32, -32, 96, 32],
    ]


def test_a_person_needs_a_score_above_three_tenths():
    for score, found in ((0.31, 1), (0.29, 0)):
        output = nobody()
        somebody(output, 0, 0.5, score / 0.5)  # objectness times class
        assert len(find(output)) == found


def test_other_classes_are_not_people():
    output = nobody()
    somebody(output, 0, 0.9, 0.0)
    output[0, 0, 5 + 16] = 1.0  # a dog
    assert len(find(output)) == 0


def test_the_surest_come_first_and_take_away_what_they_cover():
    output = nobody()
    somebody(output, 20, 0.5)
    somebody(output, 21, 0.9, at=(-1.0, 0.0))  # in the same place as 20
    somebody(output, 40, 0.7)
    boxes = find(output)
    assert boxes[:, 1].tolist() == [12, 36]  # rows 2 and 5, the better one of row 2


def test_overlap_counts_sides_as_one_pixel_more():
    """Ten and ten pixels, 11×11 each: moved by 4 they share 7×11 of 2·121 - 77, 0.467."""
    box = np.array([0.0, 0.0, 10.0, 10.0])
    moved = np.array([4.0, 0.0, 14.0, 10.0])
    assert suppress(np.stack([box, moved]), 0.466) == [0]
    assert suppress(np.stack([box, moved]), 0.467) == [0, 1]
    assert suppress(np.empty((0, 4))) == []


def test_twenty_people_side_by_side_all_remain():
    output = nobody()
    for i in range(20):
        somebody(output, i * 3, 0.9 - i / 100)
    assert len(find(output)) == 20


def test_boxes_without_end_are_left_out():
    output = nobody()
    somebody(output, 0, 0.9)
    output[0, 0, 2] = 1000.0  # e to that
    somebody(output, 9, 0.8)
    assert find(output).tolist() == [[4, 4, 12, 12]]


def test_a_bright_cell_is_found_by_a_network_from_a_file(tmp_path):
    image = np.zeros((128, 64, 3), np.uint8)
    image[32:48, 16:32] = 255  # one cell of 8×8 at half size: column 1, row 2
    detector = PersonDetector(open_network(person_onnx(tmp_path / "p.onnx"), "cpu", SIZE))
    empty, boxes = detector.find([np.zeros_like(image), image])
    assert len(empty) == 0
    assert boxes[0].tolist() == approx([8, 24, 40, 56], abs=1e-4)  # centre (24, 40), side 32


def test_the_pose_network_in_its_place_is_refused(tmp_path):
    network = open_network(pose_onnx(tmp_path / "dw-ll.onnx"), "cpu", SIZE)
    with pytest.raises(
        CheckpointError,
        match=r"dw-ll.onnx: gives \(\?, 133, 96\) and \(\?, 133, 128\), a YOLOX of this size "
        r"gives \(N, 62, 85\)\. As person detector choose yolox_l",
    ):
        PersonDetector(network)


def test_other_numbers_of_boxes_are_refused():
    with pytest.raises(CheckpointError, match=r"a YOLOX of this size gives \(N, 84, 85\)"):
        PersonDetector(GivenNetwork(nobody(83)))
    unsaid = GivenNetwork(nobody(83))
    unsaid.outputs = [(None, None, None)]
    with pytest.raises(NetworkError, match=r"given.onnx: gave \(1, 83, 85\), needed \(N, 84, 85\)"):
        PersonDetector(unsaid).find([np.zeros((64, 64, 3), np.uint8)])
