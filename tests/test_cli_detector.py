"""`--detector` and `--detector-files` of the command line."""

from __future__ import annotations

import numpy as np
import pytest

from dispose_core.cli import main
from dispose_core.media.image import write_image
from dispose_core.pose.pose_files import load_poses
from tests.onnx_files import person_onnx, pose_onnx


@pytest.fixture
def pose(tmp_path):
    """pose(option, …) -> exit code of `pose` on an image of somebody tiny and white."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[8:16, 16:24] = 255
    write_image(tmp_path / "in.png", pixels)
    out = str(tmp_path / "out.json")
    return lambda *options: main(["pose", str(tmp_path / "in.png"), "-o", out, *options])


def test_dwpose_takes_its_files_from_a_folder(pose, tmp_path):
    person_onnx(tmp_path / "yolox_l.onnx")
    pose_onnx(tmp_path / "dw-ll_ucoco_384.onnx")

    assert pose("--detector", "dwpose", "--detector-files", str(tmp_path)) == 0

    (person,) = load_poses(tmp_path / "out.json")[0]
    assert np.abs(person.body[0, 0] * 64 - (16, 8)).max() < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["dwpose"],
            "detector dwpose needs 2 files, but no folder is given. Give their folder with",
        ),
        (
            ["dwpose", "--detector-files", "nowhere"],
            "yolox_l.onnx or yolox_l.torchscript.pt (models/",
        ),
        (
            ["openpose", "--detector-files", "nowhere"],
            "body_pose_model.pth (models/detection). OpenPose's",
        ),
    ],
)
def test_missing_files_end_with_code_3_and_say_what_is_missing(pose, capsys, options, message):
    assert pose("--detector", *options) == 3
    assert message in capsys.readouterr().err
