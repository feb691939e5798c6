"""Model files found by role, and what is said of those that are missing or wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dispose_core.errors import CheckpointError
from dispose_core.pipeline.config import RunConfig, with_values
from dispose_core.pipeline.model_files import find_model_files, needed_files
from dispose_core.pipeline.plan import resolve, stage_bytes


@pytest.fixture
def copied(models, tmp_path) -> Path:
    """The models folder, to be changed but not written into; without SD 1.5."""
    left_out = shutil.ignore_patterns("checkpoints")
    shutil.copytree(models, tmp_path / "models", ignore=left_out, copy_function=os.link)
    return tmp_path / "models"


WITHOUT_POINTS = RunConfig(point_strength=0.0)


def test_files_are_found_by_name_and_by_content(models):
    settings = RunConfig(models=models)
    files = find_model_files(settings)

    mimicmotion = models / "diffusion_models" / "MimicMotion_1-1.pth"
    assert files.faults == {} and files.paths == {
        "unet": mimicmotion,
        "pose_net": mimicmotion,
        "dispose": models / "controlnet" / "DisPose.safetensors",
        "svd": models / "diffusers" / "svd",
        "sd15": models / "checkpoints" / "my_favourite.safetensors",
    }
    resolved = resolve(with_values(settings, {"device": "cpu"}, "test"), files)
    assert (resolved.unet, resolved.svd, resolved.cmp) == (mimicmotion, files.paths["svd"], None)
    assert (resolved.device, resolved.dtype) == ("cpu", "fp32")


def test_a_named_file_wins(copied, tmp_path):
    other = tmp_path / "other.pth"
    shutil.move(copied / "controlnet" / "DisPose.safetensors", other)

    files = find_model_files(
        with_values(WITHOUT_POINTS, {"models": copied, "dispose": other}, "test")
    )

    assert files.paths["dispose"] == other and files.faults == {}


def test_all_missing_files_are_told_at_once_with_their_sources(tmp_path):
    settings = RunConfig(models=tmp_path, densifier="cmp")
    files = find_model_files(settings)
    with pytest.raises(CheckpointError) as told:
        files.require(needed_files(settings))

    text = str(told.value)
    for name in ("unet", "pose_net", "dispose", "svd", "sd15", "cmp"):
        assert f"\n{name}: nothing found in" in text
    for words in ("diffusion_models", "tencent/MimicMotion", "lihxxx/DisPose", "accepted there",
                  "stable-diffusion-v1-5", "--pose-net", "ckpt_iter_42000"):  # fmt: skip
        assert words in text
    assert (
        "no file given. Name ComfyUI's models folder" in find_model_files(RunConfig()).faults["svd"]
    )


def test_swapped_and_half_downloaded_files_are_recognised(copied):
    folder = copied / "controlnet"
    whole = (folder / "DisPose.safetensors").read_bytes()
    settings = with_values(WITHOUT_POINTS, {"models": copied}, "test")

    (folder / "DisPose.pth").write_bytes(whole[: len(whole) // 2])
    assert "cut-off safetensors file" in find_model_files(settings).faults["dispose"]

    shutil.move(copied / "diffusion_models" / "MimicMotion_1-1.pth", folder / "DisPose.pth")
    assert "this is MimicMotion" in find_model_files(settings).faults["dispose"]

    swapped = with_values(settings, {"svd": copied / "diffusers"}, "test")
    assert "vae/config.json cannot be read" in find_model_files(swapped).faults["svd"]


def test_several_files_that_would_do_are_listed(copied):
    os.link(copied / "controlnet" / "DisPose.safetensors", copied / "controlnet" / "b.pth")
    (copied / "controlnet" / "damaged.pth").write_bytes(b"PK\x03\x04 half")

    fault = find_model_files(with_values(WITHOUT_POINTS, {"models": copied}, "test")).faults[
        "dispose"
    ]

    assert fault.startswith("2 files would do: ") and "b.pth" in fault and "--dispose" in fault


def test_memory_is_counted_from_the_files(models, tmp_path):
    files = find_model_files(RunConfig(models=models))
    unet = torch.load(files.paths["unet"], weights_only=True)
    size = sum(value.numel() for key, value in unet.items() if key.startswith("unet."))
    net = load_file(files.paths["dispose"])
    branches = ("controlnet_cond_embedding.", "point_adapter.")
    size += sum(value.numel() for key, value in net.items() if not key.startswith(branches))

    assert stage_bytes(files, torch.float16)["sampling"] == size * 2
    assert set(files.parameters) == {
        "UNet", "PoseNet", "ControlNet", "motion encoders", "VAE", "CLIP", "SD 1.5",
    }  # fmt: skip


def test_an_fp8_file_is_computed_in_float32(copied):
    path = copied / "diffusion_models" / "MimicMotion_1-1.pth"
    state = torch.load(path, weights_only=True)
    path.unlink()
    eighth = {k: v.to(torch.float8_e4m3fn) for k, v in state.items() if k.startswith("unet.")}
    save_file(eighth, path.with_name("fp8.safetensors"))
    pose = {k[9:]: v.contiguous() for k, v in state.items() if k.startswith("pose_net.")}
    save_file(pose, copied / "dispose" / "mimic_motion_pose_net.safetensors")

    files = find_model_files(with_values(WITHOUT_POINTS, {"models": copied}, "test"))

    assert files.faults == {} and files.unet_dtype == torch.float8_e4m3fn
    assert resolve(with_values(WITHOUT_POINTS, {"models": copied}, "test"), files).dtype == "fp32"


def test_a_folder_of_the_densifier_is_not_looked_for_among_the_models(tmp_path):
    config = with_values(WITHOUT_POINTS, {"densifier": "cmp"}, "test")
    assert "cmp" in needed_files(config)
    assert "cmp" not in needed_files(with_values(config, {"densifier_files": tmp_path}, "test"))


def test_an_sd15_unet_alone_is_refused_before_anything_is_loaded(tmp_path):
    prefix = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0."
    save_file({f"{prefix}attn2.to_k.weight": torch.zeros(8, 768)}, tmp_path / "unet.safetensors")

    files = find_model_files(RunConfig(sd15=tmp_path / "unet.safetensors"), ["sd15"])

    assert "but without first_stage_model. and cond_stage_model" in files.faults["sd15"]
