"""The views inside nodes in ComfyUI's own page: fed by a run, scrubbed, played, and gone again."""

from __future__ import annotations

import json

from tests.comfyui.test_features import graph
from tests.comfyui.tiny_workflow import write_files

from .page import await_image, listeners, remove, view_of


def job_of(front):
    """What would be queued, without what the page itself adds to nodes that show a video."""
    job = front.prompt()
    for entry in job.values():
        entry["inputs"].pop("video-preview", None)
    return job


def test_the_motion_view_follows_a_run_plays_scrubs_and_leaves_nothing(
    front, comfy, small, rendering
):
    front.load(small)
    before = job_of(front)
    entry = comfy.wait(front.run(), timeout=300)
    assert entry["status"]["status_str"] == "success"
    assert "base64" not in json.dumps(entry["outputs"])
    assert len(json.dumps(entry["outputs"])) < 10_000

    assert view_of(front, "DisPoseMotionField").get_attribute("data-mode") == "flow"
    assert any("/view?type=temp" in address for address in front.asked)
    view = view_of(front, "DisPoseMotionPreview")
    assert view.get_attribute("data-mode") == "person"
    first = await_image(view)
    view.locator("input[type=range]").fill("6")
    assert view.get_attribute("data-frame") == "6"
    assert view.locator(".count").inner_text() == "6 / 11"
    assert await_image(view) != first

    names = ["Person", "Overlay", "Flow", "Arrows"]
    assert view.get_by_role("button").all_inner_texts()[:4] == names
    drawn = set()
    for name in names:
        view.get_by_role("button", name=name, exact=True).click()
        front.page.wait_for_load_state("networkidle")
        drawn.add(await_image(view))
    assert len(drawn) == 4
    assert view.get_attribute("data-frame") == "6"  # the mode changes, the frame stays

    view.locator("select").select_option("2")
    view.get_by_role("button", name="Play", exact=True).click()
    front.page.wait_for_function(
        "view => view.dataset.frame !== '6'", arg=view.element_handle(), timeout=10_000
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
        remove(front, node)
    front.page.wait_for_timeout(200)
    asked = front.page.evaluate("() => window.__asked")
    front.page.wait_for_timeout(400)
    assert front.page.evaluate("() => window.__asked") == asked
    assert front.page.locator(".dispose-motion-view").count() == 0
    assert listeners(front, "/js/views/") == 0


def test_the_motion_view_is_there_again_after_a_look_at_another_workflow(front, comfy, small):
    front.load(small)
    comfy.wait(front.run(), timeout=300)
    await_image(view_of(front, "DisPoseMotionPreview"))
    for name in ("Comfy.NewBlankWorkflow", "Workspace.PreviousOpenedWorkflow"):
        front.page.evaluate("name => { app.extensionManager.command.execute(name) }", name)
        front.page.wait_for_function(
            "wanted => (app.graph.nodes.length > 0) === wanted", arg=name.startswith("Work")
        )
    view = view_of(front, "DisPoseMotionPreview")
    await_image(view)
    assert view.locator(".count").inner_text() == "0 / 11"
    assert front.page.locator(".dispose-motion-view").count() == 2


def test_the_motion_view_says_when_its_files_are_gone(front, comfy, server, small):
    front.load(small)
    comfy.wait(front.run(), timeout=300)
    view = view_of(front, "DisPoseMotionPreview")
    await_image(view)
    for file in (server.base / "temp" / "dispose").iterdir():
        file.unlink()
    view.get_by_role("button", name="Arrows").click()
    view.get_by_text("The images of this run have been deleted. Run the workflow again").wait_for()
    front.failed.clear()  # what the server says about the missing files
    front.console.clear()
    # The graph is as it was, so the run itself would be kept: another setting makes it anew.
    front.page.evaluate(
        """() => {
            const align = app.graph.nodes.find(n => n.type === 'DisPosePoseAlign');
            align.widgets.find(w => w.name === 'smoothing').value = 1;
        }"""
    )
    comfy.wait(front.run(), timeout=300)
    view.locator(".said").wait_for(state="hidden")
    assert view.locator(".said").text_content() == "" and front.ours() == []


def test_the_point_view_shows_where_a_clicked_joint_is_found(
    front, comfy, server, assets, rendering
):
    write_files(server.base, assets)
    job = graph("points")
    job["record"] = {"class_type": "PreviewImage", "inputs": {"images": ["features", 1]}}
    front.page.evaluate("job => app.loadApiJson(job, 'points')", job)
    entry = comfy.wait(front.run(), timeout=300)
    assert entry["status"]["status_str"] == "success"

    view = view_of(front, "DisPoseKeypointFeatures")
    first = await_image(view)
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
    assert await_image(view) != first

    remove(front, "DisPoseKeypointFeatures")
    front.page.wait_for_function("() => !document.querySelector('.dispose-point-view')")
    assert listeners(front, "/js/views/") == 0


def test_points_are_picked_in_the_picture_of_motion_tracks(front, comfy, server, assets):
    write_files(server.base, assets)
    job = {
        "sample": {"class_type": "DisPoseSampleMedia", "inputs": {}},
        "fps": {"class_type": "PrimitiveFloat", "inputs": {"value": 24.0}},
        "prepare": {
            "class_type": "DisPosePrepare",
            "inputs": {"reference": ["sample", 0], "resolution": 128, "stride": 1, "max_frames": 0,
                       "start": 0.0, "duration": 0.0},
        },
        "still": {"class_type": "DisPoseLoadPoses", "inputs": {"file": "reference.json [sample]"}},
        "dance": {"class_type": "DisPoseLoadPoses", "inputs": {"file": "driving.json [sample]"}},
        "field": {
            "class_type": "DisPoseMotionField",
            "inputs": {"reference": ["prepare", 0], "reference_pose": ["still", 0],
                       "driving_pose": ["dance", 0]},
        },
        "tracks": {
            "class_type": "DisPoseMotionTracks",
            "inputs": {"reference": ["prepare", 0], "motion_field": ["field", 0],
                       "fps": ["fps", 0], "made_for": "Wan-Move", "points": "joints", "count": 9,
                       "own_points": "0.5,0.3"},
        },
    }  # fmt: skip
    front.page.evaluate("job => app.loadApiJson(job, 'tracks')", job)
    assert comfy.wait(front.run(), timeout=300)["status"]["status_str"] == "success"

    view = view_of(front, "DisPoseMotionTracks")
    first = await_image(view)
    canvas = view.locator("canvas").first

    def click(x: float, y: float) -> None:
        place = canvas.evaluate(
            """(canvas, [x, y]) => {
                const { clientWidth: w, clientHeight: h, width, height } = canvas;
                const scale = Math.min(w / width, h / height);
                return { x: (w - width * scale) / 2 + x * width * scale,
                         y: (h - height * scale) / 2 + y * height * scale };
            }""",
            [x, y],
        )
        canvas.click(position=place)

    click(0.5, 0.4)
    click(0.45, 0.7)
    assert view.get_attribute("data-points") == "2"
    assert await_image(view) != first
    click(0.45, 0.7)  # a point that is there goes
    (inputs,) = (
        node["inputs"] for node in front.prompt().values()
        if node["class_type"] == "DisPoseMotionTracks"
    )  # fmt: skip
    assert inputs["points"] == "own points"
    x, y = map(float, inputs["own_points"].split(","))
    assert abs(x - 0.5) < 0.02 and abs(y - 0.4) < 0.02

    assert comfy.wait(front.run(), timeout=300)["status"]["status_str"] == "success"
    assert front.ours() == []
