"""The whole DWPose detector on tiny networks that find what is bright."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pytest import approx

from dispose_core.errors import CheckpointError, PoseError
from dispose_core.pose.detect import extract_poses
from dispose_core.pose.detectors.dwpose import simcc
from dispose_core.pose.detectors.registry import create_detector, detector_from_folder
from tests import onnx_files as tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both networks under their published names."""
    folder = tmp_path_factory.mktemp("detection")
    tiny.person_onnx(folder / "yolox_l.onnx")
    tiny.pose_onnx(folder / "dw-ll_ucoco_384.onnx")
    tiny.person_torchscript(folder / "yolox_l.torchscript.pt")
    name = "dw-ll_ucoco_384_bs5.torchscript.pt"
    tiny.pose_torchscript(folder / name, simcc.SIZE, batch=5)
    return folder


@pytest.fixture(scope="module")
def detector(folder):
    return detector_from_folder("dwpose", folder, "cpu")


def image(*people: tuple[int, int], size=(64, 64), brightness=255) -> np.ndarray:
    """A white cell of 8×8 at each (column, row)."""
    single = np.zeros((*size, 3), np.uint8)
    for column, row in people:
        single[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = brightness
    return single


def centres(pose, frame: int) -> list[float]:
    """(x, y) of the nose in cells."""
    return (pose.points[frame, 0] * 8).tolist()


def test_everybody_is_found_where_they_are(detector):
    frames = [image((1, 1), (6, 2)), image((2, 1)), image((3, 1), (6, 2), (1, 6))]
    people = detector.detect(frames)

    assert [person.present.tolist() for person in people] == [
        [True, True, True],
        [True, False, True],
        [False, False, True],
    ]
    assert people[0].canvas == (64, 64)
    # The networks point at the first bright pixel, of 48 columns for the 20 of a crop.
    assert centres(people[0], 1) == approx([2, 1], abs=0.1)
    found = sorted(centres(person, 2) for person in people)
    assert found == [approx(at, abs=0.1) for at in ([1, 6], [3, 1], [6, 2])]
    # All 128 points are there: white is 1, and half of it for the last of the 133.
    assert (people[0].scores[1] > 0.4).all() and people[0].scores[1, 0] == approx(1, abs=0.01)


def test_people_come_by_falling_score(detector):
    single = image((1, 1))
    single += image((5, 5), brightness=230)
    single += image((1, 5), brightness=240)

    people = detector.detect([single])

    assert [centres(person, 0) for person in people] == [
        approx(at, abs=0.1) for at in ([1, 1], [1, 5], [5, 5])
    ]


def test_torchscript_finds_the_same_points_as_onnx(folder, detector):
    other = create_detector(
        "dwpose",
        person_file=folder / "yolox_l.torchscript.pt",
        pose_file=folder / "dw-ll_ucoco_384_bs5.torchscript.pt",
    )
    # YOLOX's TorchScript is shown 640×640: a cell of it is a white square of 8 in 640.
    frames = [np.kron(image((1, 1), (6, 2)), np.ones((10, 10, 1), np.uint8))] * 3
    frames[1] = np.zeros_like(frames[0])
    for frame in frames[::2]:
        frame[:, :, :] = 0
        frame[160:168, 320:328] = 255
        frame[400:408, 80:88] = 255
    people = other.detect(frames)

    assert other.poses.network.batch == 5  # five people of three frames: one run
    assert [person.body_visible.any(-1).tolist() for person in people] == [[True, False, True]] * 2
    for person in people:
        at = person.points[0, 0] * 640
        assert min(np.abs(at - (320, 160)).max(), np.abs(at - (80, 400)).max()) < 1.5


def test_a_frame_without_anybody_is_looked_at_as_a_whole_and_counts_as_empty(detector):
    people, report = extract_poses(detector, [image((1, 1)), image(), image((2, 2))], name="clip")

    assert people[0].body_visible.any(-1).tolist() == [True, False, True]
    assert report[0] == "dwpose: one person found in 2 of 3 frames"
    assert "frame 1: no person found" in report[1]


def test_nobody_at_all_is_an_error_with_the_best_score(detector):
    with pytest.raises(PoseError, match=r"clip \(64×64\): no person found in frames 0–2 \(best"):
        extract_poses(detector, [image()] * 3, name="clip")


def test_twenty_people_are_kept_apart(detector):
    everybody = [(2 * i % 8, 2 * (2 * i // 8)) for i in range(16)] + [
        (1, 7),
        (3, 7),
        (5, 7),
        (7, 7),
    ]

    people = detector.detect([image(*everybody)])

    assert len(people) == 20
    found = {tuple(np.round(centres(person, 0)).astype(int)) for person in people}
    assert found <= {(c + i, r + j) for c, r in everybody for i in (0, 1) for j in (0, 1)}


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2)])
def test_images_of_a_few_pixels_are_searched(detector, size):
    (person, *_) = detector.detect([np.full((*size, 3), 20, np.uint8)])
    assert person.canvas == size and not person.body_visible.any()


def test_an_empty_clip_is_refused(detector):
    with pytest.raises(PoseError, match="no frame in the clip"):
        detector.detect([])


def test_frames_are_counted_as_they_are_done_and_few_are_held(detector):
    taken, ticks = [], []

    def video():
        for i in range(12):
            taken.append(i)
            yield image((i % 8, 1), (i % 8, 5))

    detector.detect(video(), 12, on_frame=lambda *at: ticks.append((len(taken), *at)))

    assert [tick[1:] for tick in ticks] == [(i + 1, 12) for i in range(12)]
    assert all(read - done <= 2 for read, done, _ in ticks)


def test_a_cancelled_run_leaves_the_detector_usable(detector):
    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        detector.detect([image((1, 1))] * 3, on_frame=cancel)
    assert detector.detect([image((1, 1))])[0].present.all()


def test_scores_above_one_are_one(detector, monkeypatch):
    run = detector.poses.network.run
    monkeypatch.setattr(detector.poses.network, "run", lambda crops: [3 * o for o in run(crops)])
    assert detector.detect([image((1, 1))])[0].scores.max() == 1.0


def test_swapped_files_are_refused(folder):
    yolox, dwpose = folder / "yolox_l.onnx", folder / "dw-ll_ucoco_384.onnx"
    with pytest.raises(CheckpointError, match=r"dw-ll_ucoco_384.onnx: .* As person detector choo"):
        create_detector("dwpose", person_file=dwpose, pose_file=yolox)
    with pytest.raises(CheckpointError, match=r"yolox_l.onnx: gives .* As pose network choose dw"):
        create_detector("dwpose", person_file=yolox, pose_file=yolox)
    script = folder / "yolox_l.torchscript.pt"
    with pytest.raises(CheckpointError, match=r"yolox_l.torchscript.pt: gives .* As pose network"):
        create_detector("dwpose", person_file=yolox, pose_file=script)


def test_a_folder_without_the_files_says_which_and_where_from(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"yolox_l.onnx or yolox_l.torchscript.pt [\s\S]*yzd-v/DWPose"
    ):
        detector_from_folder("dwpose", tmp_path, "cpu")


def test_onnx_needs_no_package_beyond_the_packs_own(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    detector = detector_from_folder("dwpose", folder, "cpu")
    assert detector.detect([image((1, 1))])[0].present.all()
