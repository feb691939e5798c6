"""The two layouts of the same UNet name the same tensors."""

from __future__ import annotations

import pytest

from dispose_core.checkpoints.key_maps import from_comfyui, rename_keys, to_comfyui
from dispose_core.errors import CheckpointError
from tests.tiny_nets import manifest


@pytest.fixture(scope="module")
def ours() -> dict[str, tuple[int, ...]]:
    return manifest("mimicmotion_unet_posenet", "unet.")


@pytest.fixture(scope="module")
def theirs() -> dict[str, tuple[int, ...]]:
    return manifest("comfyui_svd_unet")


def test_diffusers_keys_become_comfyuis_with_equal_shapes(ours, theirs):
    assert len(ours) == 1428
    assert rename_keys(ours, to_comfyui) == theirs


def test_comfyui_keys_become_diffusers_with_equal_shapes(ours, theirs):
    assert rename_keys(theirs, from_comfyui) == ours


def test_renaming_there_and_back_is_the_same_key(ours, theirs):
    assert [from_comfyui(to_comfyui(key)) for key in ours] == list(ours)
    assert [to_comfyui(from_comfyui(key)) for key in theirs] == list(theirs)


def test_the_first_upsampler_stands_one_place_earlier():
    assert to_comfyui("up_blocks.0.upsamplers.0.conv.bias") == "output_blocks.2.1.conv.bias"
    assert to_comfyui("up_blocks.1.upsamplers.0.conv.bias") == "output_blocks.5.2.conv.bias"


def test_values_are_handed_on_and_not_copied():
    value = object()

    assert rename_keys({"conv_in.weight": value}, to_comfyui)["input_blocks.0.0.weight"] is value


@pytest.mark.parametrize(
    "key",
    [
        "down_blocks.0.resnets.0.conv1.weight",  # of SD 1.5: no spatial_res_block
        "pose_net.scale",
        "conv_in",
        "",
    ],
)
def test_a_key_of_no_svd_unet_is_refused(key):
    with pytest.raises(CheckpointError, match="no tensor of this name"):
        to_comfyui(key)


def test_two_keys_of_one_tensor_are_refused():
    with pytest.raises(CheckpointError, match="1 keys name the same tensor as another key"):
        rename_keys({"a.weight": 1, "b.weight": 2}, lambda key: "conv_in.weight")
