"""The UNet against diffusers' own, with the same random weights in networks of several sizes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from dispose_core.errors import CheckpointError
from dispose_core.models.mimicmotion import MimicMotionUNet, build_unet
from dispose_core.models.svd_sizes import SvdSizes, read_sizes

HEAD = 16
LEVELS = {
    "as released": {"channels": (32, 64, 64), "layers": (2, 2, 2), "transformers": (1, 1, 0)},
    "two layers deep": {"channels": (32, 64), "layers": (1, 2), "transformers": (2, 0)},
    "one level": {"channels": (32,), "layers": (1,), "transformers": (0,)},
    "transformers at the second level alone": {
        **{"channels": (64, 32, 96), "layers": (1, 1, 1), "transformers": (0, 1, 0)},
    },
}
CONTEXT, IDS = 24, 30


def sizes_of(name: str) -> SvdSizes:
    return SvdSizes(
        in_channels=8,
        out_channels=4,
        mid_transformers=2,
        context=CONTEXT,
        added=IDS,
        head_channels=HEAD,
        **LEVELS[name],
    )


def stock_unet(sizes: SvdSizes) -> nn.Module:
    """diffusers' UNet of the same sizes, with random weights and mixes."""
    from diffusers import UNetSpatioTemporalConditionModel

    kinds = ["CrossAttn" if depth else "" for depth in sizes.transformers]
    # diffusers gives the mid block the depth of the last level, which has no transformers here.
    depths = (*(max(depth, 1) for depth in sizes.transformers[:-1]), sizes.mid_transformers)
    torch.manual_seed(0)
    net = UNetSpatioTemporalConditionModel(
        in_channels=sizes.in_channels,
        out_channels=sizes.out_channels,
        down_block_types=tuple(f"{kind}DownBlockSpatioTemporal" for kind in kinds),
        up_block_types=tuple(f"{kind}UpBlockSpatioTemporal" for kind in reversed(kinds)),
        block_out_channels=sizes.channels,
        addition_time_embed_dim=sizes.added // 3,
        projection_class_embeddings_input_dim=sizes.added,
        layers_per_block=sizes.layers,
        cross_attention_dim=sizes.context,
        transformer_layers_per_block=depths,
        num_attention_heads=tuple(sizes.heads(channels) for channels in sizes.channels),
    )
    for key, value in net.named_parameters():
        if value.ndim == 1:
            nn.init.normal_(value, float(key.endswith("weight")), 0.5)
    return net.requires_grad_(False).eval()


def ours(stock: nn.Module) -> MimicMotionUNet:
    state = stock.state_dict()
    net = build_unet({key: tuple(value.shape) for key, value in state.items()}, "test", HEAD)
    net.load_state_dict(copy.deepcopy(state), assign=True)
    return net


@pytest.mark.parametrize("name", LEVELS)
def test_has_the_keys_and_shapes_of_diffusers_unet(name):
    sizes = sizes_of(name)
    wanted = {key: value.shape for key, value in stock_unet(sizes).state_dict().items()}
    with torch.device("meta"):
        net = MimicMotionUNet(sizes)

    assert {key: value.shape for key, value in net.state_dict().items()} == wanted
    assert read_sizes(wanted, HEAD) == sizes


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", [(8, 16), (11, 9)], ids=["even", "uneven"])
@pytest.mark.parametrize("name", LEVELS)
def test_predicts_what_diffusers_unet_does(name, size, batch):
    stock = stock_unet(sizes_of(name))
    net = ours(stock)
    sample = torch.randn(batch, 3, 8, *size)
    context, ids = torch.randn(batch, 1, CONTEXT), torch.tensor([[6.0, 127, 0.02]] * batch)

    wanted = stock(sample, 1.25, context, ids).sample
    found = net(sample, 1.25, net.constants(context, ids, 3))

    assert wanted.std() > 0.1
    assert_close(found, wanted, atol=5e-5, rtol=1e-5)


def test_a_network_holds_nothing_that_it_does_not_use():
    stock = stock_unet(sizes_of("as released"))
    net = ours(stock)
    unused = (".attn2.to_q.", ".attn2.to_k.", ".time_mixer.")

    wanted = {
        key
        for key in stock.state_dict()
        if not any(part in key for part in unused)
        and not (".norm2." in key and "transformer_blocks" in key)
    }
    assert net.state_dict().keys() == wanted
    assert not any(value.requires_grad for value in net.parameters())


def test_weights_may_be_changed_later():
    first, second = stock_unet(sizes_of("one level")), stock_unet(sizes_of("one level"))
    nn.init.normal_(second.conv_out.weight)
    net = ours(first)

    net.load_state_dict(ours(second).state_dict())

    assert_close(net.conv_out.weight, second.conv_out.weight, atol=0, rtol=0)


def test_an_input_stays_as_it_was():
    net = ours(stock_unet(sizes_of("as released")))
    sample, context = torch.randn(1, 3, 8, 8, 8), torch.randn(1, 1, CONTEXT)
    constants = net.constants(context, torch.zeros(1, 3), 3)
    before = copy.deepcopy((sample, constants))

    first = net(sample, 1.0, constants)

    assert_close((sample, tuple(constants)), (before[0], tuple(before[1])), atol=0, rtol=0)
    assert_close(net(sample, 1.0, constants), first, atol=0, rtol=0)


def test_heads_that_do_not_divide_the_channels_are_refused():
    shapes = {
        key: value.shape for key, value in stock_unet(sizes_of("one level")).state_dict().items()
    }

    with pytest.raises(CheckpointError, match="32 channels for 3 attention heads"):
        build_unet(shapes, "odd", 10)


def test_the_right_file_loads_after_one_that_lacked_weights():
    sizes = sizes_of("one level")
    state = stock_unet(sizes).state_dict()
    part = {key: value for key, value in state.items() if not key.endswith("mix_factor")}
    net = MimicMotionUNet(sizes)

    with pytest.raises(RuntimeError, match="Missing key"):
        net.load_state_dict(part)
    net.load_state_dict(state)

    mixed = net.mid_block.resnets[0].time_mixer
    factor = state["mid_block.resnets.0.time_mixer.mix_factor"]
    assert mixed.share == pytest.approx(factor.sigmoid().item())
    assert "mid_block.resnets.0.time_mixer.mix_factor" not in net.state_dict()
