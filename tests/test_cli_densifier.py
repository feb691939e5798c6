"""`--densifier`, `--cmp` and `--mask` of the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dispose_core.cli import main
from dispose_core.media.image import read_image, write_image
from dispose_core.media.resize import resize_crop
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses
from tests.tiny_nets import manifest
from tests.weight_files import write_hollow


@pytest.fixture
def motion(assets, tmp_path):
    """motion("--cmp", …) -> exit code of the command on the sample and one driving pose."""
    image = resize_crop(read_image(assets / "reference.png"), (256, 144))
    write_image(tmp_path / "reference.png", image)
    (pose,) = load_poses(assets / "poses" / "driving.json")[0]
    save_openpose(tmp_path / "driving.json", [pose[24]])

    def run(*more: str) -> int:
        return main([
            "motion", "--json", "-o", str(tmp_path / "field.npz"), "--size", "72x128",
            "--reference", str(tmp_path / "reference.png"),
            "--reference-pose", str(assets / "poses" / "reference.json"),
            "--poses", str(tmp_path / "driving.json"), *more,
        ])  # fmt: skip

    return run


def test_a_file_for_cmp_chooses_cmp(motion, tmp_path, capsys):
    weights = write_hollow(tmp_path / "cmp.safetensors", manifest("cmp", "module."))

    assert motion("--cmp", str(weights)) == 0
    assert json.loads(capsys.readouterr().out)["report"][-2] == "CMP: saw the whole image"
    with np.load(tmp_path / "field.npz", allow_pickle=False) as field:
        assert field["flow"].shape == (2, 2, 128, 72)
        assert np.abs(field["flow"]).max() < 1e-4  # weights of zero: each bin is as likely

    assert motion("--cmp", str(weights), "--densifier", "skinning") == 0
    assert "skinning: the person covers" in capsys.readouterr().out


def test_cmp_without_its_file_or_with_another_says_which(motion, tmp_path, capsys):
    assert motion("--densifier", "cmp") == 3
    said = capsys.readouterr().err
    assert (
        "cmp: no file given." in said
        and "the file with --cmp. ckpt_iter_42000.pth.tar" in said
        and "https://" in said
    )

    torch.save({"unet.conv_in.weight": torch.zeros(320, 8, 3, 3)}, tmp_path / "other.pth")
    assert motion("--cmp", str(tmp_path / "other.pth")) == 3
    assert "other.pth: " in (said := capsys.readouterr().err) and "ckpt_iter_42000" in said
    assert motion("--cmp", str(tmp_path / "none.pth")) == 3
    assert "none.pth: cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "field.npz").exists()


def test_a_mask_says_where_the_person_is(motion, tmp_path, capsys):
    mask = torch.zeros(3, 256, 144)
    mask[:, :128] = 1
    write_image(tmp_path / "mask.png", mask)

    assert motion("--mask", str(tmp_path / "mask.png")) == 0
    assert "the person covers 50 % of the image (mask given)" in capsys.readouterr().out
