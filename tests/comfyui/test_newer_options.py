"""What newer versions of ComfyUI know of our nodes, and that older ones load them all the same."""

from __future__ import annotations

import pytest
import requests

from .client import PATIENCE
from .tiny_graph import node

RARE = {
    "DisPoseApplyControlNet": {"start", "end"},
    "DisPoseApplyPoseGuidance": {"start", "end"},
    "DisPoseConditioning": {"fps", "motion_bucket", "augmentation", "augmentation_seed"},
    "DisPoseControlNetLoader": {"dtype"},
    "DisPoseDecode": {"chunk"},
    "DisPoseKeypointFeatures": {"timestep", "ensemble", "seed"},
    "DisPoseLoadPoses": {"width", "height"},
    "DisPoseMimicMotionLoader": {"dtype"},
    "DisPosePoseAlign": {"max_gap"},
    "DisPosePoseRender": {"width", "height"},
    "DisPoseSavePoses": {"binary_confidence"},
}
WITH_VIEW = {
    "DisPoseKeypointFeatures",
    "DisPoseMotionField",
    "DisPoseMotionPreview",
    "DisPosePoseEditor",
}


@pytest.fixture
def ours(comfy) -> dict:
    return {name: i for name, i in comfy.object_info().items() if name.startswith("DisPose")}


def test_rare_inputs_are_advanced_where_comfyui_knows_the_word(comfy, ours):
    found = {}
    for name, info in ours.items():
        inputs = {k: v for part in info["input"].values() for k, v in part.items()}
        rare = {k for k, v in inputs.items() if len(v) > 1 and v[1].get("advanced")}
        if rare:
            found[name] = rare

    (own,) = comfy.object_info("UNETLoader").values()
    known = len(own["input"]["required"]["weight_dtype"]) > 1
    assert found == (RARE if known else {})


def test_nodes_with_a_view_are_output_nodes_and_say_that_it_can_be_sent_again(comfy, ours):
    assert all(ours[name]["output_node"] for name in WITH_VIEW)
    (own,) = comfy.object_info("UNETLoader").values()
    known = "has_intermediate_output" in own
    told = {name for name, info in ours.items() if info.get("has_intermediate_output")}
    assert told == (WITH_VIEW if known else set())


def test_a_graph_may_end_in_the_editor(comfy):
    prompt = {
        "load": node("DisPoseLoadPoses", file="reference.json [sample]"),
        "edit": node("DisPosePoseEditor", poses=["load", 0], edits=""),
    }
    assert "dispose_pose_editor" in comfy.run(prompt)["outputs"]["edit"]


def test_the_editors_view_is_sent_again_by_a_run_of_another_branch(comfy):
    (own,) = comfy.object_info("UNETLoader").values()
    if "has_intermediate_output" not in own:
        pytest.skip("this ComfyUI does not send the views of nodes that a run does not visit")
    prompt = {
        "load": node("DisPoseLoadPoses", file="driving.json [sample]"),
        "edit": node("DisPosePoseEditor", poses=["load", 0], edits=""),
        "frames": node("PreviewAny", source=["load", 1]),
    }
    first = comfy.run(prompt)["outputs"]["edit"]
    body = {"prompt": prompt, "client_id": comfy.id, "partial_execution_targets": ["frames"]}
    reply = requests.post(f"{comfy.url}/prompt", json=body, timeout=PATIENCE).json()

    assert comfy.wait(reply["prompt_id"])["outputs"]["edit"] == first
