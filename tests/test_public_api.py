"""The names that `dispose_core` offers to scripts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dispose_core


class OnePose:
    """A detector that sees the same pose everywhere."""

    name = "one pose"

    def __init__(self, pose):
        self.pose = pose

    def detect(self, frames, total=None, on_frame=None):
        return [self.pose[[0] * len(list(frames))]]


def test_every_public_name_is_there_and_no_other():
    assert {name: getattr(dispose_core, name) for name in dispose_core.__all__}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dispose_core.nothing


def test_importing_loads_nothing():
    code = (
        "import sys, dispose_core; "
        "print([m for m in ('numpy', 'torch', 'cv2', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_from_a_video_to_a_motion_field(assets, tmp_path):
    from dispose_core.media.video_write import write_video
    from dispose_core.pose.pose_files import load_poses

    write_video(tmp_path / "still.mp4", [np.zeros((128, 72, 3), np.uint8)] * 4, 24)
    (pose,) = load_poses(assets / "poses" / "reference.json")[0]
    field, report = dispose_core.prepare_motion(
        assets / "reference.png",
        tmp_path / "still.mp4",
        OnePose(pose),
        dispose_core.load_densifier("skinning"),
    )
    assert len(field) == 3 and field.size == (1024, 576)
    assert field.flow([1, 2]).abs().max() < 0.01  # pixels: the driver stands as the reference does
    assert any("skinning" in line for line in report)
    dispose_core.save_field(field, tmp_path / "field.safetensors")
    assert len(dispose_core.load_field(tmp_path / "field.safetensors")) == 3
