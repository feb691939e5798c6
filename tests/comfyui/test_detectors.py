"""The detectors of the real ComfyUI, with tiny networks in its models folder."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dispose_core.pose.detectors.dwpose import simcc
from dispose_core.pose.pose_files import load_poses
from tests.onnx_files import person_onnx, person_torchscript, pose_onnx, pose_torchscript

from .client import NodeError, PromptRejected


@pytest.fixture
def folder(server):
    """`models/detection`, empty."""
    folder = server.base / "models" / "detection"
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    return folder


@pytest.fixture
def job(comfy, tmp_path) -> dict:
    """Two people, one white square of 8×8 each, found and saved."""
    pixels = np.zeros((640, 640, 3), np.uint8)
    pixels[160:168, 320:328] = pixels[400:408, 80:88] = 255
    Image.fromarray(pixels).save(tmp_path / "couple.png")
    return {
        "1": {
            "class_type": "LoadImage",
            "inputs": {"image": comfy.upload(tmp_path / "couple.png")},
        },
        "2": {
            "class_type": "DisPosePoseDetectorLoader",
            "inputs": {
                "backend": "dwpose",
                "person_detector": "yolox_l.onnx",
                "pose_network": "dw-ll_ucoco_384.onnx",
                "smoothing": True,
            },
        },
        "3": {
            "class_type": "DisPosePoseExtract",
            "inputs": {
                "images": ["1", 0],
                "detector": ["2", 0],
                "hands": True,
                "face": True,
                "threshold": 0.3,
                "person": "largest",
                "index": 0,
                "x": 0.5,
                "y": 0.5,
                "frame": 0,
            },
        },
        "4": {
            "class_type": "DisPoseSavePoses",
            "inputs": {"poses": ["3", 0], "filename_prefix": "poses/detected"},
        },
    }


@pytest.mark.parametrize("kind", ["onnx", "torchscript", "renamed"])
def test_dwpose_finds_everybody(comfy, server, folder, job, kind):
    if kind == "onnx":
        person_onnx(folder / "yolox_l.onnx", (640, 640))
        pose_onnx(folder / "dw-ll_ucoco_384.onnx")
    elif kind == "renamed":
        # Beside a file of ComfyUI's own detectors, for which it registers the folder.
        (folder / "face_detector.safetensors").touch()
        person_onnx(folder / "my person.onnx", (640, 640))
        pose_onnx(folder / "pose.onnx")
        job["2"]["inputs"].update(person_detector="my person.onnx", pose_network="pose.onnx")
    else:
        names = ("yolox_l.torchscript.pt", "dw-ll_ucoco_384_bs5.torchscript.pt")
        person_torchscript(folder / names[0])
        pose_torchscript(folder / names[1], simcc.SIZE, batch=5)
        job["2"]["inputs"].update(person_detector=names[0], pose_network=names[1])

    frame = comfy.run(job)
    name = frame["outputs"]["4"]["text"][0].removesuffix(" [output]")

    people = load_poses(server.base / "output" / name)[0]
    found = sorted((person.body[0, 0] * 640).tolist() for person in people)
    assert np.abs(np.array(found) - [[80, 400], [320, 160]]).max() < 2
    assert json.dumps(frame["status"]).count("execution_success") == 1


def test_mediapipe_needs_one_file_and_no_choice(
    comfy, server, folder, job, assets, mediapipe_models
):
    """The combos name files of another backend that are not there, as in a new graph."""
    (file,) = (mediapipe_models / "detection").glob("mediapipe-*.whl")
    shutil.copy(file, folder)
    job["1"]["inputs"]["image"] = comfy.upload(assets / "reference.png")
    job["2"]["inputs"]["backend"] = "mediapipe"
    chosen = {"person": "largest", "index": 0, "x": 0.5, "y": 0.5, "frame": 0}
    job |= {
        "5": {
            "class_type": "DisPosePersonMask",
            "inputs": {"images": ["1", 0], "detector": ["2", 0], **chosen},
        },
        "6": {"class_type": "MaskToImage", "inputs": {"mask": ["5", 0]}},
        "7": {
            "class_type": "SaveImage",
            "inputs": {"images": ["6", 0], "filename_prefix": "person_mask"},
        },
    }

    outputs = comfy.run(job)["outputs"]

    name = outputs["4"]["text"][0].removesuffix(" [output]")
    (person,) = load_poses(server.base / "output" / name)[0]
    truth = np.load(assets / "ground_truth.npz")
    assert person.body_visible.all() and (person.hands_scores > 0).all()
    nose, neck = person.body[0, :2] * (576, 1024)
    assert abs(nose[0] - 288) < 12 and 250 < nose[1] < neck[1] < 400
    image = Image.open(server.base / "output" / outputs["7"]["images"][0]["filename"])
    mask = np.asarray(image.convert("L")) / 255
    real = truth["person_mask"][0].astype(bool)
    found = mask[::2, ::2] > 0.5
    assert (found & real).sum() / (found | real).sum() > 0.85  # intersection over union


def test_the_combos_list_what_is_there(comfy, folder):
    person_onnx(folder / "my_yolox.onnx")
    inputs = comfy.object_info("DisPosePoseDetectorLoader")["DisPosePoseDetectorLoader"]["input"]
    assert inputs["required"]["backend"][1]["default"] == "dwpose"
    for combo in ("person_detector", "pose_network"):
        assert inputs["optional"][combo][1]["options"] == ["my_yolox.onnx"]


def test_a_missing_file_is_told_before_the_run(comfy, folder, job):
    with pytest.raises(PromptRejected, match=r"yolox_l.onnx or .*: not found in .*yzd-v/DWPose"):
        comfy.queue(job)


def test_swapped_files_are_told_apart(comfy, folder, job):
    person_onnx(folder / "dw-ll_ucoco_384.onnx")
    pose_onnx(folder / "yolox_l.onnx")
    with pytest.raises(
        NodeError, match=r"CheckpointError: yolox_l.onnx: gives .* As person detect"
    ):
        comfy.run(job)
