"""Long clips: reading and writing can be interrupted at any moment, and leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

from dispose_core.errors import NotEnoughMemory, PoseError
from dispose_core.pose import openpose_json
from dispose_core.pose.openpose_json import read_openpose, save_openpose, write_openpose
from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import PoseSequence

FRAMES = 3000


@pytest.fixture(scope="module")
def couple() -> list[PoseSequence]:
    rng = np.random.default_rng(0)
    return [PoseSequence(rng.random((FRAMES, 134, 2)), np.ones((FRAMES, 134)), (64, 48))] * 2


@pytest.fixture(scope="module")
def file(couple, tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "couple.json"
    save_openpose(path, couple)
    return path


@pytest.mark.parametrize("name", ["load", "read", "write", "save"])
def test_no_step_takes_long_between_two_callbacks(name, couple, file, tmp_path, monkeypatch):
    """Counted, as time depends on the machine: at least one for every 100 of 3,000 frames."""
    monkeypatch.setattr(openpose_json, "_CHUNK", 100)
    frames = write_openpose(couple)
    calls = 0

    def tick(*_):
        nonlocal calls
        calls += 1

    {
        "load": lambda: load_poses(file, None, tick),
        "read": lambda: read_openpose(frames, on_frame=tick),
        "write": lambda: write_openpose(couple, tick),
        "save": lambda: save_openpose(tmp_path / "saved.json", couple, tick),
    }[name]()

    assert calls >= len(couple[0]) / 100


@pytest.mark.parametrize("after", [0, 5, 40, 70])
def test_an_interrupted_save_leaves_no_file(couple, tmp_path, after, monkeypatch):
    monkeypatch.setattr(openpose_json, "_CHUNK", 100)
    calls = []

    def cancel(*_):
        calls.append(0)
        if len(calls) > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_openpose(tmp_path / "saved.json", couple, cancel)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_into_the_memory_is_refused_before(couple, monkeypatch):
    frames = write_openpose([couple[0][:10]])
    monkeypatch.setattr("dispose_core.memory.free_memory", lambda: 100_000.0)
    with pytest.raises(NotEnoughMemory, match=r"poses: 1 people in 10 frames take .* GB, but only"):
        read_openpose(frames)


@pytest.mark.parametrize("canvas", [(10**9, 8), (8, 65_537), (1e300, 1e300)])
def test_a_canvas_of_no_image_is_refused(canvas):
    body = {"pose_keypoints_2d": [3.0, 4.0, 1.0] * 18}
    frame = {"people": [body], "canvas_width": canvas[0], "canvas_height": canvas[1]}
    with pytest.raises(PoseError, match="at most 65536 a side"):
        read_openpose([frame])
