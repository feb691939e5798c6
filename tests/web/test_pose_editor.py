"""The pose editor in ComfyUI's own page: what a new user does, and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dispose_core.pose import load_openpose, save_openpose

# Every listener that our own files add, until the signal it came with ends it.
COUNT_LISTENERS = """(() => {
    const held = window.__held = new Set();
    const { addEventListener } = EventTarget.prototype;
    EventTarget.prototype.addEventListener = function (type, listener, options) {
        const caller = new Error().stack.split('\\n')[2] ?? '';
        if (/DisPose-ComfyUI\\/js\\/(editor\\/|views\\/|\\w+\\.js)/.test(caller)) {
            const entry = { type, caller };
            held.add(entry);
            const { signal } = options ?? {};
            if (signal) addEventListener.call(signal, 'abort', () => held.delete(entry));
        }
        return addEventListener.apply(this, arguments);
    };
})()"""


def widget(x: int, kind: str, inputs: list, outputs: list, values: list, node_id: int) -> dict:
    return {
        "id": node_id, "type": kind, "pos": [x, 120], "size": [320, 260], "flags": {},
        "order": node_id, "mode": 0, "inputs": inputs, "outputs": outputs,
        "properties": {}, "widgets_values": values,
    }  # fmt: skip


@pytest.fixture
def workflow(comfy, assets) -> dict[str, Any]:
    """Sample poses → Pose Editor over the sample picture → Save Poses, as the page saves it."""
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


@pytest.fixture
def front(browser_page):
    """The page with listeners counted from its start; complaints of ours fail the test."""
    browser_page.page.add_init_script(COUNT_LISTENERS)
    reopen(browser_page)
    yield browser_page
    assert browser_page.ours() == []
    assert not any("dispose" in address.lower() for address in browser_page.outside)


def reopen(front) -> None:
    front.page.reload()
    ready = "() => window.app?.vueAppReady && app.graph?.nodes"
    front.page.wait_for_function(ready, timeout=60_000)


def open_editor(front) -> Any:
    front.page.get_by_text("Open pose editor").click()
    dialog = front.page.locator("dialog.dispose-editor")
    dialog.wait_for()
    return dialog


def listeners(front) -> int:
    return front.page.evaluate("() => window.__held.size")


def edits_text(front) -> str:
    return front.page.evaluate(
        "() => app.graph.nodes.find(n => n.type === 'DisPosePoseEditor')"
        ".widgets.find(w => w.name === 'edits').value"
    )


def saved_poses(comfy, entry, folder: Path):
    node = next(n for n, out in entry["outputs"].items() if "text" in out)
    (name,) = entry["outputs"][node]["text"]
    subfolder, _, filename = name.removesuffix(" [output]").rpartition("/")
    file = {"filename": filename, "subfolder": subfolder, "type": "output"}
    return load_openpose(comfy.download(file, folder))[0]


def place_of(dialog, pose, frame: int, point: int) -> tuple[float, float]:
    """Where a point is on the page, when the whole picture is shown."""
    box = dialog.locator(".dp-stage canvas").bounding_box()
    height, width = pose.canvas
    scale = min((box["width"] - 48) / width, (box["height"] - 48) / height)
    x, y = pose.points[frame, point] * (width, height) * scale
    left = box["x"] + (box["width"] - width * scale) / 2
    return left + x, box["y"] + (box["height"] - height * scale) / 2 + y


def drag(front, start: tuple[float, float], by: tuple[float, float]) -> None:
    mouse = front.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2)
    mouse.move(start[0] + by[0], start[1] + by[1])
    mouse.up()


def frame_to(front, frame: int) -> None:
    front.page.keyboard.press("Home")
    for _ in range(frame // 10):
        front.page.keyboard.press("Shift+ArrowRight")
    for _ in range(frame % 10):
        front.page.keyboard.press("ArrowRight")


def test_a_new_user_corrects_a_wrist_and_the_result_follows(
    front, comfy, workflow, assets, tmp_path
):
    (given,) = load_openpose(assets / "poses" / "driving.json")
    front.load(workflow)
    assert front.missing_nodes() == []
    dialog = open_editor(front)
    assert "Run the workflow once" in dialog.text_content()
    front.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")

    comfy.wait(front.run())
    nodes_before = front.page.evaluate("() => app.graph.nodes.length")
    before = listeners(front)
    dialog = open_editor(front)
    assert listeners(front) > before
    for frame in (0, 8, 16):
        frame_to(front, frame)
        drag(front, place_of(dialog, given, frame, 4), (-40, -60))
    front.page.keyboard.press("b")
    front.page.keyboard.press("ArrowLeft")
    front.page.keyboard.press("Shift+ArrowLeft")
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
    assert front.page.evaluate("() => app.graph.nodes.length") == nodes_before
    assert listeners(front) == before

    saved = front.page.evaluate("() => app.graph.serialize()")
    reopen(front)
    front.load(saved)
    assert json.loads(edits_text(front)) == told
    dialog = open_editor(front)  # the last run's files are still there
    assert dialog.locator(".dp-notice").text_content() == "4 edits"
    front.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")

    prompt = front.prompt()
    edited = saved_poses(comfy, comfy.wait(front.run()), tmp_path)
    moved = np.array([edit["to"] for edit in told["edits"][:3]])
    wrist = edited.points[:, 4]
    assert wrist[[0, 16]] == pytest.approx(moved[[0, 2]], abs=1e-6)
    assert wrist[4] == pytest.approx((wrist[0] * 3 + wrist[16]) / 4)
    assert (wrist[0] < given.points[0, 4] - 0.02).all()
    assert edited.points[:, 5] == pytest.approx(given.points[:, 5], nan_ok=True)

    editor = next(n for n in prompt.values() if n["class_type"] == "DisPosePoseEditor")
    assert set(editor["inputs"]) == {"poses", "pictures", "edits"}
    save = next(n for n in prompt.values() if n["class_type"] == "DisPoseSavePoses")
    save["inputs"]["filename_prefix"] = "edited/api"
    again = saved_poses(comfy, comfy.run(prompt), tmp_path)
    assert again.points == pytest.approx(edited.points, nan_ok=True)


def test_everything_has_a_key_and_nothing_reaches_the_graph_behind(front, comfy, workflow):
    front.load(workflow)
    comfy.wait(front.run())
    dialog = open_editor(front)
    keys = front.page.keyboard
    keys.press("?")
    assert "Straight line between the ends" in dialog.locator(".dp-help").text_content()
    keys.press("Escape")
    keys.press("Control+a")
    keys.press("Delete")  # the graph's own Delete removes nodes
    assert json.loads(edits_text(front))["edits"] == [{"do": "hide", "frames": 0, "points": "all"}]
    assert dialog.locator(".dp-missing input").count() == 18
    dialog.get_by_role("button", name="Undo").click()
    assert edits_text(front) == ""
    dialog.get_by_role("button", name="Redo").focus()
    keys.press("Control+Shift+Z")  # ComfyUI would redo the graph
    assert len(json.loads(edits_text(front))["edits"]) == 1
    dialog.get_by_role("slider").focus()
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
    version = front.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '0'")
    if tuple(map(int, version.split(".")[:2])) < (1, 30):
        pytest.skip(f"front end {version}: its first Vue rendering shows no pack's own widgets")
    front.page.evaluate("() => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', true)")
    front.load(workflow)
    comfy.wait(front.run())
    dialog = open_editor(front)
    front.page.keyboard.press("h")
    dialog.get_by_role("button", name="Done").click()
    assert len(json.loads(edits_text(front))["edits"]) == 1
    front.page.evaluate("() => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', false)")


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


def test_removing_the_node_closes_its_editor(front, comfy, workflow):
    front.load(workflow)
    comfy.wait(front.run())
    dialog = open_editor(front)
    front.page.evaluate(
        "() => app.graph.remove(app.graph.nodes.find(n => n.type === 'DisPosePoseEditor'))"
    )
    dialog.wait_for(state="detached")
    assert listeners(front) == 0


def test_a_drag_through_300_frames_repaints_in_time(front, comfy, workflow, assets, tmp_path):
    (pose,) = load_openpose(assets / "poses" / "driving.json")
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
