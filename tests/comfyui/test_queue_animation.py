"""The program that queues animations, against a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dispose_core.media.video_read import probe

from .running import PACK

pytest.importorskip("websocket", reason="websocket-client is not installed in this interpreter")
pytest.importorskip("tqdm", reason="tqdm is not installed in this interpreter")


@pytest.fixture
def workflow(tmp_path):
    """Fits a reference, samples a driver, and saves the driver as a video."""
    path = tmp_path / "workflow.json"

    def node(kind, title, **inputs):
        return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}

    prompt = {
        "1": node("LoadImage", "Reference image", image=""),
        "2": node("LoadVideo", "Driving video", file=""),
        "3": node(
            "DisPosePrepare", "Prepare", reference=["1", 0], driving_video=["2", 0],
            driving_fps=24.0, resolution=128, stride=1, max_frames=6, start=0.0, duration=0.0,
        ),
        "4": node("CreateVideo", "Create Video", images=["3", 1], fps=["3", 5]),
        "5": node(
            "SaveVideo", "Save Video", video=["4", 0], filename_prefix="video/api", format="auto",
            codec="auto",
        ),
    }  # fmt: skip
    path.write_text(json.dumps(prompt))
    return path


def start(server, workflow, assets, *more):
    return subprocess.Popen(
        [
            *(sys.executable, PACK / "scripts" / "queue_animation.py"),
            *("--server", server.url, "--workflow", workflow),
            *("--reference", assets / "reference.png", "--driving", assets / "driving.mp4"),
            *map(str, more),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_animation_goes_up_and_comes_back(server, workflow, assets, tmp_path):
    out = tmp_path / "made" / "out.mp4"
    program = start(server, workflow, assets, "-o", out, "--set", "prepare.max_frames=4")
    said, shown = program.communicate(timeout=120)
    assert program.returncode == 0, shown
    assert said.strip() == str(out) and "Save Video (5)" in shown
    assert probe(out).num_frames == 4
    assert [path.name for path in out.parent.iterdir()] == ["out.mp4"]


def test_two_clients_at_once_each_get_their_own(server, workflow, assets, tmp_path):
    clients = []
    for n in (3, 5):
        more = ("-o", tmp_path / f"{n}.mp4", "--set", f"3.max_frames={n}")
        clients.append(start(server, workflow, assets, *more))
    assert [client.wait(120) for client in clients] == [0, 0]
    assert [probe(tmp_path / f"{n}.mp4").num_frames for n in (3, 5)] == [3, 5]


def test_a_failing_node_is_named(server, workflow, assets):
    program = start(server, workflow, assets, "--set", "prepare.start=99")
    _, shown = program.communicate(timeout=120)
    assert program.returncode == 1 and "queue_animation: Prepare (3): " in shown


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_cancels_the_job_on_the_server(server, comfy, workflow, assets):
    running = start(server, workflow, assets, "--set", "prepare.max_frames=0",
                    "--set", "prepare.resolution=1024")  # fmt: skip
    until = time.monotonic() + 60
    while not any(comfy.queue_state()) and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    while any(comfy.queue_state()) and time.monotonic() < until:
        time.sleep(0.05)
    assert comfy.queue_state() == ([], [])
