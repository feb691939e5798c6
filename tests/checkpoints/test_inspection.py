"""What files of every kind are said to be, and whether they are whole."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dispose_core.checkpoints.inspect import inspect_file
from dispose_core.checkpoints.registry import (
    CMP,
    DISPOSE,
    DWPOSE_PROGRAM,
    MIMICMOTION,
    ONNX,
    SVD_COMFYUI,
    TORCHSCRIPT,
    YOLOX_PROGRAM,
)
from dispose_core.checkpoints.state_dict import open_weights
from dispose_core.cli import main
from dispose_core.errors import CheckpointError
from tests.rule_weights import rule_state
from tests.tiny_nets import manifest
from tests.weight_files import write_hollow

TINY_POSE = manifest("tiny_vae_clip_posenet", "pose_net.")


def message(fields: list[tuple[int, bytes | int]]) -> bytes:
    """A protobuf message."""

    def number(value: int) -> bytes:
        low, rest = value & 127, value >> 7
        return bytes([low | 128]) + number(rest) if rest else bytes([low])

    return b"".join(
        number(key << 3) + number(value)
        if isinstance(value, int)
        else number(key << 3 | 2) + number(len(value)) + value
        for key, value in fields
    )


def onnx(takes: dict, gives: dict) -> bytes:
    def value(name: str, shape: tuple) -> bytes:
        sides = message([(1, message([(1, side)] if side else [(2, b"N")])) for side in shape])
        kind = message([(1, message([(1, 1), (2, sides)]))])
        return message([(1, name.encode()), (2, kind)])

    graph = [(11, value(*item)) for item in takes.items()]
    graph += [(12, value(*item)) for item in gives.items()]
    return message([(1, 8), (2, b"test"), (7, message(graph))])


YOLOX = onnx({"images": (1, 3, 640, 640)}, {"output": (1, 8400, 85)})
DWPOSE = onnx({"input": (None, 3, 384, 288)}, {"simcc_x": (None, 133, 576), "y": (None, 133, 768)})


class Dark(torch.nn.Module):
    """Names as YOLOX has them."""

    def __init__(self):
        super().__init__()
        self.dark5 = torch.nn.Linear(2, 2)

    def forward(self, x):
        return self.dark5(x)


@pytest.mark.parametrize(
    ("kind", "folder", "shapes"),
    [
        (CMP, "dispose", manifest("cmp")),
        (DISPOSE, "controlnet", manifest("controlnet")),
        pytest.param(
            MIMICMOTION,
            "diffusion_models",
            manifest("mimicmotion_unet_posenet"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            SVD_COMFYUI,
            "diffusion_models",
            manifest("comfyui_svd_unet"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_released_files_are_complete_and_know_their_folder(tmp_path, kind, folder, shapes):
    found = inspect_file(write_hollow(tmp_path / "x.safetensors", shapes))

    assert (found.architecture, found.architecture.folder, found.complete) == (kind, folder, True)
    assert found.tensors == len(shapes) and found.dtypes == {"float16": len(shapes)}


def test_what_is_missing_misshapen_and_too_much_is_listed(tmp_path):
    shapes = manifest("cmp")
    first, second = list(shapes)[:2]
    del shapes[first]
    shapes[second] = (7, 7)
    shapes["module.more"] = (1,)
    found = inspect_file(write_hollow(tmp_path / "x.safetensors", shapes))

    assert not found.complete
    assert found.missing == (first.removeprefix("module."),)
    assert found.misshapen[0].startswith(f"{second.removeprefix('module.')} (7, 7), needed ")
    assert found.unexpected == ("more",) and "1 missing" in found.faults


def test_mimicmotion_is_whole_with_both_its_networks(tmp_path):
    shapes = {
        **{f"unet.{k}": shape for k, shape in manifest("tiny_unet", "unet.").items()},
        **{f"pose_net.{k}": shape for k, shape in TINY_POSE.items()},
    }
    assert inspect_file(write_hollow(tmp_path / "x.safetensors", shapes)).complete
    last = f"pose_net.{list(TINY_POSE)[-1]}"
    half = {key: shape for key, shape in shapes.items() if key != last}
    assert inspect_file(write_hollow(tmp_path / "x.safetensors", half)).complete is False
    sizeless = {key: s for key, s in shapes.items() if not key.startswith("unet.conv_in")}
    found = inspect_file(write_hollow(tmp_path / "x.safetensors", sizeless))
    assert found.complete is False and "conv_in.weight is missing" in found.faults


def test_dispose_without_the_embedding_that_mimicmotion_lends_is_complete(tmp_path):
    shapes = {k: v for k, v in manifest("tiny_controlnet").items() if "add_embedding." not in k}
    assert len(shapes) < len(manifest("tiny_controlnet"))
    found = inspect_file(write_hollow(tmp_path / "x.safetensors", shapes))

    assert found.architecture is DISPOSE and found.complete


def test_what_lies_beside_the_weights_and_metadata_are_told(tmp_path):
    pose = rule_state(manifest("tiny_vae_clip_posenet", "pose_net."), "pose_net.", 2**0.5)
    torch.save({"state_dict": pose, "step": 42000, "optimizer": {}}, tmp_path / "x.pth")
    save_file(pose, tmp_path / "x.safetensors", metadata={"author": "me"})

    found = inspect_file(tmp_path / "x.pth")
    assert found.left_out == ("step", "optimizer") and found.format == "PyTorch"
    assert inspect_file(tmp_path / "x.safetensors").metadata == {"author": "me"}
    assert found.parameters == sum(value.numel() for value in pose.values())


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (YOLOX, YOLOX_PROGRAM),
        (DWPOSE, DWPOSE_PROGRAM),
        (onnx({"x": (1, 3)}, {"y": (1, 1000)}), ONNX),
    ],
)
def test_onnx_models_are_told_by_what_they_take_and_give(tmp_path, content, kind):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    found = inspect_file(path)

    assert found.architecture is kind and found.format == "ONNX" and found.inputs
    assert found.architecture.folder == ("detection" if kind is not ONNX else None)
    with pytest.raises(CheckpointError, match="as ONNX: a program, not plain weights"):
        open_weights(path)


def test_a_cut_onnx_model_says_so(tmp_path):
    (tmp_path / "x.onnx").write_bytes(YOLOX[:-5])
    with pytest.raises(CheckpointError, match=r"x\.onnx: a damaged or cut-off ONNX file"):
        inspect_file(tmp_path / "x.onnx")


def test_torchscript_is_told_without_running_it(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Dark()).save(str(tmp_path / "yolox.pt"))
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "other.pt"))

    assert inspect_file(tmp_path / "yolox.pt").architecture is YOLOX_PROGRAM
    assert inspect_file(tmp_path / "other.pt").architecture is TORCHSCRIPT


@pytest.mark.parametrize(
    ("beside", "content", "message"),
    [
        ("x.pth.aria2", b"PK\x03\x04", "the download is not finished"),
        ("x.pth.part", b"", "the download is not finished"),
        ("x.pth.crdownload", None, r"cannot be read.*crdownload exists"),
    ],
)
def test_half_a_download_is_told_by_what_lies_beside_it(tmp_path, beside, content, message):
    (tmp_path / beside).write_bytes(b"..")
    if content is not None:
        (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        inspect_file(tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="the suffix marks an unfinished download"):
        inspect_file(tmp_path / beside)


def test_the_command_speaks_to_people_and_to_programs(tmp_path, capsys):
    path = write_hollow(tmp_path / "cmp.safetensors", manifest("cmp"))

    assert main(["inspect", str(path)]) == 0
    assert "belongs into models/dispose" in capsys.readouterr().out
    assert main(["inspect", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "cmp" and told["complete"] is True and told["tensors"] == 455
    assert main(["inspect", str(Path(__file__))]) == 3
    assert "text or JSON" in capsys.readouterr().err
