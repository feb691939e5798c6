"""The workflows that animate, in the real ComfyUI with tiny networks in place of the released."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dispose_core.media.video_read import probe, read_audio, read_frames
from dispose_core.media.video_write import write_video

from .client import ComfyClient, NodeError
from .running import PACK
from .tiny_graph import node
from .tiny_workflow import (
    LOADERS,
    NAMES,
    OLD,
    WORKFLOWS,
    api,
    assert_same_workflow,
    saved,
    tiny,
    tiny_saved,
    write_files,
)

RATE = 16000


@pytest.fixture(scope="module", autouse=True)
def files(server, assets):
    """The tiny networks, and a driver with sound: a beep from 1 to 1.5 s of 3."""
    write_files(server.base, assets)
    time = np.arange(3 * RATE) / RATE
    beep = 0.5 * np.sin(2 * np.pi * 1000 * time) * ((time >= 1) & (time < 1.5))
    clip = read_frames(assets / "driving.mp4")
    path = server.base / "input" / "beep.mp4"
    write_video(path, clip, fps=24, audio=(beep[None].astype(np.float32), RATE))


def only(prompt: dict, kind: str) -> str:
    """The id of the one node of a class."""
    (found,) = (key for key, value in prompt.items() if value["class_type"] == kind)
    return found


def set_input(prompt: dict, kind: str, **inputs) -> dict:
    """Changes the nodes of a class."""
    for value in prompt.values():
        if value["class_type"] == kind:
            value["inputs"].update(inputs)
    return prompt


def video_of(comfy: ComfyClient, frame: dict, prompt: dict, folder) -> str:
    (file,) = comfy.files(frame, only(prompt, "SaveVideo"))
    return comfy.download(file, folder)


def ran(prompt: dict, frame: dict) -> set[str]:
    """Classes of the nodes that were worked out anew."""
    cached = {
        node
        for event, data in frame["status"]["messages"]
        if event == "execution_cached"
        for node in data["nodes"]
    }
    return {value["class_type"] for key, value in prompt.items() if key not in cached}


# What the workflows make.


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_makes_a_video_with_the_drivers_sound_and_speed(comfy, name, tmp_path):
    prompt = set_input(tiny(name), "LoadVideo", file="beep.mp4")
    set_input(prompt, "DisPosePrepare", max_frames=9, stride=4)

    path = video_of(comfy, comfy.run(prompt), prompt, tmp_path)

    info = probe(path)
    columns = 4 if name == "compare_branches" else 1
    assert (info.width, info.height) == (64 * columns + 8 * (columns - 1), 64)
    assert (info.num_frames, info.fps, info.duration) == (9, 6, 1.5)
    samples, rate = read_audio(path)
    loud = np.flatnonzero(np.abs(samples[0]) > 0.25) / rate
    assert (loud[0], loud[-1]) == pytest.approx((1.0, 1.5), abs=0.03)


@pytest.mark.parametrize("name", [*NAMES, "motion_preview"])
def test_a_workflow_of_an_earlier_version_runs(comfy, name):
    frame = comfy.run(tiny(name, folder=OLD), timeout=600)

    assert frame["status"]["status_str"] == "success"
    assert any(file["filename"].endswith(".mp4") for file in comfy.files(frame))


def test_the_columns_of_the_comparison_differ_and_are_labelled(comfy, tmp_path):
    prompt = tiny("compare_branches")
    stitched = {
        value["_meta"]["title"] for value in prompt.values() if value["class_type"] == "ImageStitch"
    }
    assert stitched == {"ImageStitch: 1 and 2", "ImageStitch: and 3", "ImageStitch: and 4"}
    decoded = {
        value["_meta"]["title"]: key
        for key, value in prompt.items()
        if value["class_type"] == "DisPoseDecode"
    }
    assert list(decoded) == [
        f"DisPose Decode: {what}" for what in ("1 none", "2 motion", "3 points", "4 both")
    ]
    for index, key in enumerate(decoded.values()):
        prompt[f"look{index}"] = node("PreviewImage", images=[key, 0])

    frame = comfy.run(prompt)

    images = [
        comfy.download(comfy.files(frame, f"look{index}")[-1], tmp_path).read_bytes()
        for index in range(4)
    ]
    assert len({hashlib.sha256(image).digest() for image in images}) == 4


# What is worked out again.


def test_another_seed_runs_the_sampler_and_what_follows_only(comfy):
    prompt = tiny("animate")
    comfy.run(prompt)

    frame = comfy.run(set_input(prompt, "DisPoseNoise", seed=43))

    follows = {"DisPoseNoise", "SamplerCustomAdvanced", "DisPoseDecode", "CreateVideo", "SaveVideo"}
    assert ran(prompt, frame) == follows


def test_another_driver_does_not_run_the_feature_transfer(comfy):
    prompt = tiny("animate")
    comfy.run(prompt)

    frame = comfy.run(set_input(prompt, "LoadVideo", file="beep.mp4"))

    again = ran(prompt, frame)
    assert {"DisPosePoseAlign", "DisPoseMotionField", "SamplerCustomAdvanced"} <= again
    still = {"TinyCheckpointLoader", "CLIPTextEncode", "TinyMimicMotionLoader", "LoadImage"}
    assert not again & still
    assert "DisPoseKeypointFeatures" not in again


# The front end.


@pytest.mark.parametrize("name", NAMES)
def test_a_template_opens_clean_and_is_the_api_workflow(browser_page, name):
    browser_page.load(saved(name))

    assert browser_page.missing_nodes() == []
    assert browser_page.ours() == []
    assert browser_page.page.locator(".p-toast-message-error, .p-toast-message-warn").count() == 0
    assert_same_workflow(browser_page.prompt(), api(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_template_runs_from_the_button(browser_page, comfy, name):
    graph = tiny_saved(name)
    assert {n["type"] for n in graph["nodes"]} >= {"TinyMimicMotionLoader", "TinyDetectorLoader"}
    browser_page.load(graph)

    frame = comfy.wait(browser_page.run())

    assert frame["status"]["status_str"] == "success"
    assert any(file["filename"].endswith(".mp4") for file in comfy.files(frame))
    assert browser_page.ours() == []


def test_the_button_says_which_files_are_missing(browser_page, server):
    browser_page.load(saved("animate"))
    with browser_page.page.expect_response("**/prompt") as response:
        browser_page.page.get_by_test_id("queue-button").click(position={"x": 15, "y": 15})

    told = json.dumps(response.value.json(), ensure_ascii=False)
    for name in ("MimicMotion_1-1.pth: not found in", "DisPose.pth: not found in"):
        assert name in told
    assert "yolox_l.onnx or yolox_l.torchscript.pt: not found in" in told


def test_the_templates_are_offered_with_their_images(comfy):
    templates = comfy._get("/workflow_templates").json()["DisPose-ComfyUI"]
    assert set(NAMES) <= set(templates)
    for name in NAMES:
        image = comfy._get(f"/api/workflow_templates/DisPose-ComfyUI/{name}.jpg")
        assert image.headers["Content-Type"] == "image/jpeg"
        assert len(image.content) < 400_000


# Errors.


def nobody_in_the_image(prompt: dict) -> None:
    set_input(prompt, "LoadImage", image="black.png")


def start_behind_the_end(prompt: dict) -> None:
    set_input(prompt, "DisPosePrepare", start=99.0)


def sd15_as_video_model(prompt: dict) -> None:
    prompt["sd15"] = node("TinyCheckpointLoader", ckpt_name="")
    set_input(prompt, "DisPoseApplyPoseGuidance", model=["sd15", 0])


def sd15_vae_and_frames(prompt: dict) -> None:
    set_input(prompt, "DisPoseConditioning", frames=5)


def another_size(prompt: dict) -> None:
    set_input(prompt, "DisPoseConditioning", width=128)


@pytest.mark.parametrize(
    ("break_it", "where", "message"),
    [
        (nobody_in_the_image, "DisPosePoseExtract", "images.*no person found"),
        (start_behind_the_end, "DisPosePrepare", "start"),
        (sd15_as_video_model, "DisPoseApplyPoseGuidance", "the MODEL is SD15.*MimicMotion Loader"),
        (sd15_vae_and_frames, "SamplerCustomAdvanced", "frames .*the latents have 6 frames"),
        (another_size, "SamplerCustomAdvanced", "64×64, but the latents are for 128×64"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_does_not_fit_is_said_by_its_node(comfy, break_it, where, message):
    prompt = tiny("animate")
    break_it(prompt)

    with pytest.raises(NodeError, match=message) as error:
        comfy.run(prompt)
    assert error.value.node_type == where


# Many at once, and the program.


def test_ten_jobs_of_two_clients_are_all_done_and_each_gets_its_own(server, assets, tmp_path):
    def client(first: int) -> list[int]:
        comfy = ComfyClient(server.url)
        jobs = []
        for frames in range(first, first + 5):
            prompt = tiny("animate", frames)
            set_input(prompt, "SaveVideo", filename_prefix=f"video/of{frames}")
            jobs.append((prompt, comfy.queue(prompt)))
        paths = [
            video_of(comfy, comfy.wait(job, timeout=300), prompt, tmp_path) for prompt, job in jobs
        ]
        assert [path.name.split("_")[0] for path in paths] == [
            f"of{frames}" for frames in range(first, first + 5)
        ]
        return [probe(path).num_frames for path in paths]

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(client, (2, 7)))

    assert both == [[2, 3, 4, 5, 6], [7, 8, 9, 10, 11]]


def test_the_program_runs_the_animate_workflow(server, assets, tmp_path):
    pytest.importorskip("websocket", reason="websocket-client is not installed here")
    pytest.importorskip("tqdm", reason="tqdm is not installed here")
    assert (WORKFLOWS / "api" / "animate.json").is_file()  # the program's default
    workflow = tmp_path / "animate.json"
    workflow.write_text(json.dumps(tiny("animate")))
    out = tmp_path / "out.mp4"

    done = subprocess.run(
        [
            *(sys.executable, PACK / "scripts" / "queue_animation.py"),
            *("--server", server.url, "--workflow", workflow, "-o", out),
            *("--reference", assets / "reference.png"),
            *("--driving", server.base / "input" / "beep.mp4"),
            *("--set", "Prepare: the driving video.max_frames=5", "--set", "DisPoseNoise.seed=7"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert probe(out).num_frames == 5
    assert read_audio(out) is not None


def test_motion_goes_out_as_flow_and_as_tracks_that_comfyui_reads(comfy, server):
    prompt = {
        "picture": node("LoadImage", image="reference.png"),
        "reference": node("DisPoseLoadPoses", file="reference.json [sample]"),
        "driving": node("DisPoseLoadPoses", file="driving.json [sample]"),
        "field": node(
            "DisPoseMotionField",
            **{"reference": ["small", 0], "reference_pose": ["reference", 0]},
            driving_pose=["driving", 0],
        ),
        "small": node(
            "ImageScale",
            **{"image": ["picture", 0], "width": 64, "height": 128},
            **{"upscale_method": "bilinear", "crop": "disabled"},
        ),
        "export": node(
            "DisPoseMotionExport",
            **{"motion_field": ["field", 0], "flow": "frame to frame"},
            **{"width": 128, "height": 256, "track_points": 121},
        ),
        "record": node(
            "TinyRecordMotion", flow=["export", 0], tracks=["export", 1], run_name="motion"
        ),
    }

    comfy.run(prompt)

    found = np.load(server.base / "output" / "motion.npz")
    assert found["flow"].shape == (72, 256, 128, 2)
    assert found["flow"].dtype == np.float32
    assert 0.5 < np.abs(found["flow"]).max() < 128
    joints, points, one, values = found["tracks"].shape
    assert (points, one, values) == (121, 1, 3)
    assert 14 <= joints <= 18
    assert (found["tracks"][..., 2] == 1).all()  # none was padded with (0, 0)
    assert (np.abs(np.diff(found["tracks"][:, :, 0, :2], axis=1)) < 30).all()


def test_the_swapped_loaders_are_all_that_need_files():
    """Otherwise a test above would have run a loader that ships untested."""
    for name in NAMES:
        loaders = {n["class_type"] for n in api(name).values() if "Loader" in n["class_type"]}
        assert loaders <= set(LOADERS)
