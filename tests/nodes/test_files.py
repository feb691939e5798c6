"""Folders of weights, what a combo shows, and what a missing file is answered with."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

PUBLISHED = {"dispose": {".safetensors", ".tar"}}  # endings of the files that belong there
OURS = ("diffusion_models", "controlnet", "checkpoints", "dispose", "detection")


@pytest.fixture
def files(pack):
    return importlib.import_module("dispose_pack.nodes.comfy_adapters.files")


@pytest.fixture
def models(pack, tmp_path, monkeypatch):
    """An empty models folder that ComfyUI looks into, and nowhere else."""
    import folder_paths

    places = {
        name: ([str(tmp_path / name)], set(extensions))
        for name, (_, extensions) in folder_paths.folder_names_and_paths.items()
    }
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", places)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    return tmp_path


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_loading_the_pack_registers_its_folders_and_creates_none(pack):
    import folder_paths

    for name in ("dispose", "detection"):
        expected = os.path.join(folder_paths.models_dir, name)
        assert expected in folder_paths.get_folder_paths(name)
        assert not os.path.exists(expected)


def test_folders_that_are_known_keep_their_places_and_their_order(files, models):
    import folder_paths

    elsewhere = str(models / "elsewhere")
    folder_paths.folder_names_and_paths["dispose"] = ([elsewhere], {".safetensors"})
    files.register_folders()
    files.register_folders()

    assert folder_paths.folder_names_and_paths["dispose"] == (
        [elsewhere, str(models / "dispose")],
        {".safetensors", *PUBLISHED["dispose"]},
    )


def test_files_that_comfyui_does_not_list_in_its_own_folder_are_listed(files, models):
    """ComfyUI from 0.22 on registers `detection` with the set of endings that all folders share."""
    import folder_paths

    shared = {".safetensors", ".pth"}
    for name in OURS:
        folder_paths.folder_names_and_paths[name] = ([str(models / name)], shared)
    put(models / "detection" / "renamed.onnx")
    files.register_folders()

    assert files.weight_files("detection", "yolox") == ["renamed.onnx"]
    assert shared == {".safetensors", ".pth"}
    for name in ("diffusion_models", "controlnet", "checkpoints"):
        assert folder_paths.folder_names_and_paths[name][1] is shared


@pytest.mark.parametrize(
    ("folder", "role", "name"),
    [("dispose", "cmp", "ckpt_iter_42000.pth.tar"), ("detection", "yolox", "yolox_l.onnx")],
)
def test_without_weights_the_published_name_is_only_the_default(files, models, folder, role, name):
    put(models / folder / "put_weights_here")
    put(models / folder / "readme.txt")
    assert files.weight_choice(folder, role) == {"options": [], "default": name}
    put(models / folder / "mine.safetensors")
    mine = ["mine.safetensors"]
    assert files.weight_choice(folder, role) == {"options": mine, "default": mine[0]}


def test_what_the_input_is_for_comes_first(files, models):
    for name in ("a.onnx", "dw-ll_ucoco_384.onnx", "yolox_l.onnx", "sub/yolox_l.torchscript.pt"):
        put(models / "detection" / name)
    inside = os.path.join("sub", "yolox_l.torchscript.pt")

    assert files.weight_files("detection", "yolox") == [
        "yolox_l.onnx", inside, "a.onnx", "dw-ll_ucoco_384.onnx",
    ]  # fmt: skip
    assert files.weight_files("detection", "dwpose")[0] == "dw-ll_ucoco_384.onnx"


def test_files_of_several_places_are_found(files, models):
    import folder_paths

    elsewhere = models / "elsewhere"
    folder_paths.add_model_folder_path("dispose", str(elsewhere))
    first = put(models / "dispose" / "ckpt_iter_42000.pth.tar")
    second = put(elsewhere / "in" / "pose.safetensors")
    name = os.path.join("in", "pose.safetensors")

    assert files.weight_files("dispose") == ["ckpt_iter_42000.pth.tar", name]
    assert files.weight_path("dispose", "ckpt_iter_42000.pth.tar") == first
    assert files.weight_path("dispose", name) == second
    assert files.problem_with_weights("dispose", name) is None


def test_a_missing_file_is_answered_with_its_folder_and_its_source(files, models):
    message = files.problem_with_weights("controlnet", "DisPose.pth")

    assert message.startswith("DisPose.pth: not found in models/controlnet. ")
    assert "https://huggingface.co/lihxxx/DisPose" in message and "press R" in message
    gated = files.problem_with_weights("checkpoints", "svd_xt_1_1.safetensors")
    assert "once its licence is accepted" in gated


def test_a_missing_file_of_another_name_is_answered_with_the_folders_own(files, models):
    message = files.problem_with_weights("detection", "my.onnx")

    assert "yolox_l.onnx (" in message and "dw-ll_ucoco_384.onnx (" in message
    assert "torchscript" not in message  # one file a role


@pytest.mark.parametrize("name", ["../secret.onnx", "/etc/passwd", ""])
def test_a_name_cannot_lead_out_of_the_folder(files, models, name):
    put(models / "secret.onnx")

    assert "not found in" in files.problem_with_weights("detection", name)
