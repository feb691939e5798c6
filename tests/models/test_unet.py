"""MimicMotion's UNet against the official one; `test_svd_unet` compares it with diffusers'."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from dispose_core.errors import CheckpointError, NetworkError
from dispose_core.models.controlnet import Residuals, residual_multiplicity
from dispose_core.models.mimicmotion import MimicMotionUNet, build_unet
from dispose_core.models.svd_unet import sinusoids
from tests.rule_weights import net_inputs
from tests.tiny_nets import (
    CONFIG,
    HALF_PRECISION_SIZE,
    make_unet,
    manifest,
    tiny_inputs,
    unet_state,
)


@pytest.fixture(scope="module")
def net() -> MimicMotionUNet:
    return make_unet()


@pytest.fixture(scope="module")
def inputs() -> dict:
    return tiny_inputs("tun")


def run(net, inputs, rows=slice(None), official=False, **extra) -> torch.Tensor:
    constants = net.constants(inputs["context"][rows], inputs["ids"][rows], 3, official)
    return net(inputs["sample"][rows], inputs["timestep"], constants, **extra)


def residuals_of(arrays, rows=slice(None)) -> Residuals:
    down = tuple(torch.from_numpy(arrays[f"down{k}"])[rows] for k in range(12))
    return Residuals(down, torch.from_numpy(arrays["mid"])[rows])


@pytest.mark.parametrize(
    ("folder", "reference"),
    [("", True), ("own_context/", False)],
    ids=["official layout", "own context"],
)
def test_gives_the_official_prediction(golden, net, inputs, folder, reference):
    g = golden(f"{folder}14_unet_tiny")
    pose = inputs["pose_latents"][3:]  # of cond; those of uncond are zero
    residuals = residuals_of(golden(f"{folder}13_controlnet_tiny"))
    for name, extra in (
        ("plain", {}),
        ("with_pose", {"pose": pose}),
        ("with_pose_and_controlnet", {"pose": pose, "residuals": residuals}),
    ):
        found = run(net, inputs, official=reference, **extra)
        assert_close(found.numpy(), g[name], atol=1e-4, rtol=0, msg=lambda m, n=name: f"{n}: {m}")


def test_added_ids_and_timestep_become_the_official_sinusoids(golden):
    g = golden("19_added_time_ids")
    # Sinusoids have no weights, so the full-size network needs no memory.
    net = build_unet(manifest("mimicmotion_unet_posenet", "unet."), "full")

    assert_close(
        net.added_sinusoids(torch.from_numpy(g["ids"])).numpy(), g["emb"], atol=1e-5, rtol=0
    )
    embedded = sinusoids(torch.from_numpy(g["t"]), net.sizes.channels[0])
    assert_close(embedded.numpy(), g["t_emb320"], atol=1e-5, rtol=0)


def test_cond_and_uncond_give_the_same_together_and_apart(golden, net, inputs):
    arrays = golden("own_context/13_controlnet_tiny")
    pose = inputs["pose_latents"][3:]
    together = run(net, inputs, pose=pose, residuals=residuals_of(arrays))
    apart = [
        run(
            net,
            inputs,
            slice(i, i + 1),
            pose=pose,
            pose_strength=[float(i)],
            residuals=residuals_of(arrays, slice(3 * i, 3 * i + 3)),
        )
        for i in range(2)
    ]

    assert_close(torch.cat(apart), together, atol=2e-5, rtol=0)


def test_a_pose_of_strength_0_is_a_pose_left_out(net, inputs):
    pose = inputs["pose_latents"][3:]

    nothing = run(net, inputs, pose=pose, pose_strength=(0.0, 0.0))
    assert_close(nothing, run(net, inputs), atol=0, rtol=0)
    assert (run(net, inputs, pose=pose)[1] - nothing[1]).abs().max() > 1e-2


def test_each_residual_counts_once_for_every_block_from_its_own_on(net):
    assert residual_multiplicity(net) == (4, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1)


def test_sizes_that_do_not_halve_evenly_come_back_as_they_were(net, inputs):
    constants = net.constants(inputs["context"], inputs["ids"], 3)

    assert net(torch.zeros(2, 3, 8, 11, 9), 1.0, constants).shape == (2, 3, 4, 11, 9)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float16, 0.004), (torch.bfloat16, 0.03)])
def test_half_precision_stays_near_float32(net, dtype, bound):
    inputs = net_inputs("tun", CONFIG, *HALF_PRECISION_SIZE, 3)
    one = slice(1)  # half precision is slow on most CPUs
    exact, rough = run(net, inputs, one), run(make_unet().to(dtype), inputs, one)

    assert rough.dtype == dtype
    error = (exact - rough.float()).square().mean().sqrt()
    assert error < bound * exact.square().mean().sqrt()


@pytest.mark.slow  # tracing takes longer than all other tests of this file
def test_compiles_as_one_graph(golden, net, inputs):
    constants = net.constants(inputs["context"], inputs["ids"], 3)
    arguments = (inputs["sample"], torch.tensor(1.25), constants, inputs["pose_latents"][3:])
    residuals = residuals_of(golden("own_context/13_controlnet_tiny"))
    whole = torch.compile(net, backend="eager", fullgraph=True)

    found = whole(*arguments, residuals=residuals)
    assert_close(found, net(*arguments, residuals=residuals), atol=1e-6, rtol=0)


def test_residuals_of_another_size_are_refused_and_named(golden, net, inputs):
    good = residuals_of(golden("own_context/13_controlnet_tiny"))
    narrow = Residuals((*good.down[:4], good.down[4][:, :32], *good.down[5:]), good.mid)

    with pytest.raises(NetworkError, match=r"number 4 is \(6, 32, 8, 4\), needed \(6, 64, 8, 4\)"):
        run(net, inputs, residuals=narrow)
    with pytest.raises(NetworkError, match="12 of them, 13 needed"):
        run(net, inputs, residuals=Residuals(good.down[:-1], good.mid))


def test_pose_latents_of_another_clip_or_size_are_refused(net, inputs):
    pose = inputs["pose_latents"][3:]

    with pytest.raises(NetworkError, match=r"\(2, 32, 16, 8\), needed \(3, 32, 16, 8\)"):
        run(net, inputs, pose=pose[:2])
    with pytest.raises(NetworkError, match=r"\(3, 32, 16, 4\), needed \(3, 32, 16, 8\)"):
        run(net, inputs, pose=pose[..., :4])
    with pytest.raises(NetworkError, match="3 values for 2 batch rows"):
        run(net, inputs, pose=pose, pose_strength=(0, 1, 1))


def test_an_image_model_is_no_base():
    shapes = manifest("tiny_dift_unet", "dift_unet.")

    with pytest.raises(CheckpointError, match=r"sd15.*not the weights of a Stable Video Diffusion"):
        build_unet(shapes, "sd15")


def test_sizes_that_make_no_network_are_refused():
    shapes = {key: tuple(value.shape) for key, value in unet_state().items()}
    shapes["down_blocks.0.resnets.0.spatial_res_block.conv1.weight"] = (33, 32, 3, 3)

    with pytest.raises(CheckpointError, match="no Stable Video Diffusion UNet has the sizes"):
        build_unet(shapes, "odd", 32)
