"""Pose Detector Loader: which files it offers, what it makes of them, what it refuses."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from tests.onnx_files import person_onnx, pose_onnx


@pytest.fixture
def detection(pack, tmp_path, monkeypatch):
    """The only place where ComfyUI looks for detectors."""
    import folder_paths

    folder = tmp_path / "detection"
    folder.mkdir()
    places = {**folder_paths.folder_names_and_paths, "detection": ([str(folder)], set())}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", places)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    return folder


@pytest.fixture
def node(pack):
    return pack["DisPosePoseDetectorLoader"]


def options(node) -> dict[str, list[str]]:
    return {part.id: part.options for part in node.GET_SCHEMA().inputs if hasattr(part, "options")}


def test_dwpose_is_the_default_and_lists_the_files_that_are_there(node, detection):
    backend = node.GET_SCHEMA().inputs[0]
    assert backend.default == "dwpose" and backend.options == ["dwpose", "openpose", "mediapipe"]
    person_onnx(detection / "yolox_l.onnx")
    pose_onnx(detection / "dw-ll_ucoco_384.onnx")
    combos = options(node)
    assert combos["person_detector"][0] == "yolox_l.onnx"
    assert combos["pose_network"][0] == "dw-ll_ucoco_384.onnx"


def test_people_are_found_with_files_of_the_folder(run, detection):
    person_onnx(detection / "yolox_l.onnx")
    pose_onnx(detection / "dw-ll_ucoco_384.onnx")
    (detector,) = run("DisPosePoseDetectorLoader")
    images = torch.zeros(2, 64, 64, 3)
    images[:, 8:16, 16:24] = 1
    found, skeletons, report = run("DisPosePoseExtract", images=images, detector=detector)
    assert [len(frame["people"]) for frame in found] == [1, 1]
    nose = np.array(found[0]["people"][0]["pose_keypoints_2d"][:2])
    assert np.abs(nose - (16, 8)).max() < 1
    assert skeletons.shape == images.shape and "dwpose: one person" in report


def test_a_graph_that_names_the_other_published_files_takes_those_that_are_there(run, detection):
    person_onnx(detection / "yolox_l.onnx")
    pose_onnx(detection / "dw-ll_ucoco_384.onnx")
    (detector,) = run(
        "DisPosePoseDetectorLoader",
        person_detector="yolox_l.torchscript.pt",
        pose_network="dw-ll_ucoco_384_bs5.torchscript.pt",
    )
    assert detector.name == "dwpose"


def test_a_missing_file_matters_to_the_backend_that_needs_it_alone(node, detection):
    first, second = node.validate_inputs(backend="dwpose").splitlines()
    assert first.startswith(
        "yolox_l.onnx or yolox_l.torchscript.pt: not found in models/detection. "
    )
    assert second.startswith(
        "dw-ll_ucoco_384.onnx or dw-ll_ucoco_384_bs5.torchscript.pt: not found in models/"
    )
    assert "yzd-v/DWPose" in first and "yzd-v/DWPose" in second
    person_onnx(detection / "yolox_l.onnx")
    assert node.validate_inputs(backend="dwpose") == second
    lines = node.validate_inputs(backend="openpose").splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "body_pose_model.pth", "hand_pose_model.pth", "facenet.pth",
    ]  # fmt: skip
    assert all("lllyasviel/Annotators" in line for line in lines)
    message = node.validate_inputs(backend="mediapipe")
    assert message.startswith("mediapipe-0.10.21") and "models --download mediapipe" in message
    assert "Choose one of: dwpose" in node.validate_inputs(backend="gone")


def test_a_file_of_another_name_may_fill_a_role(node, detection):
    person_onnx(detection / "mine.onnx")
    assert node.validate_inputs(backend="dwpose") is True
    # ComfyUI's own detectors are in the same folder.
    (detection / "mine.onnx").rename(detection / "face_detector.safetensors")
    assert len(node.validate_inputs(backend="dwpose").splitlines()) == 2


def test_a_missing_file_is_an_error_when_it_is_run(run, detection):
    with pytest.raises(Exception, match=r"yolox_l.onnx or .*: not found in .*detection"):
        run("DisPosePoseDetectorLoader", person_detector="yolox_l.onnx")
    with pytest.raises(Exception, match=r"body_pose_model.pth: not found in .*detection"):
        run("DisPosePoseDetectorLoader", backend="openpose")


def test_swapped_files_are_told_apart(run, detection):
    person_onnx(detection / "a.onnx")
    pose_onnx(detection / "b.onnx")
    with pytest.raises(Exception, match=r"b.onnx: gives .* As person detector choose yolox_l"):
        run("DisPosePoseDetectorLoader", person_detector="b.onnx", pose_network="a.onnx")


def test_an_unknown_backend_is_refused(run, detection):
    with pytest.raises(Exception, match=r"'yolo' is not known"):
        run("DisPosePoseDetectorLoader", backend="yolo")


def test_openpose_without_its_package_says_how_to_get_it(run, detection, monkeypatch):
    monkeypatch.setitem(sys.modules, "controlnet_aux.open_pose", None)
    for name in ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth"):
        (detection / name).write_bytes(b"")
    with pytest.raises(Exception, match=r"pip install controlnet-aux"):
        run("DisPosePoseDetectorLoader", backend="openpose")
