"""CMP in the real ComfyUI: its loader, its field, and what the preview makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from dispose_core.media.image import read_image
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses
from tests.rule_weights import rule_state
from tests.tiny_nets import manifest

from .client import NodeError, PromptRejected

WORKFLOW = Path(__file__).parents[2] / "workflows" / "api" / "motion_preview.json"
NAME = "cmp.safetensors"


@pytest.fixture
def job(comfy, server, assets, tmp_path) -> dict:
    """The shipped workflow at 128×192 with two driving poses, its motion spread by CMP."""
    path = server.base / "models" / "dispose" / NAME
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        state = rule_state(manifest("cmp", "module."), "module.", 1.25)
        save_file({key: value.half() for key, value in state.items()}, path)
    (poses,) = load_poses(assets / "poses" / "driving.json")[0]
    save_openpose(tmp_path / "two.json", [poses[[24, 48]]])
    graph = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    graph["2"]["inputs"]["resolution"] = 128
    graph["4"]["inputs"]["file"] = comfy.upload(tmp_path / "two.json")
    graph["cmp"] = {"class_type": "DisPoseCMPLoader", "inputs": {"file": NAME}}
    graph["6"]["inputs"]["cmp"] = ["cmp", 0]
    for node, (source, output) in {"field": ("6", 1), "preview": ("7", 0)}.items():
        graph[node] = {"class_type": "PreviewImage", "inputs": {"images": [source, output]}}
    graph["report"] = {"class_type": "PreviewAny", "inputs": {"source": ["6", 2]}}
    return graph


def test_cmp_spreads_the_motion_and_the_preview_shows_it(comfy, server, job, tmp_path):
    frame = comfy.run(job, timeout=300)

    assert frame["outputs"]["report"]["text"][0].endswith("CMP: saw the whole image")
    field, previews = comfy.files(frame, "field"), comfy.files(frame, "preview")
    assert len(field) == 3 and len(previews) == 2  # the reference's frame too
    still, moved = (read_image(comfy.download(file, tmp_path)) for file in field[:2])
    assert still.shape == (3, 192, 256)  # colours beside arrows, each 128×192
    assert still[:, :128, :100].min() > 0.99 > moved[:, :128, :100].min()  # white does not move
    assert len(read_image(comfy.download(previews[0], tmp_path)).unique()) > 100
    assert "Requested to load CmpNetwork" in server.log()  # ComfyUI counts it


def test_a_missing_and_a_wrong_file_are_named(comfy, server, job):
    job["cmp"]["inputs"]["file"] = "nothing.pth"
    with pytest.raises((PromptRejected, NodeError), match=r"nothing\.pth: not found in"):
        comfy.run(job)
    (server.base / "models" / "dispose" / "empty.pth").touch()
    job["cmp"]["inputs"]["file"] = "empty.pth"
    with pytest.raises(NodeError, match=r"empty\.pth: the file is empty"):
        comfy.run(job)
