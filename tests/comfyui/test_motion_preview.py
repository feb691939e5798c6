"""The shipped workflow in the real ComfyUI: through the HTTP API, and from the Run button."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from dispose_core.media.video_read import probe, read_audio, read_frames
from dispose_core.media.video_write import write_video
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses

from .client import NodeError, PromptInterrupted, PromptRejected
from .tiny_workflow import assert_same_workflow

WORKFLOWS = Path(__file__).parents[2] / "workflows"


@pytest.fixture
def workflow() -> dict:
    return json.loads((WORKFLOWS / "api" / "motion_preview.json").read_text(encoding="utf-8"))


@pytest.fixture
def small(workflow: dict) -> dict:
    """The same job on an image of 128×192: a second or two."""
    workflow["2"]["inputs"]["resolution"] = 128
    return workflow


def test_every_node_is_there_and_explains_its_inputs_and_outputs(comfy, workflow):
    ours = {k: v for k, v in comfy.object_info().items() if k.startswith("DisPose")}
    used = {node["class_type"] for node in workflow.values()}
    assert {name for name in used if name.startswith("DisPose")} <= set(ours)
    for name, node in ours.items():
        assert node["category"].startswith("DisPose/") and node["description"], name
        inputs = {**node["input"].get("required", {}), **node["input"].get("optional", {})}
        assert all(options[1].get("tooltip") for options in inputs.values()), name
        assert all(node["output_tooltips"]), name


def test_the_api_workflow_makes_a_video_in_which_the_person_moves(comfy, workflow, tmp_path):
    frame = comfy.run(workflow, timeout=300)
    (file,) = comfy.files(frame, "9")
    path = comfy.download(file, tmp_path)
    info = probe(path)
    assert (info.width, info.height, info.num_frames, info.fps) == (576, 1024, 72, 24)
    frames = np.stack(list(read_frames(path, stride=12))).astype(int)
    assert np.abs(np.diff(frames, axis=0)).max(-1).mean() > 3


def test_the_template_opens_clean_and_runs_from_the_button(browser_page, comfy, workflow):
    template = json.loads((WORKFLOWS / "1_motion_preview.json").read_text(encoding="utf-8"))
    browser_page.load(template)
    assert browser_page.missing_nodes() == []
    assert_same_workflow(browser_page.prompt(), workflow)
    frame = comfy.wait(browser_page.run(), timeout=300)
    assert frame["status"]["status_str"] == "success"
    assert browser_page.ours() == []
    assert browser_page.page.locator(".p-toast-message-error, .p-toast-message-warn").count() == 0


def test_the_template_is_offered_with_its_image(comfy):
    templates = comfy._get("/workflow_templates").json()
    assert "1_motion_preview" in templates["DisPose-ComfyUI"]
    image = comfy._get("/api/workflow_templates/DisPose-ComfyUI/1_motion_preview.jpg")
    assert image.headers["Content-Type"] == "image/jpeg"


def test_twenty_jobs_queued_at_once_all_finish(comfy, small):
    jobs = []
    for number in range(20):
        job = copy.deepcopy(small)
        job["5"]["inputs"]["max_gap"] = number  # each is worked out anew from here on
        job["9"]["inputs"]["filename_prefix"] = f"video/job{number:02d}"
        jobs.append(comfy.queue(job))
    names = [comfy.files(comfy.wait(job, timeout=300), "9")[0]["filename"] for job in jobs]
    assert [name[:5] for name in names] == [f"job{number:02d}" for number in range(20)]


def test_after_bad_input_the_server_still_works(comfy, small, tmp_path):
    damaged = tmp_path / "damaged.json"
    damaged.write_text('[{"people": [{"pose_keypoints_2d": [1, 2')
    short = tmp_path / "short.json"
    short.write_text('[{"people": [{"pose_keypoints_2d": [1, 2, 3]}], "canvas_width": 9}]')
    for file, message in (
        (comfy.upload(damaged), "not valid JSON"),
        (comfy.upload(short), "3 values, needed 51 or 54 or 75"),
    ):
        job = copy.deepcopy(small)
        job["4"]["inputs"]["file"] = file
        with pytest.raises(NodeError, match=message) as error:
            comfy.run(job)
        assert error.value.node_type == "DisPoseLoadPoses"
    missing = copy.deepcopy(small)
    missing["4"]["inputs"]["file"] = "nowhere.json"
    with pytest.raises(PromptRejected, match=r"nowhere\.json.* is not in .*input folder"):
        comfy.queue(missing)
    assert comfy.files(comfy.run(small), "9")


def test_a_cancelled_job_does_not_harm_the_next(comfy, workflow, small):
    workflow["2"]["inputs"]["resolution"] = 1024  # long enough to be caught in the act
    job = comfy.queue(workflow)
    while job not in comfy.queue_state()[0]:
        pass
    comfy.interrupt()
    with pytest.raises(PromptInterrupted):
        comfy.wait(job)
    small["2"]["inputs"]["resolution"] = 192
    assert comfy.files(comfy.run(small), "9")


def test_saved_poses_can_be_loaded_again(comfy, small):
    small["10"] = {
        "class_type": "DisPoseSavePoses",
        "inputs": {"poses": ["5", 0], "filename_prefix": "poses/again"},
    }
    (name,) = comfy.run(small)["outputs"]["10"]["text"]
    assert name == "poses/again_00001_.json [output]"
    assert (
        name
        in comfy.object_info("DisPoseLoadPoses")["DisPoseLoadPoses"]["input"]["required"]["file"][
            1
        ]["options"]
    )
    small["4"]["inputs"]["file"] = name
    small["5"]["inputs"]["method"] = "none"
    assert comfy.files(comfy.run(small), "9")


def test_the_workflow_keeps_sound_and_speed_of_the_driver(comfy, small, assets, tmp_path):
    """Two seconds of three, every second frame of 24 a second, with a beep in the middle."""
    beep = np.zeros((1, 3 * 16000), np.float32)
    beep[0, 24000:32000] = 0.5 * np.sin(np.arange(8000) * 0.4)
    write_video(
        tmp_path / "dance.mp4", read_frames(assets / "driving.mp4"), fps=24, audio=(beep, 16000)
    )
    small["10"] = {
        "class_type": "LoadVideo",
        "inputs": {"file": comfy.upload(tmp_path / "dance.mp4")},
    }
    small["2"]["inputs"] |= {"driving_video": ["10", 0], "stride": 2, "start": 0.5, "duration": 2.0}
    (poses,) = load_poses(assets / "poses" / "driving.json")[0]
    save_openpose(tmp_path / "poses.json", [poses[12:60:2]])
    small["4"]["inputs"]["file"] = comfy.upload(tmp_path / "poses.json")

    (file,) = comfy.files(comfy.run(small), "9")
    path = comfy.download(file, tmp_path)

    info = probe(path)
    assert (info.num_frames, info.fps, info.duration) == (24, 12, 2.0)
    samples, rate = read_audio(path)
    assert samples.shape[1] / rate == pytest.approx(2.0, abs=0.05)
    loud = np.flatnonzero(np.abs(samples[0]) > 0.25) / rate
    assert (loud[0], loud[-1]) == pytest.approx((1.0, 1.5), abs=0.03)


@pytest.mark.parametrize("through", ["file", "pictures"])
def test_prepare_takes_a_video_from_a_file_or_from_images(comfy, assets, through):
    """Create Video's VIDEO holds images in memory, Load Video's a file."""
    job = {
        "1": {"class_type": "DisPoseSampleMedia", "inputs": {}},
        "2": {
            "class_type": "LoadVideo",
            "inputs": {"file": comfy.upload(assets / "driving.mp4")},
        },
        "3": {"class_type": "GetVideoComponents", "inputs": {"video": ["2", 0]}},
        "4": {"class_type": "CreateVideo", "inputs": {"images": ["3", 0], "fps": ["3", 2]}},
        "5": {
            "class_type": "DisPosePrepare",
            "inputs": {
                "reference": ["1", 0],
                "driving_video": ["2" if through == "file" else "4", 0],
                "driving_fps": 24.0,
                "resolution": 128,
                "stride": 2,
                "max_frames": 5,
                "start": 0.5,
                "duration": 1.0,
            },
        },
        "6": {"class_type": "PreviewImage", "inputs": {"images": ["5", 1]}},
        "7": {"class_type": "PreviewAny", "inputs": {"source": ["5", 7]}},
        "8": {"class_type": "PreviewAny", "inputs": {"source": ["5", 5]}},
    }
    frame = comfy.run(job)
    assert len(comfy.files(frame, "6")) == 5
    assert frame["outputs"]["8"]["text"] == ["12.0"]
    assert "fitted to 128×192" in frame["outputs"]["7"]["text"][0]
