"""OpenPose through controlnet_aux: a stand-in of its interface, and the real one where it is."""

from __future__ import annotations

import importlib.metadata
import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from pytest import approx

from dispose_core.errors import CheckpointError, MissingPackage, PoseError
from dispose_core.pose.detectors.registry import create_detector, detector_from_folder

IMAGE = np.zeros((200, 100, 3), np.uint8)


def joint(x: float, y: float, score: float = 1.0) -> SimpleNamespace:
    return SimpleNamespace(x=x, y=y, score=score)


class Network:
    """What Body, Hand and Face have in common."""

    def __init__(self, file) -> None:
        self.weights = torch.load(file, weights_only=True)  # the constructor's own reading
        self.device = None


class Body(Network):
    found: list = []  # noqa: RUF012 - what the next image shows, set by the tests

    def __call__(self, image):
        self.seen = image
        return self.found, None

    @staticmethod
    def format_body_result(candidate, subset):
        return list(candidate)


class Face(Network):
    def compute_peaks_from_heatmaps(self, heatmaps):
        raise AssertionError("its list leaves points out")


class OpenposeDetector:
    def __init__(self, body_estimation, hand_estimation, face_estimation) -> None:
        self.body_estimation, self.face_estimation = body_estimation, face_estimation
        self.places: list[str] = []

    def to(self, device) -> None:
        self.places.append(device)

    def detect_hands(self, body, image):
        return body.hands

    def detect_face(self, body, image):
        return body.face


@pytest.fixture
def package(monkeypatch):
    """controlnet_aux 0.0.10, as far as it is used."""
    parts = {
        "controlnet_aux": {},
        "controlnet_aux.open_pose": {"OpenposeDetector": OpenposeDetector},
        "controlnet_aux.open_pose.body": {"Body": Body},
        "controlnet_aux.open_pose.hand": {"Hand": Network},
        "controlnet_aux.open_pose.face": {"Face": Face},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        vars(module).update(content, __path__=[])
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(Body, "found", [])


def write_files(folder, body=19, hand=22, face=71) -> None:
    for name, key, maps in (
        ("body_pose_model.pth", "Mconv7_stage6_L2.weight", body),
        ("hand_pose_model.pth", "Mconv7_stage6.weight", hand),
        ("facenet.pth", "Mconv7_stage6.weight", face),
    ):
        torch.save({key: torch.full((maps, 128, 1, 1), float(maps))}, folder / name)


@pytest.fixture
def detector(package, tmp_path):
    write_files(tmp_path)
    return detector_from_folder("openpose", tmp_path, "cuda:1")


def person(at: float, score: float, **parts) -> SimpleNamespace:
    """Somebody whose nose and left ear alone were found."""
    points = [joint(at, 2 * at, 0.4), *[None] * 16, joint(at + 10, at, 1.3)]
    return SimpleNamespace(
        keypoints=points, total_score=score, **{"hands": (None, None), "face": None, **parts}
    )


def test_body_points_keep_the_score_of_their_peak(detector):
    Body.found = [person(20, 5.0)]
    (found,) = detector.detect([IMAGE])
    assert found.body[0, [0, 17]].tolist() == [approx([0.2, 0.2]), approx([0.3, 0.1])]
    assert found.body_scores[0, [0, 17]].tolist() == [0.4, 1.0]
    assert found.body_scores[0, 1:17].max() == 0


def test_people_come_by_falling_score_and_may_come_and_go(detector):
    frames = iter([[person(10, 1.0), person(50, 2.0)], [], [person(30, 1.0)]])

    def video():
        for found in frames:
            Body.found = found
            yield IMAGE

    ticks = []
    people = detector.detect(video(), 3, on_frame=lambda *at: ticks.append(at))
    assert [pose.present.tolist() for pose in people] == [[True, False, True], [True, False, False]]
    assert [pose.body[0, 0, 0] for pose in people] == [0.5, 0.1]
    assert ticks == [(1, 3), (2, 3), (3, 3)]


def test_nobody_is_one_empty_sequence(detector):
    (found,) = detector.detect([IMAGE])
    assert len(found) == 1 and not found.present.any()


def test_hands_and_face_are_read_and_what_was_not_found_is_missing(detector):
    left = [joint(i / 100, 0.5) for i in range(21)]
    left[4] = joint(-0.01, -0.005)  # at minus one pixel
    face = [joint(0.5, i / 100) for i in range(71)]
    Body.found = [person(20, 5.0, hands=(left, None), face=face)]
    (found,) = detector.detect([IMAGE])
    assert found.hands_scores[0].sum(-1).tolist() == [20, 0]
    assert found.hands_scores[0, 0, 4] == 0 and found.hands[0, 0, 7].tolist() == [0.07, 0.5]
    assert found.face_scores.sum() == 68 and found.face[0, 67].tolist() == [0.5, 0.67]


def test_a_face_that_lacks_points_keeps_the_others_in_their_places(detector):
    maps = np.zeros((71, 4, 5), np.float32)
    maps[3, 2, 1], maps[5, 1, 4], maps[6, 1, 4] = 0.9, 0.051, 0.05
    peaks = detector._detector.face_estimation.compute_peaks_from_heatmaps(maps)
    assert peaks.shape == (71, 2)
    assert {i: peaks[i].tolist() for i in np.flatnonzero(peaks.any(1))} == {3: [1, 2], 5: [4, 1]}


def test_the_network_sees_blue_first_as_it_was_trained(detector):
    image = IMAGE.copy()
    image[..., 0] = 200  # red
    detector.detect([image])
    assert detector._detector.body_estimation.seen[0, 0].tolist() == [0, 0, 200]


def test_it_is_on_its_device_only_while_it_is_used(detector):
    assert detector._detector.places == []
    detector.detect([IMAGE])
    assert detector._detector.places == ["cuda:1", "cpu"]


@pytest.mark.parametrize("size", [(1, 300), (300, 1)])
def test_a_strip_is_refused_before_it_costs_hours(detector, size):
    with pytest.raises(PoseError, match=r"more than 8 times as long one way"):
        detector.detect([np.zeros((*size, 3), np.uint8)])


def test_the_packages_reader_is_given_tensors_alone(package, tmp_path):
    """Its own torch.load unpickles; ours refuses code and hands on what is left."""
    write_files(tmp_path)

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "was_run"), "w"))

    torch.save({"Mconv7_stage6.weight": torch.zeros(71), "x": Evil()}, tmp_path / "facenet.pth")
    with pytest.raises(CheckpointError, match=r"facenet.pth: "):
        detector_from_folder("openpose", tmp_path, "cpu")
    assert not (tmp_path / "was_run").exists()


def test_swapped_files_are_told_apart(package, tmp_path):
    write_files(tmp_path, hand=71, face=22)
    with pytest.raises(
        CheckpointError,
        match=r"hand_pose_model.pth: this is OpenPose's face network, needed OpenPose's hand",
    ):
        detector_from_folder("openpose", tmp_path, "cpu")
    write_files(tmp_path, body=7)
    with pytest.raises(
        CheckpointError, match=r"body_pose_model.pth: this is a file with Mconv7_st"
    ):
        detector_from_folder("openpose", tmp_path, "cpu")


def test_a_missing_file_is_named_with_where_it_is(package, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"needs 3 files[\s\S]*body_pose_model.pth .*Annotators"
    ):
        detector_from_folder("openpose", tmp_path, "cpu")


def test_without_the_package_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "controlnet_aux", None)
    monkeypatch.setitem(sys.modules, "controlnet_aux.open_pose", None)
    with pytest.raises(MissingPackage, match=r"pip install controlnet-aux"):
        create_detector("openpose", body_file="b", hand_file="h", face_file="f")


def test_another_version_of_the_package_is_refused(package, monkeypatch, tmp_path):
    monkeypatch.delattr(OpenposeDetector, "detect_face")
    write_files(tmp_path)
    with pytest.raises(MissingPackage, match=r"no OpenposeDetector.detect_face.*0.0.10 is known"):
        detector_from_folder("openpose", tmp_path, "cpu")


def _usable() -> bool:
    try:
        importlib.metadata.version("controlnet-aux")
    except importlib.metadata.PackageNotFoundError:
        return False
    return find_spec("torchvision") is not None and find_spec("timm") is not None


@pytest.mark.slow
@pytest.mark.skipif(not _usable(), reason="controlnet-aux, torchvision and timm are not installed")
def test_the_real_package_runs_with_random_weights(tmp_path):
    from controlnet_aux.open_pose.face import FaceNet
    from controlnet_aux.open_pose.model import bodypose_model, handpose_model

    def published(model) -> dict:
        return {key.partition(".")[2]: value for key, value in model.state_dict().items()}

    torch.save(published(bodypose_model()), tmp_path / "body_pose_model.pth")
    torch.save(published(handpose_model()), tmp_path / "hand_pose_model.pth")
    torch.save(FaceNet().state_dict(), tmp_path / "facenet.pth")
    detector = detector_from_folder("openpose", tmp_path, "cpu")
    assert len(detector.detect([np.zeros((64, 48, 3), np.uint8)])[0]) == 1
