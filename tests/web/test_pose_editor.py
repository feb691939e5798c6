"""The pose editor in ComfyUI's own page: keys, bad input, long clips, what it leaves behind."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses

from .page import (
    drag,
    edits_text,
    frame_to,
    has_vue_nodes,
    listeners,
    open_editor,
    place_of,
    remove,
    use_vue_nodes,
)

RWRIST, LWRIST = 4, 7


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


# Milliseconds that each of 60 moves of the pointer takes.
DRAG_FIRST_KEY = """() => {
    const canvas = document.querySelector('.dp-curves');
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const { data } = canvas.getContext('2d').getImageData(0, 0, 2, canvas.height / 2);
    // The key stands in the first column: the brightest place of the upper band.
    let [best, row] = [0, 0];
    for (let i = 0; i < data.length; i += 4) {
        const sum = data[i] + data[i + 1] + data[i + 2];
        if (sum > best) [best, row] = [sum, Math.floor(i / 8)];
    }
    const y = top + row * height / canvas.height;
    const send = (type, dy) => canvas.dispatchEvent(new PointerEvent(type,
        { clientX: left + 1, clientY: y + dy, bubbles: true, button: 0 }));
    send('pointerdown', 0);
    const spent = [];
    for (let i = 0; i < 60; i++) {
        const start = performance.now();
        send('pointermove', i % 20 + 4);
        spent.push(performance.now() - start);
    }
    send('pointerup', 10);
    return spent;
}"""
APPLY_IN_PAGE = """async text => {
    const base = '/extensions/DisPose-ComfyUI/js/editor/';
    const [{ applyEdits }, { parseEdits }, { loadPoses }] = await Promise.all(
        ['apply.js', 'edits_text.js', 'run_files.js'].map(name => import(base + name)));
    const node = app.graph.nodes.find(n => n.type === 'DisPosePoseEditor');
    const route = path => '/api' + path;
    const { poses } = await loadPoses(route, node.properties.dispose_pose_editor_run);
    const [figure] = applyEdits(poses, parseEdits(text).edits).poses.people;
    return [...figure].map(value => Number.isNaN(value) ? 0 : value);
}"""


def test_keys_selected_frames_and_curves(front, comfy, server, workflow, assets, rendering):
    """What is keyed, eased, dragged on the curves and done to selected frames is what runs."""
    (pose,) = load_poses(assets / "poses" / "driving.json")[0]
    workflow["nodes"][2]["inputs"].append(
        {"name": "reference", "type": "POSE_KEYPOINT", "link": 4, "shape": 7}
    )
    workflow["nodes"][0]["outputs"][0]["links"].append(4)
    workflow["links"].append([4, 1, 0, 3, 2, "POSE_KEYPOINT"])
    front.load(workflow)
    comfy.wait(front.run())
    dialog = open_editor(front)
    page, keys = front.page, front.page.keyboard

    def edits() -> list[dict]:
        return json.loads(edits_text(front))["edits"]

    # Keys at both ends of a movement, and smoothly in between.
    page.mouse.click(*place_of(dialog, pose, 0, RWRIST))
    dialog.get_by_role("button", name="Smooth").click()
    keys.press("k")
    frame_to(front, 16)
    drag(front, place_of(dialog, pose, 16, RWRIST), (-40, -60))
    keys.press("k")
    *_, keyed = edits()
    assert keyed["do"] == "keys" and [key[0] for key in keyed["keys"]] == [0, 16]
    assert keyed["keys"][0][3] == "smooth"
    assert json.loads(edits_text(front))["version"] == 2
    shown = np.reshape(page.evaluate(APPLY_IN_PAGE, edits_text(front)), (len(pose), 134, 3))
    (x0, y0), (x16, y16) = (np.array(key[1:3]) for key in keyed["keys"])
    assert shown[4, RWRIST, :2] == pytest.approx(
        [x0 + (x16 - x0) * 0.15625, y0 + (y16 - y0) * 0.15625], abs=1e-6
    )

    # A drag between the keys sets another; the curve's key is dragged up by 10 pixels.
    frame_to(front, 8)
    box = dialog.locator(".dp-stage canvas").bounding_box()
    unit = min((box["width"] - 48) / 576, (box["height"] - 48) / 1024)
    left = box["x"] + (box["width"] - 576 * unit) / 2
    top = box["y"] + (box["height"] - 1024 * unit) / 2
    pixel = 1 / (576 * unit)  # the pointer's places are whole pixels
    x, y = shown[8, RWRIST, :2] * (576 * unit, 1024 * unit)
    drag(front, (left + x, top + y), (30, 0))
    assert [key[0] for key in edits()[-1]["keys"]] == [0, 8, 16]
    assert edits()[-1]["keys"][1][1:] == [
        pytest.approx(shown[8, RWRIST, 0] + 30 * pixel, abs=pixel),
        pytest.approx(shown[8, RWRIST, 1], abs=pixel),
        "smooth",
    ]
    keys.press("6")  # the frames around, under what follows
    shown = np.reshape(page.evaluate(APPLY_IN_PAGE, edits_text(front)), (len(pose), 134, 3))
    curve = dialog.locator(".dp-curves").bounding_box()
    values = np.concatenate([shown[:, RWRIST, 1], pose.points[:, RWRIST, 1]])
    band = (curve["height"] - 4) / 2
    share = (shown[8, RWRIST, 1] - values.min()) / np.ptp(values)
    start = (
        curve["x"] + 8.5 / len(pose) * curve["width"],
        curve["y"] + band + 4 + 9 + share * (band - 18),
    )
    drag(front, start, (0, -10))
    moved = edits()[-1]["keys"][1]
    assert moved[2] - shown[8, RWRIST, 1] == pytest.approx(
        -10 * np.ptp(values) / (band - 18), abs=2e-5
    )
    keys.press(".")
    assert dialog.locator(".dp-frame").text_content() == "16 / 71"
    page.mouse.click(curve["x"] + curve["width"] * 40.5 / 72, curve["y"] + 3)
    assert dialog.locator(".dp-frame").text_content() == "40 / 71"

    # Frames are selected on the timeline; what is dragged moves in all of them.
    strip = dialog.locator("footer canvas").first.bounding_box()

    def on_strip(frame: int) -> tuple[float, float]:
        return strip["x"] + (frame + 0.5) / len(pose) * strip["width"], strip["y"] + 10

    keys.down("Shift")
    drag(front, on_strip(20), (on_strip(30)[0] - on_strip(20)[0], 0))
    keys.up("Shift")
    assert dialog.locator(".dp-count").text_content() == "11 frames"
    assert "frames 20–30" in dialog.locator(".dp-legend").text_content()
    drag(front, place_of(dialog, pose, 30, LWRIST), (0, -50))
    assert edits()[-1] == {
        "do": "transform", "frames": [20, 30], "points": "LWrist",
        "shift": [0, pytest.approx(-50 / (1024 * unit), abs=pixel)],
    }  # fmt: skip
    keys.press("t")
    assert edits()[-1] == {"do": "reverse", "frames": [20, 30], "points": "LWrist"}
    keys.press("Control+c")
    frame_to(front, 50)
    assert "outside" in dialog.locator(".dp-legend").text_content()
    keys.press("Control+v")
    assert edits()[-1] == {"do": "copy", "frames": [50, 60], "points": "LWrist", "from": [20, 30]}
    keys.press("h")
    assert edits()[-1] == {"do": "hide", "frames": 50, "points": "LWrist"}
    keys.press("Control+z")

    # All of it is undone and made again, and is what a run gives.
    text = edits_text(front)
    steps = 0
    while edits_text(front):
        keys.press("Control+z")
        steps += 1
    assert steps == 8
    for _ in range(steps):
        keys.press("Control+Shift+Z")
    assert edits_text(front) == text
    shown = np.reshape(page.evaluate(APPLY_IN_PAGE, text), (len(pose), 134, 3))
    for _ in range(3):
        keys.press("Escape")  # the points, the frames, the window
    dialog.wait_for(state="detached")
    saved = page.evaluate(
        """() => { const { changeTracker } = app.extensionManager.workflow.activeWorkflow;
            return JSON.stringify(changeTracker.activeState); }"""
    )
    assert json.dumps(text, ensure_ascii=False) in saved
    comfy.wait(front.run())
    files = (server.base / "output" / "edited").glob("*.json")
    (edited,) = load_poses(max(files, key=lambda file: file.stat().st_mtime))[0]
    seen = shown[..., 2] > 0
    np.testing.assert_array_equal(edited.scores > 0, seen)
    np.testing.assert_allclose(edited.points[seen], shown[seen, :2], atol=1e-5)


def test_a_drag_through_1000_frames_repaints_in_time(front, comfy, workflow, assets, tmp_path):
    (pose,) = load_poses(assets / "poses" / "driving.json")[0]
    long = pose[[i % len(pose) for i in range(1000)]]
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
    print(f"\ndrag over 1000 frames: {len(paints)} repaints, median {median:.1f} ms, "
          f"slowest {paints[-1]:.1f} ms")  # fmt: skip
    assert len(paints) >= 5 and median < 16

    # A key on the curves: what a move of the pointer works out, besides the repaint.
    keys = front.page.keyboard
    for key in ("k", "End", "k", "Home", "e"):
        keys.press(key)
    spent = sorted(front.page.evaluate(DRAG_FIRST_KEY))
    print(f"key drag over 1000 frames: median {spent[30]:.1f} ms, slowest {spent[-1]:.1f} ms")
    assert [len(edit["keys"]) for edit in json.loads(edits_text(front))["edits"][-1:]] == [2]
    assert spent[30] < 16
