"""Networks from files: the official ones' keys, their variants, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from dispose_core.checkpoints.architectures.cmp import load_cmp
from dispose_core.checkpoints.architectures.dispose import load_dispose
from dispose_core.checkpoints.architectures.mimicmotion import load_pose_net, load_unet
from dispose_core.checkpoints.key_maps import rename_keys, to_comfyui
from dispose_core.errors import CheckpointError
from tests.rule_weights import rule_state
from tests.tiny_nets import (
    TINY_HEAD,
    below,
    controlnet_state,
    make_controlnet,
    make_unet,
    manifest,
    tiny_inputs,
)
from tests.weight_files import tiny_mimicmotion, write_hollow

REAL_POSE_NET = (
    Path(__file__).parents[3] / "shared" / "reference" / "mimic_motion_pose_net.safetensors"
)


STATUS = Path("/proc/self/status")


def anonymous_megabytes() -> float:
    """Memory of this process that is not a file's."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


@pytest.fixture(scope="module")
def mimicmotion() -> dict:
    return tiny_mimicmotion()


@pytest.fixture(scope="module")
def cmp_state() -> dict:
    """CMP's 455 tensors with the published file's keys."""
    return rule_state(manifest("cmp"), gain=1.25)


def prediction(net) -> torch.Tensor:
    inputs = tiny_inputs("tun")
    constants = net.constants(inputs["context"], inputs["ids"], 3)
    return net(inputs["sample"], inputs["timestep"], constants)


def saved(path: Path, state: dict) -> Path:
    if path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def tiny_dispose(path: Path, **options):
    return load_dispose(path, head_channels=TINY_HEAD, **options)


def tiny_unet(path: Path, **options):
    return load_unet(path, head_channels=TINY_HEAD, **options)


def same_weights(net: torch.nn.Module, expected: torch.nn.Module) -> None:
    found, wanted = net.state_dict(), expected.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


# Full-size files with exactly the official keys


def test_dispose_of_the_released_size_loads_with_no_key_left_over(tmp_path):
    shapes = manifest("controlnet")
    parts = load_dispose(write_hollow(tmp_path / "DisPose.safetensors", shapes))

    assert len(shapes) == 705
    assert parts.controlnet.conv_in.weight.shape == (320, 8, 3, 3)
    assert parts.controlnet.dtype == torch.float16
    assert parts.motion_encoder.conv_final.weight.shape == (320, 320, 3, 3)
    assert [level.mlp[2].out_features for level in parts.point_adapter.model_list] == [
        320, 640, 1280, 1280,
    ]  # fmt: skip
    assert [block.attentions[0].transformer_blocks[0].attn1.heads
            for block in parts.controlnet.down_blocks[:3]] == [5, 10, 20]  # fmt: skip


@pytest.mark.slow  # released size
@pytest.mark.skipif(not STATUS.exists(), reason="needs /proc to see what memory is used")
def test_loading_as_the_file_has_it_takes_no_memory(tmp_path):
    path = write_hollow(tmp_path / "DisPose.safetensors", manifest("controlnet"))  # 1.4 GB
    before = anonymous_megabytes()
    parts = load_dispose(path)

    assert anonymous_megabytes() - before < 100
    del parts


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="needs /proc to see what memory is used")
def test_a_network_is_never_in_memory_twice(tmp_path):
    path = write_hollow(tmp_path / "DisPose.safetensors", manifest("controlnet"))
    # In a process of its own: memory that other tests gave back would be used again unseen.
    peak = subprocess.run(
        [sys.executable, "-c", WATCHED_LOAD, str(path)],
        cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip

    assert 1200 < float(peak) < 1500  # 685 M parameters of two bytes


WATCHED_LOAD = """
import sys, threading, torch
from dispose_core.checkpoints.architectures.dispose import load_dispose
from tests.checkpoints.test_checkpoints import anonymous_megabytes

before, peak, done = anonymous_megabytes(), [0.0], threading.Event()

def watch():
    while not done.wait(0.005):
        peak[0] = max(peak[0], anonymous_megabytes() - before)

watcher = threading.Thread(target=watch)
watcher.start()
parts = load_dispose(sys.argv[1], dtype=torch.bfloat16)
done.set()
watcher.join()
assert parts.controlnet.dtype == torch.bfloat16
print(peak[0])
"""


@pytest.mark.slow  # released size
def test_mimicmotion_of_the_released_size_loads_with_no_key_left_over(tmp_path):
    shapes = manifest("mimicmotion_unet_posenet")
    path = write_hollow(tmp_path / "MimicMotion_1-1.safetensors", shapes)

    assert len(shapes) == 1447
    assert load_unet(path).conv_out.weight.shape == (4, 320, 3, 3)
    assert load_pose_net(path).final_proj.weight.shape == (320, 128, 1, 1)


@pytest.mark.slow  # released size
def test_a_merged_unet_of_the_released_size_loads(tmp_path):
    shapes = manifest("mimicmotion_unet_posenet", "unet.")

    assert load_unet(write_hollow(tmp_path / "merged.safetensors", shapes)).dtype == torch.float16


@pytest.mark.slow  # released size
def test_one_lost_key_of_the_released_file_is_named(tmp_path):
    shapes = manifest("controlnet")
    del shapes["controlnet_down_blocks.7.bias"]

    with pytest.raises(CheckpointError, match=r"1 missing: controlnet_down_blocks\.7\.bias"):
        load_dispose(write_hollow(tmp_path / "DisPose.safetensors", shapes))


@pytest.mark.skipif(not REAL_POSE_NET.exists(), reason="the released PoseNet is not at hand")
def test_the_released_pose_net_loads():
    net = load_pose_net(REAL_POSE_NET)

    assert net.scale.item() == pytest.approx(1.1279, abs=1e-4)
    assert net.scale.dtype == torch.float16


# Variants


@pytest.mark.parametrize("name", ["DisPose.pth", "DisPose.safetensors"])
def test_dispose_gets_the_files_weights(tmp_path, name):
    parts = tiny_dispose(saved(tmp_path / name, controlnet_state()))

    same_weights(parts.controlnet, make_controlnet())
    for net, prefix in (
        (parts.motion_encoder, "controlnet_cond_embedding."),
        (parts.point_adapter, "point_adapter."),
    ):
        state = below(controlnet_state(), prefix)
        assert net.state_dict().keys() == state.keys()
        assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert not any(p.requires_grad for p in parts.motion_encoder.parameters())


def test_dispose_without_added_ids_takes_the_unets(tmp_path):
    state = {k: v for k, v in controlnet_state().items() if not k.startswith("add_embedding.")}
    path = saved(tmp_path / "DisPose.pth", state)
    unet = make_unet()

    parts = tiny_dispose(path, add_embedding=unet.add_embedding.state_dict())
    same_weights(parts.controlnet.add_embedding, unet.add_embedding)
    with pytest.raises(CheckpointError, match=r"contains no add_embedding.*Load MimicMotion first"):
        tiny_dispose(path)


def test_dispose_trained_in_parallel_loads(tmp_path):
    state = {f"module.{key}": value for key, value in controlnet_state().items()}

    same_weights(tiny_dispose(saved(tmp_path / "DisPose.pth", state)).controlnet, make_controlnet())


@pytest.mark.parametrize(
    ("variant", "suffix"),
    [
        ("whole", ".pth"),
        ("whole", ".safetensors"),
        ("with vae and clip", ".pth"),
        ("prefixed", ".safetensors"),
        ("merged", ".safetensors"),
        ("comfyui", ".safetensors"),
        ("comfyui prefixed", ".safetensors"),
    ],
)
def test_the_unet_loads_from_every_layout(tmp_path, mimicmotion, variant, suffix):
    unet = below(mimicmotion, "unet.")
    others = {"vae.encoder.conv_in.weight": torch.ones(2), "image_encoder.x": torch.ones(2)}
    comfyui = rename_keys(unet, to_comfyui)
    state = {
        "whole": mimicmotion,
        "with vae and clip": {**mimicmotion, **others},
        "prefixed": {f"unet.{k}": v for k, v in unet.items()},
        "merged": unet,
        "comfyui": comfyui,
        "comfyui prefixed": {f"model.diffusion_model.{k}": v for k, v in comfyui.items()},
    }[variant]

    same_weights(tiny_unet(saved(tmp_path / f"unet{suffix}", state)), make_unet())


def test_a_loaded_unet_predicts_as_the_one_it_was_saved_from(tmp_path, mimicmotion):
    net = tiny_unet(saved(tmp_path / "m.safetensors", mimicmotion))

    assert_close(prediction(net), prediction(make_unet()), atol=1e-6, rtol=0)


def test_the_pose_net_loads_alone_and_from_the_whole_file(tmp_path, mimicmotion):
    pose = below(mimicmotion, "pose_net.")
    alone = load_pose_net(saved(tmp_path / "p.safetensors", pose))
    inside = load_pose_net(saved(tmp_path / "m.pth", mimicmotion))

    same_weights(alone, inside)
    assert torch.equal(alone.scale, pose["scale"])


def test_an_fp16_file_runs_in_fp16_unless_told_otherwise(tmp_path, mimicmotion):
    halves = {key: value.half() for key, value in mimicmotion.items()}
    path = saved(tmp_path / "m.safetensors", halves)

    assert tiny_unet(path).dtype == torch.float16
    assert tiny_unet(path, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_a_file_of_mixed_precision_runs_in_one(tmp_path, mimicmotion):
    mixed = {k: v.half() if "attn" in k else v for k, v in mimicmotion.items()}
    net = tiny_unet(saved(tmp_path / "m.safetensors", mixed))

    assert {p.dtype for p in net.state_dict().values()} == {torch.float32}


def test_fp8_storage_is_computed_in_float32(tmp_path, mimicmotion):
    small = {key: value.to(torch.float8_e4m3fn) for key, value in mimicmotion.items()}

    assert tiny_unet(saved(tmp_path / "m.safetensors", small)).dtype == torch.float32


@pytest.mark.parametrize(
    ("variant", "suffix"),
    [
        ("published", ".pth.tar"),
        ("published", ".safetensors"),
        ("bare", ".pth"),
        ("bare", ".safetensors"),
        ("legacy", ".pth.tar"),
    ],
)
def test_cmp_gets_the_files_weights_from_every_layout(tmp_path, cmp_state, variant, suffix):
    path, bare = tmp_path / f"cmp{suffix}", below(cmp_state, "module.")
    # What it was trained with lies beside the weights.
    training = {"step": 42000, "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.ones(2)}}}}
    if variant == "legacy":  # as PyTorch wrote when CMP was published
        whole = {"state_dict": cmp_state, **training}
        torch.save(whole, path, _use_new_zipfile_serialization=False)
    elif variant == "published" and suffix == ".pth.tar":
        saved(path, {"state_dict": cmp_state, **training})
    else:
        saved(path, cmp_state if variant == "published" else bare)

    net = load_cmp(path)

    state = net.state_dict()
    assert len(state) == 455
    assert state.keys() == bare.keys()
    assert all(torch.equal(state[key], bare[key]) for key in bare)
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_cmp_in_fp16_loads_as_it_is(tmp_path):
    path = write_hollow(tmp_path / "cmp.safetensors", manifest("cmp"))

    assert load_cmp(path).dtype == torch.float16


# What is refused


def test_what_of_cmp_does_not_fit_is_listed(tmp_path, cmp_state):
    state = dict(cmp_state)
    state["module.flow_decoder.heads.bias"] = state.pop("module.flow_decoder.head.bias")
    state["module.image_encoder.conv1.weight"] = torch.zeros(64, 3, 3, 3)

    with pytest.raises(CheckpointError) as caught:
        load_cmp(saved(tmp_path / "cmp.pth", {"state_dict": state}))
    text = str(caught.value)
    assert "1 missing: flow_decoder.head.bias" in text
    assert "1 unexpected: flow_decoder.heads.bias" in text
    assert (
        "1 of another shape: image_encoder.conv1.weight (64, 3, 3, 3), needed (64, 3, 7, 7)" in text
    )


def test_cmp_cut_off_is_refused(tmp_path, cmp_state):
    path = saved(tmp_path / "cmp.pth.tar", {"state_dict": cmp_state})
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size // 2)

    with pytest.raises(CheckpointError, match=r"cmp\.pth\.tar: the file is cut off"):
        load_cmp(path)


def test_quantised_cmp_is_refused_though_it_counts_in_integers(tmp_path, cmp_state):
    state = {**cmp_state, "module.flow_decoder.head.weight": torch.ones(198, 64, 1, 1).char()}

    with pytest.raises(CheckpointError, match=r"1 not stored as .*: flow_decoder\.head\.weight"):
        load_cmp(saved(tmp_path / "cmp.pth", state))


def swapped() -> dict[str, dict]:
    return {
        "DisPose": controlnet_state(),
        "UNet": below(tiny_mimicmotion(), "unet."),
        "PoseNet": below(tiny_mimicmotion(), "pose_net."),
        "SD 1.5": {
            key: torch.zeros(768, 768) if "attn2.to_k" in key else value
            for key, value in rule_state(manifest("tiny_dift_unet", "dift_unet.")).items()
        },
    }


@pytest.mark.parametrize(
    ("load", "given", "message"),
    [
        (load_dispose, "UNet", "this is an SVD-class UNet.*Needed is DisPose's ControlNet"),
        (load_dispose, "PoseNet", "this is MimicMotion's PoseNet.*Needed is DisPose's"),
        (load_dispose, "SD 1.5", "this is a Stable Diffusion 1.5"),
        (load_unet, "DisPose", "this is DisPose's ControlNet.*Needed is MimicMotion"),
        (load_unet, "PoseNet", "this is MimicMotion's PoseNet.*or an SVD-class UNet"),
        (load_unet, "SD 1.5", "this is a Stable Diffusion 1.5"),
        (load_pose_net, "DisPose", "this is DisPose's.*Needed is MimicMotion's PoseNet"),
        (load_cmp, "DisPose", "this is DisPose's ControlNet.*Needed is CMP"),
        (load_cmp, "PoseNet", "this is MimicMotion's PoseNet.*Needed is CMP.*pth.tar"),
        (load_pose_net, "UNet", "this is an SVD-class UNet.*Needed is MimicMotion's PoseNet"),
    ],
)
def test_swapped_files_are_recognised(tmp_path, load, given, message):
    path = saved(tmp_path / "file.safetensors", swapped()[given])

    with pytest.raises(CheckpointError, match=message):
        load(path)


def test_all_that_does_not_fit_is_listed(tmp_path):
    state = dict(controlnet_state())
    del state["conv_in.bias"], state["point_adapter.model_list.1.mlp.0.bias"]
    state["surprise"] = torch.zeros(1)
    state["controlnet_mid_block.bias"] = torch.zeros(7)

    with pytest.raises(CheckpointError) as caught:
        tiny_dispose(saved(tmp_path / "DisPose.pth", state))
    text = str(caught.value)
    assert "2 missing" in text and "conv_in.bias" in text
    assert "point_adapter.model_list.1.mlp.0.bias" in text
    assert "1 unexpected: surprise" in text
    assert "1 of another shape: controlnet_mid_block.bias (7,), needed (128,)" in text


def test_a_key_that_sizes_are_read_from_is_named_when_it_is_missing(tmp_path, mimicmotion):
    state = {key: value for key, value in mimicmotion.items() if key != "unet.conv_in.weight"}

    with pytest.raises(CheckpointError, match=r"m\.pth: .*conv_in\.weight is missing"):
        tiny_unet(saved(tmp_path / "m.pth", state))


def test_encoders_of_no_size_are_refused(tmp_path):
    state = dict(controlnet_state())
    state["point_adapter.model_list.0.mlp.0.weight"] = torch.zeros(128)

    with pytest.raises(CheckpointError, match="no PointAdapter has the sizes"):
        tiny_dispose(saved(tmp_path / "DisPose.pth", state))


def test_strangers_in_mimicmotion_are_refused(tmp_path, mimicmotion):
    state = {**mimicmotion, "text_model.x": torch.zeros(1)}

    with pytest.raises(CheckpointError, match=r"1 unexpected: text_model\.x"):
        tiny_unet(saved(tmp_path / "m.pth", state))


def test_quantised_weights_are_refused(tmp_path, mimicmotion):
    state = {k: v.char() if k == "unet.conv_out.weight" else v for k, v in mimicmotion.items()}

    with pytest.raises(CheckpointError, match=r"1 not stored as floating point: conv_out\.weight"):
        tiny_unet(saved(tmp_path / "m.safetensors", state))
