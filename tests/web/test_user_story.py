"""From the template to the corrected animation, by mouse and keyboard, as a new user goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dispose_core.media.video_read import read_frames
from dispose_core.motion.field_file import load_field
from dispose_core.motion.motion_field import MotionField
from dispose_core.pose.pose_files import load_poses

from .page import command, drag, edits_text, frame_to, listeners, open_editor, place_of, reopen

RWRIST = 4
NAME = "my dance"


def dialog_of(front: Any) -> Any:
    return front.page.locator("[role=dialog], .p-dialog").last


def choose_template(front: Any, name: str) -> None:
    command(front, "Comfy.BrowseTemplates")
    dialog = dialog_of(front)
    dialog.get_by_text("DisPose-ComfyUI", exact=True).first.click()
    dialog.get_by_test_id(f"template-workflow-{name}").click()
    front.page.wait_for_function("() => app.graph.nodes.some(n => n.type === 'DisPosePrepare')")
    dialog.wait_for(state="detached")


def name_file(front: Any, name: str) -> None:
    """Answers the question for a file name."""
    field = dialog_of(front).locator("input").last
    field.fill(name)
    field.press("Enter")


def open_saved(front: Any, name: str) -> None:
    """Closes what is open and opens a workflow from the list at the side."""
    ours = "() => app.graph.nodes.some(n => n.type.startsWith('DisPose'))"
    front.page.wait_for_function(ours)  # what was open before comes back by itself
    front.page.wait_for_function(
        """name => {
            const open = app.extensionManager.workflow.activeWorkflow;
            return open?.filename === name && !open.isModified;
        }""",
        arg=name,
    )
    command(front, "Workspace.CloseWorkflow")
    front.page.wait_for_function(f"() => !({ours})()")
    front.page.keyboard.press("w")
    front.page.get_by_role("treeitem").get_by_text(name).last.click()
    front.page.wait_for_function(ours)


def set_widget(front: Any, kind: str, name: str, value: Any) -> None:
    front.page.evaluate(
        """([kind, name, value]) => {
            const node = app.graph.nodes.find(n => n.type === kind);
            const widget = node.widgets.find(w => w.name === name);
            widget.value = value;
            widget.callback?.(value);
        }""",
        [kind, name, value],
    )


def only(job: dict, kind: str) -> str:
    (found,) = (key for key, node in job.items() if node["class_type"] == kind)
    return found


def field_of(comfy, server, job: dict, name: str) -> MotionField:
    """The motion field of a job: of the run before when nothing of it has changed."""
    job = {key: node for key, node in job.items() if node["class_type"] != "SaveVideo"}
    source = [only(job, "DisPoseMotionField"), 0]
    inputs = {"motion_field": source, "name": name}
    job["record"] = {"class_type": "RecordMotionField", "inputs": inputs}
    comfy.run(job, timeout=300)
    return load_field(server.base / "output" / f"{name}.safetensors")


def wrist_places(field: MotionField, start: np.ndarray) -> np.ndarray:
    """(F+1, 2) where the field takes the image of the wrist, as shares of width and height."""
    height, width = field.size
    grid = torch.as_tensor(start * 2 - 1, dtype=torch.float32).expand(len(field), 1, 1, 2)
    flow = torch.nn.functional.grid_sample(field.flow(), grid, align_corners=False)
    return start + flow[:, :, 0, 0].numpy() / (width, height)


def test_a_wrist_is_corrected_and_the_motion_follows(front, comfy, server, assets, tmp_path):
    (given,) = load_poses(assets / "poses" / "driving.json")[0]
    (reference,) = load_poses(assets / "poses" / "reference.json")[0]
    choose_template(front, "1_motion_preview")
    assert front.missing_nodes() == []
    set_widget(front, "DisPosePrepare", "resolution", 128)  # quicker, otherwise the same
    dialog = open_editor(front)
    assert "Run the workflow once" in dialog.text_content()
    front.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")

    comfy.wait(front.run(), timeout=300)
    before = field_of(comfy, server, front.prompt(), "before")

    held = listeners(front)
    dialog = open_editor(front)
    assert listeners(front) > held
    for frame in (0, 8, 16):
        frame_to(front, frame)
        drag(front, place_of(dialog, given, frame, RWRIST), (-40, -60))
    front.page.keyboard.press("b")
    frame_to(front, 5)
    assert "frames 5–16" in dialog.locator(".dp-legend").text_content()
    frame_to(front, 0)
    front.page.keyboard.press("i")
    told = json.loads(edits_text(front))
    assert [edit["do"] for edit in told["edits"]] == ["move"] * 3 + ["interpolate"]
    assert told["edits"][3] == {"do": "interpolate", "frames": [0, 16], "points": "RWrist"}
    front.page.keyboard.press("Control+z")
    assert len(json.loads(edits_text(front))["edits"]) == 3
    front.page.keyboard.press("Control+Shift+Z")
    assert json.loads(edits_text(front)) == told
    dialog.get_by_role("button", name="Done").click()
    dialog.wait_for(state="detached")
    assert listeners(front) == held

    front.page.keyboard.press("Control+s")
    name_file(front, NAME)
    front.page.wait_for_function("() => !app.extensionManager.workflow.activeWorkflow.isModified")
    reopen(front)
    open_saved(front, NAME)
    assert json.loads(edits_text(front)) == told
    dialog = open_editor(front)  # the last run's files are still there
    assert dialog.locator(".dp-notice").text_content() == "4 edits"
    front.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")

    entry = comfy.wait(front.run(), timeout=300)
    with front.page.expect_download() as download:
        command(front, "Comfy.ExportWorkflowAPI")
        name_file(front, NAME)
    job = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert set(job[only(job, "DisPosePoseEditor")]["inputs"]) == {"poses", "pictures", "edits"}
    after = field_of(comfy, server, job, "after")
    # Entry n+1 is pose n. The wrist was dragged up and left, and is on a line in between.
    joint, joint_before = (f.trajectories.end[:, RWRIST].numpy() for f in (after, before))
    shift = np.array([edit["to"] for edit in told["edits"][:3]]) - given.points[[0, 8, 16], RWRIST]
    assert (shift < -0.02).all()
    scale = (joint - joint_before)[[1, 17]] / shift[[0, 2]]
    assert scale[0] == pytest.approx(scale[1], rel=0.02) and (abs(scale - 1) < 0.5).all()
    assert joint[9] == pytest.approx((joint[1] + joint[17]) / 2, abs=1e-4)
    start = reference.points[0, RWRIST]
    place = wrist_places(after, start)
    assert place[1:18] == pytest.approx(joint[1:18], abs=0.02)
    assert place[18:] == pytest.approx(wrist_places(before, start)[18:], abs=0.01)

    comfy._post("/free", json={"unload_models": True, "free_memory": True})
    (first,) = comfy.files(entry, only(job, "SaveVideo"))
    (again,) = comfy.files(comfy.run(job, timeout=300), only(job, "SaveVideo"))
    assert again["filename"] != first["filename"]
    videos = [np.stack(list(read_frames(comfy.download(f, tmp_path)))) for f in (first, again)]
    assert (videos[0] == videos[1]).all()
