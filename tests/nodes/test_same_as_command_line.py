"""The command line and the graph make the same poses and motion of the same files by default."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dispose_core.cli import main
from dispose_core.media.image import read_image, write_image
from dispose_core.motion.field_file import load_field
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses
from tests.onnx_files import person_onnx, pose_onnx


@pytest.fixture
def models(pack, tmp_path, monkeypatch):
    """ComfyUI's models folder with stand-ins for DWPose's networks."""
    import folder_paths

    folder = tmp_path / "models" / "detection"
    folder.mkdir(parents=True)
    person_onnx(folder / "yolox_l.onnx")
    pose_onnx(folder / "dw-ll_ucoco_384.onnx")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "detection", ([str(folder)], set()))
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    return tmp_path / "models"


def test_the_poses(run, models, tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[8:16, 16:24] = 255
    write_image(tmp_path / "in.png", pixels)
    file = tmp_path / "poses.json"
    assert main(["pose", str(tmp_path / "in.png"), "-o", str(file), "--models", str(models)]) == 0

    (detector,) = run("DisPosePoseDetectorLoader")
    images = torch.from_numpy(pixels)[None] / 255
    found, _, report = run("DisPosePoseExtract", images=images, detector=detector)

    (one,), (other,) = (
        [frame["people"][0]["pose_keypoints_2d"] for frame in frames]
        for frames in (json.loads(file.read_text()), found)
    )
    assert one == pytest.approx(other, abs=1e-4) and sum(one) > 0
    assert report.startswith("dwpose")


def test_the_motion(run, assets, folders, tmp_path):
    field_file = tmp_path / "field.safetensors"
    reference, poses = assets / "reference.png", assets / "poses"
    (driving,) = load_poses(poses / "driving.json")[0]
    save_openpose(folders.input / "driving.json", [driving[[12, 36]]])
    assert main([
        "motion", "--reference", str(reference), "--reference-pose", str(poses / "reference.json"),
        "--poses", str(folders.input / "driving.json"), "-o", str(field_file),
    ]) == 0  # fmt: skip

    image = read_image(reference).permute(1, 2, 0)[None]
    fitted, *_ = run("DisPosePrepare", reference=image, driving_images=image)
    reference_pose, *_ = run("DisPoseLoadPoses", file="reference.json [sample]")
    driving_pose, *_ = run("DisPoseLoadPoses", file="driving.json")
    aligned, *_ = run("DisPosePoseAlign", reference_pose=reference_pose, driving_pose=driving_pose)
    field, *_ = run(
        "DisPoseMotionField",
        reference=fitted,
        reference_pose=reference_pose,
        driving_pose=aligned,
    )
    ours = load_field(field_file)
    assert ours.size == field.size and len(ours) == len(field)
    assert (ours.grid - field.grid).abs().max() < 0.02  # pixels; the file rounds to 16 bits
