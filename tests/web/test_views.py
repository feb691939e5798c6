"""The views inside nodes in ComfyUI's own page: fed by a run, scrubbed, played, and gone again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispose_core.pose import load_openpose, save_openpose
from tests.comfyui.test_features import graph
from tests.comfyui.tiny_workflow import write_files

from .test_pose_editor import COUNT_LISTENERS

ROOT = Path(__file__).parents[2]
# Animation frames that our files ask for.
COUNT_FRAMES = """(() => {
    const ask = window.requestAnimationFrame;
    window.__asked = 0;
    window.requestAnimationFrame = callback => {
        if (new Error().stack.includes('/js/views/')) window.__asked += 1;
        return ask.call(window, callback);
    };
})()"""
LASTING = "() => [...window.__held].filter(e => e.caller.includes('/js/views/')).length"
# How much of the picture on a view's canvas differs from the corner's colour.
INK = """canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += Math.abs(data[i] - data[0]) * (1 + i % 7);
    return sum;
}"""
REMOVE = "type => app.graph.remove(app.graph.nodes.find(n => n.comfyClass === type))"
CENTRE = """type => {
    app.canvas.ds.scale = 1;
    app.canvas.centerOnNode(app.graph.nodes.find(n => n.comfyClass === type));
    app.canvas.setDirty(true, true);
}"""


@pytest.fixture
def front(browser_page):
    """The page with what outlives a node counted; complaints of ours fail the test."""
    page = browser_page.page
    page.add_init_script(COUNT_LISTENERS)
    page.add_init_script(COUNT_FRAMES)
    page.reload()
    page.wait_for_function("() => window.app?.vueAppReady && app.graph?.nodes", timeout=60_000)
    yield browser_page
    assert browser_page.ours() == []
    assert not any("dispose" in address.lower() for address in browser_page.outside)


def view_of(front: Any, node: str, name: str) -> Any:
    """The view of a node, brought into sight."""
    front.page.locator(f".{name}").first.wait_for(state="attached", timeout=30_000)
    front.page.evaluate(CENTRE, node)
    view = front.page.locator(f".{name}:visible").last
    view.wait_for(timeout=30_000)
    return view


def await_picture(view: Any) -> float:
    canvas = view.locator("canvas").last
    handle = canvas.element_handle()
    view.page.wait_for_function(f"canvas => ({INK})(canvas) > 0", arg=handle, timeout=30_000)
    return canvas.evaluate(INK)


def job_of(front):
    """What would be queued, without what the page itself adds to nodes that show a video."""
    job = front.prompt()
    for entry in job.values():
        entry["inputs"].pop("video-preview", None)
    return job


def test_the_motion_view_follows_a_run_plays_scrubs_and_leaves_nothing(
    front, comfy, assets, tmp_path
):
    template = json.loads((ROOT / "workflows" / "motion_preview.json").read_text(encoding="utf-8"))
    prepare = next(node for node in template["nodes"] if node["type"] == "DisPosePrepare")
    prepare["widgets_values"][0] = 128
    (poses,) = load_openpose(assets / "poses" / "driving.json")
    save_openpose(tmp_path / "few.json", [poses[::6]])
    few = comfy.upload(tmp_path / "few.json")
    for load in (node for node in template["nodes"] if node["type"] == "DisPoseLoadPoses"):
        if load["widgets_values"][0].startswith("driving"):
            load["widgets_values"][0] = few
    front.load(template)
    before = job_of(front)
    entry = comfy.wait(front.run(), timeout=300)
    assert entry["status"]["status_str"] == "success"
    assert "base64" not in json.dumps(entry["outputs"])

    view = view_of(front, "DisPoseMotionPreview", "dispose-motion-view")
    assert view.get_attribute("data-mode") == "person"
    first = await_picture(view)
    view.locator("input[type=range]").fill("6")
    assert view.get_attribute("data-frame") == "7"
    assert view.locator(".count").inner_text() == "7 / 12"
    assert await_picture(view) != first

    names = ["Person", "Onion skin", "Flow", "Arrows"]
    assert view.get_by_role("button").all_inner_texts()[:4] == names
    drawn = set()
    for name in names:
        view.get_by_role("button", name=name, exact=True).click()
        front.page.wait_for_load_state("networkidle")
        drawn.add(await_picture(view))
    assert len(drawn) == 4
    assert view.get_attribute("data-frame") == "7"  # the mode changes, the frame stays

    view.locator("select").select_option("2")
    view.get_by_role("button", name="Play", exact=True).click()
    front.page.wait_for_function(
        "view => view.dataset.frame !== '7'", arg=view.element_handle(), timeout=10_000
    )
    view.get_by_role("button", name="Pause", exact=True).click()
    stopped = view.get_attribute("data-frame")
    asked = front.page.evaluate("() => window.__asked")
    front.page.wait_for_timeout(400)
    assert view.get_attribute("data-frame") == stopped
    assert front.page.evaluate("() => window.__asked") == asked > 0

    assert job_of(front) == before  # nothing of a view is part of the job
    view.get_by_role("button", name="Play", exact=True).click()
    for node in ("DisPoseMotionPreview", "DisPoseMotionField"):
        front.page.evaluate(REMOVE, node)
    front.page.wait_for_timeout(200)
    asked = front.page.evaluate("() => window.__asked")
    front.page.wait_for_timeout(400)
    assert front.page.evaluate("() => window.__asked") == asked
    assert front.page.locator(".dispose-motion-view").count() == 0
    assert front.page.evaluate(LASTING) == 0


def test_the_point_view_shows_where_a_clicked_joint_is_found(front, comfy, server, assets):
    write_files(server.base, assets)
    job = graph("points")
    job["record"] = {"class_type": "PreviewImage", "inputs": {"images": ["features", 1]}}
    front.page.evaluate("job => app.loadApiJson(job, 'points')", job)
    entry = comfy.wait(front.run(), timeout=300)
    assert entry["status"]["status_str"] == "success"

    view = view_of(front, "DisPoseKeypointFeatures", "dispose-point-view")
    first = await_picture(view)
    assert view.get_attribute("data-joint") == "Nose"
    (told,) = next(out["dispose_points"] for out in entry["outputs"].values()
                   if "dispose_points" in out)  # fmt: skip
    wrist = next(joint for joint in told["joints"] if joint["name"] == "RWrist")
    left = view.locator("canvas").first
    place = left.evaluate(
        """(canvas, at) => {
            const { clientWidth: w, clientHeight: h, width, height } = canvas;
            const scale = Math.min(w / width, h / height);
            return {
                x: (w - width * scale) / 2 + at[0] * width * scale,
                y: (h - height * scale) / 2 + at[1] * height * scale,
            };
        }""",
        wrist["at"],
    )
    left.click(position=place)
    assert view.get_attribute("data-joint") == "RWrist"
    assert f"similarity {wrist['similarity']:.2f}" in view.locator(".said").inner_text()
    assert await_picture(view) != first

    front.page.evaluate(REMOVE, "DisPoseKeypointFeatures")
    front.page.wait_for_function("() => !document.querySelector('.dispose-point-view')")
    assert front.page.evaluate(LASTING) == 0
