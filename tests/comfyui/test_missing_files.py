"""What a fresh installation is told by the shipped workflows: each missing file, once."""

from __future__ import annotations

import json

import pytest
import requests

from .client import PATIENCE
from .running import PACK

FILES = {
    "DisPoseControlNetLoader": [("file", ["DisPose.pth: not found in models/controlnet. "])],
    "DisPoseMimicMotionLoader": [
        ("file", ["MimicMotion_1-1.pth: not found in models/diffusion_models. "])
    ],
    "DisPosePoseDetectorLoader": [
        (
            "backend",
            [
                "yolox_l.onnx or yolox_l.torchscript.pt: not found in models/detection. ",
                "dw-ll_ucoco_384.onnx or dw-ll_ucoco_384_bs5.torchscript.pt: not found in models/",
            ],
        )
    ],
}


@pytest.mark.parametrize("name", ["animate", "animate_simple", "compare_branches"])
def test_each_missing_file_is_told_once_with_its_folder(comfy, server, name):
    for file in (server.base / "models").glob("detection/*"):
        file.unlink()
    prompt = json.loads((PACK / "workflows" / "api" / f"{name}.json").read_text())

    body = {"prompt": prompt, "client_id": comfy.id}
    reply = requests.post(f"{comfy.url}/prompt", json=body, timeout=PATIENCE).json()

    told = {}
    for node in reply["node_errors"].values():
        if node["class_type"].startswith("DisPose"):
            told[node["class_type"]] = [
                (error["extra_info"]["input_name"], error["details"].partition(" - ")[2])
                for error in node["errors"]
            ]
    assert sorted(told) == sorted(FILES)
    for kind, errors in told.items():
        assert [where for where, _ in errors] == [where for where, _ in FILES[kind]]
        for (_, text), (_, starts) in zip(errors, FILES[kind], strict=True):
            assert all(map(str.startswith, text.splitlines(), starts))
            assert len(text.splitlines()) == len(starts)
            assert all("https://" in line for line in text.splitlines())


def test_a_detector_that_needs_no_dwpose_is_not_stopped_by_its_files(comfy, server):
    """The combos of a saved graph name DWPose's files, whichever backend it uses."""
    for file in (server.base / "models").glob("detection/*"):
        file.unlink()
    loader = {
        "class_type": "DisPosePoseDetectorLoader",
        "inputs": {
            "backend": "mediapipe",
            "person_detector": "yolox_l.torchscript.pt",
            "pose_network": "dw-ll_ucoco_384_bs5.torchscript.pt",
            "smoothing": True,
        },
    }
    image = {
        "class_type": "EmptyImage",
        "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0},
    }
    extract = {
        "class_type": "DisPosePersonMask",
        "inputs": {
            **{"images": ["image", 0], "detector": ["loader", 0], "person": "largest"},
            **{"index": 0, "x": 0.5, "y": 0.5, "frame": 0},
        },
    }
    shown = {"class_type": "PreviewAny", "inputs": {"source": ["mask", 1]}}
    prompt = {"loader": loader, "image": image, "mask": extract, "shown": shown}

    body = {"prompt": prompt, "client_id": comfy.id}
    reply = requests.post(f"{comfy.url}/prompt", json=body, timeout=PATIENCE).json()

    ((name, node),) = reply["node_errors"].items()
    (error,) = node["errors"]
    assert name == "loader" and error["extra_info"]["input_name"] == "backend"
    assert "models --download mediapipe" in error["details"]
    assert "yolox" not in error["details"]
