"""The pose editor in ComfyUI's own page: keys, bad input, long clips, what it leaves behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses

from .page import edits_text, has_vue_nodes, listeners, open_editor, place_of, remove, use_vue_nodes


def widget(x: int, kind: str, inputs: list, outputs: list, values: list, node_id: int) -> dict:
    return {
        "id": node_id, "type": kind, "pos": [x, 120], "size": [320, 260], "flags": {},
        "order": node_id, "mode": 0, "inputs": inputs, "outputs": outputs,
        "properties": {}, "widgets_values": values,
    }  # fmt: skip


@pytest.fixture
def workflow(comfy, assets) -> dict[str, Any]:
    """Sample poses to Pose Editor over the sample image to Save Poses, as the page saves it."""
    nodes = [
        widget(20, "DisPoseLoadPoses", [],
               [{"name": "poses", "type": "POSE_KEYPOINT", "links": [1]}],
               ["driving.json [sample]"], 1),
        widget(20, "DisPoseSampleMedia", [],
               [{"name": "reference", "type": "IMAGE", "links": [2]}], [], 2),
        widget(400, "DisPosePoseEditor",
               [{"name": "poses", "type": "POSE_KEYPOINT", "link": 1},
                {"name": "pictures", "type": "IMAGE", "link": 2, "shape": 7}],
               [{"name": "edited_poses", "type": "POSE_KEYPOINT", "links": [3]}], [""], 3),
        widget(800, "DisPoseSavePoses",
               [{"name": "poses", "type": "POSE_KEYPOINT", "link": 3}], [], ["edited/poses"], 4),
    ]  # fmt: skip
    nodes[1]["pos"] = [20, 450]
    links = [[1, 1, 0, 3, 0, "POSE_KEYPOINT"], [2, 2, 0, 3, 1, "IMAGE"],
             [3, 3, 0, 4, 0, "POSE_KEYPOINT"]]  # fmt: skip
    return {"last_node_id": 4, "last_link_id": 3, "nodes": nodes, "links": links,
            "groups": [], "config": {}, "extra": {}, "version": 0.4}  # fmt: skip


def test_everything_has_a_key_and_nothing_reaches_the_graph_behind(front, comfy, workflow):
    front.load(workflow)
    comfy.wait(front.run())
    dialog = open_editor(front)
    keys = front.page.keyboard
    keys.press("?")
    assert "Interpolate between the ends" in dialog.locator(".dp-help").text_content()
    keys.press("Escape")
    hint = dialog.locator(".dp-hint")
    assert not hint.is_visible()
    keys.press("i")
    assert hint.is_visible() and hint.text_content().startswith("Mark a range first")
    keys.press("Control+a")
    assert not hint.is_visible()
    keys.press("Delete")  # the graph's own Delete removes nodes
    assert json.loads(edits_text(front))["edits"] == [{"do": "hide", "frames": 0, "points": "all"}]
    assert dialog.locator(".dp-missing input").count() == 18
    dialog.get_by_role("button", name="Undo").click()
    assert edits_text(front) == ""
    dialog.get_by_role("button", name="Redo").focus()
    keys.press("Control+Shift+Z")  # ComfyUI would redo the graph
    assert len(json.loads(edits_text(front))["edits"]) == 1
    dialog.get_by_role("slider", name="Frame").focus()
    keys.press("Control+z")
    for key in ("m", "x", "+", "-", "Alt+ArrowUp", "Alt+Shift+ArrowLeft", "1", "2", "0", "3", "4"):
        keys.press(key)
    dos = [edit["do"] for edit in json.loads(edits_text(front))["edits"]]
    assert dos == ["mirror", "swap", *["transform"] * 3]
    keys.press(" ")
    front.page.wait_for_function(
        "() => !document.querySelector('.dp-frame').textContent.startsWith('0 ')"
    )
    keys.press(" ")
    dialog.get_by_role("button", name="Discard").click()
    dialog.wait_for(state="detached")
    assert edits_text(front) == ""
    assert front.page.evaluate("() => app.graph.nodes.length") == 4


def test_the_button_works_in_the_vue_rendering(front, comfy, workflow):
    if not has_vue_nodes(front):
        pytest.skip("this front end's first Vue rendering shows no pack's own widgets")
    use_vue_nodes(front, True)
    front.load(workflow)
    comfy.wait(front.run())
    dialog = open_editor(front)
    front.page.keyboard.press("h")
    dialog.get_by_role("button", name="Done").click()
    assert len(json.loads(edits_text(front))["edits"]) == 1
    use_vue_nodes(front, False)


def test_damaged_edits_are_said_and_kept(front, workflow):
    workflow["nodes"][2]["widgets_values"] = ['{"version":1,"edits":[{"do":"<img src=x>"}]}']
    front.load(workflow)
    dialog = open_editor(front)
    assert 'edit 1: do "<img src=x>", needed one of move' in dialog.text_content()
    assert dialog.locator("img").count() == 0
    dialog.get_by_role("button", name="Close").click()
    assert edits_text(front).startswith('{"version":1')
    open_editor(front).get_by_role("button", name="Clear the edits").click()
    assert edits_text(front) == ""


def test_a_server_that_does_not_answer_is_said_and_the_button_works_again(front, comfy, workflow):
    front.load(workflow)
    comfy.wait(front.run())
    front.page.route("**/view?*poses.json*", lambda route: route.abort())
    dialog = open_editor(front)
    assert "ComfyUI does not answer" in dialog.text_content()
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="detached")
    assert any("poses.json" in line for line in front.ours())  # of the request that we refused
    front.console.clear()
    front.page.unroute("**/view?*poses.json*")
    assert open_editor(front).locator(".dp-stage").is_visible()


def test_removing_the_node_closes_its_editor(front, comfy, workflow):
    front.load(workflow)
    comfy.wait(front.run())
    dialog = open_editor(front)
    remove(front, "DisPosePoseEditor")
    dialog.wait_for(state="detached")
    assert listeners(front) == 0


def test_a_drag_through_300_frames_repaints_in_time(front, comfy, workflow, assets, tmp_path):
    (pose,) = load_poses(assets / "poses" / "driving.json")[0]
    long = pose[[i % len(pose) for i in range(300)]]
    save_openpose(tmp_path / "long.json", [long])
    workflow["nodes"][0]["widgets_values"] = [comfy.upload(tmp_path / "long.json")]
    front.load(workflow)
    comfy.wait(front.run())
    front.page.evaluate(
        """() => { const ask = window.requestAnimationFrame; window.__paints = [];
            window.requestAnimationFrame = done => {
                const ours = new Error().stack.includes('/js/editor/');
                return ask(now => {
                    const start = performance.now(); done(now);
                    if (ours) window.__paints.push(performance.now() - start); }); }; }"""
    )
    dialog = open_editor(front)
    x, y = place_of(dialog, long, 0, 4)
    mouse = front.page.mouse
    mouse.move(x, y)
    mouse.down()
    front.page.evaluate("() => { window.__paints.length = 0; }")
    for step in range(60):
        mouse.move(x - step, y - step)
    paints = sorted(front.page.evaluate("() => window.__paints"))
    mouse.up()
    median = paints[len(paints) // 2]
    print(f"\ndrag over 300 frames: {len(paints)} repaints, median {median:.1f} ms, "
          f"slowest {paints[-1]:.1f} ms")  # fmt: skip
    assert len(paints) >= 5 and median < 16
