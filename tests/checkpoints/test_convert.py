"""Weights of any layout as safetensors: the same numbers under the keys that loaders want."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from dispose_core.checkpoints.architectures.mimicmotion import load_pose_net, load_unet
from dispose_core.checkpoints.convert import convert_file
from dispose_core.checkpoints.inspect import inspect_file
from dispose_core.checkpoints.registry import CMP
from dispose_core.cli import main
from dispose_core.errors import CheckpointError
from tests.rule_weights import rule_state
from tests.tiny_nets import TINY_HEAD, manifest
from tests.weight_files import tiny_mimicmotion, write_hollow


@pytest.fixture(scope="module")
def pose() -> dict:
    return rule_state(manifest("tiny_vae_clip_posenet", "pose_net."), "pose_net.", 2**0.5)


def test_the_published_cmp_file_becomes_plain_weights(tmp_path):
    # Each tensor has a number of its own; those of batch norms that count are whole.
    state = {
        key: torch.full(shape, i) if key.endswith("tracked") else torch.full(shape, float(i))
        for i, (key, shape) in enumerate(manifest("cmp", "module.").items())
    }
    source, output = tmp_path / "cmp.pth.tar", tmp_path / "cmp.safetensors"
    wrapped = {f"module.{key}": value for key, value in state.items()}
    torch.save(
        {"step": 42000, "state_dict": wrapped, "optimizer": {"state": {}}},
        source,
        _use_new_zipfile_serialization=False,
    )

    assert convert_file(source, output, torch.float16) is CMP
    found = inspect_file(output)
    assert found.complete and found.metadata == {"format": "pt"} and not found.left_out
    assert set(found.dtypes) == {"int64", "float16"}
    tensors = load_file(output)
    assert tensors.keys() == state.keys()
    for key, value in state.items():
        expected = value.half() if value.is_floating_point() else value
        assert_close(tensors[key], expected, atol=0, rtol=0)
        assert tensors[key].data_ptr() % tensors[key].element_size() == 0


def test_a_converted_unet_loads_and_equals(tmp_path):
    state = tiny_mimicmotion()
    torch.save(state, tmp_path / "mm.pth")
    convert_file(tmp_path / "mm.pth", tmp_path / "mm.safetensors")

    load_unet(tmp_path / "mm.safetensors", head_channels=TINY_HEAD)
    found = load_file(tmp_path / "mm.safetensors")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], value) for key, value in state.items())


@pytest.mark.parametrize(("name", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_numbers_are_rounded_and_whole_numbers_stay(tmp_path, pose, name, dtype):
    state = {key: value.float() for key, value in pose.items()}
    counted = next(key for key in state if key.endswith("bias"))
    torch.save(state, tmp_path / "x.pth")
    assert main([
        "convert", str(tmp_path / "x.pth"), "-o", str(tmp_path / "y.safetensors"),
        "--dtype", name, "--json",
    ]) == 0  # fmt: skip

    found = load_file(tmp_path / "y.safetensors")
    assert found[counted].dtype is dtype
    for key, value in state.items():
        assert_close(found[key], value.to(dtype), atol=0, rtol=0)
    assert load_pose_net(tmp_path / "y.safetensors").state_dict().keys() == state.keys()


def test_a_number_too_large_for_fp16_is_refused_and_nothing_written(tmp_path, pose):
    key = next(iter(pose))
    state = {**pose, key: torch.full_like(pose[key], 70000.0)}
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=rf"{key} holds values up to 7e\+04.*bf16 or fp32"):
        convert_file(tmp_path / "x.pth", tmp_path / "y.safetensors", torch.float16)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]


def test_the_input_is_never_overwritten(tmp_path, pose):
    source = tmp_path / "x.safetensors"
    torch.save(pose, source)
    before = source.read_bytes()
    (tmp_path / "same.safetensors").hardlink_to(source)

    for output in (source, tmp_path / "." / "x.safetensors", tmp_path / "same.safetensors"):
        with pytest.raises(CheckpointError, match="the output is the input file"):
            convert_file(source, output)
    with pytest.raises(CheckpointError, match=r"must end in \.safetensors"):
        convert_file(source, tmp_path / "y.pth")
    assert source.read_bytes() == before


def test_unknown_and_incomplete_weights_are_refused(tmp_path, pose):
    torch.save({"blk.0": torch.zeros(3)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"does not know \(its first tensor is blk\.0\)"):
        convert_file(tmp_path / "x.pth", tmp_path / "y.safetensors")
    torch.save({**pose, "more": torch.zeros(3)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"incomplete\. 1 unexpected: more"):
        convert_file(tmp_path / "x.pth", tmp_path / "y.safetensors")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see memory")
def test_a_file_of_a_gigabyte_takes_a_fraction_of_it(tmp_path):
    source = write_hollow(tmp_path / "DisPose.safetensors", manifest("controlnet"))  # 1.4 GB
    # Anonymous memory at its peak; the pages of the mapped files are the system's to drop.
    script = (
        "import sys, threading, time, torch\n"
        "from dispose_core.checkpoints.convert import convert_file\n"
        "def anonymous():\n"
        "    lines = open('/proc/self/status')\n"
        "    return next(int(l.split()[1]) for l in lines if l.startswith('RssAnon')) >> 10\n"
        "start, peak = anonymous(), [0]\n"
        "def tick(done, total): peak[0] = max(peak[0], anonymous())\n"
        "convert_file(sys.argv[1], sys.argv[2], torch.bfloat16, tick)\n"
        "print(peak[0] - start)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, source, tmp_path / "y.safetensors"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip

    assert int(done.stdout) < 200  # MB of 1400
