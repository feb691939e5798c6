"""Diffusion features against the official extraction, with a UNet and a VAE of a few channels."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from pytest import approx
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.features.dift import (
    DiffusionFeatureOptions,
    add_noise,
    diffusion_features,
    ensemble_features,
    up_block_features,
)
from tests.conftest import GOLDENS
from tests.rule_weights import fill_by_rule, rnd

NOISE = ("dift_lat", "dift_noise")


@pytest.fixture(scope="module")
def unet():
    from diffusers import UNet2DConditionModel

    config = json.loads((GOLDENS / "22_dift_unet_tiny.json").read_text())
    return fill_by_rule(UNet2DConditionModel(**config), "dift_unet.")


@pytest.fixture(scope="module")
def vae():
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    net = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8] * 4,
        norm_num_groups=4,
        layers_per_block=1,
        latent_channels=4,
    )
    return net.eval()


@pytest.fixture(scope="module")
def prompt():
    return rnd("dift_enc", (2, 7, 48))[:1]


@pytest.fixture
def calls(unet):
    """Names of the late UNet blocks that ran, in order."""
    seen = []
    blocks = {f"up_blocks.{i}": block for i, block in enumerate(unet.up_blocks)}
    blocks |= {"mid_block": unet.mid_block, "conv_out": unet.conv_out}
    hooks = [
        block.register_forward_hook(lambda *_, name=name: seen.append(name))
        for name, block in blocks.items()
    ]
    yield seen
    for hook in hooks:
        hook.remove()


def test_noise_is_added_as_sd_1_5_does(golden):
    latents, noise = (rnd(name, (2, 4, 24, 16)) for name in NOISE)
    g = golden("22_dift_unet_tiny")

    assert_close(add_noise(latents, noise, 261), torch.from_numpy(g["noisy"]), atol=1e-5, rtol=0)
    one, none = torch.ones(1), torch.zeros(1)
    assert add_noise(one, none, 261).item() ** 2 == approx(float(g["alpha_cumprod_261"]), abs=1e-6)
    assert add_noise(one, none, 0).item() ** 2 == approx(float(g["alpha_cumprod_0"]), abs=1e-6)


def test_matches_the_official_up_blocks(golden, unet):
    g = golden("22_dift_unet_tiny")
    noisy, prompt = torch.from_numpy(g["noisy"]), rnd("dift_enc", (2, 7, 48))

    with torch.no_grad():
        first = up_block_features(unet, noisy, 261, prompt, 1)
        second = up_block_features(unet, noisy, 261, prompt, 2)

    assert_close(first, torch.from_numpy(g["up_ft1"]), atol=1e-4, rtol=0)
    assert_close(first.mean(0, keepdim=True), torch.from_numpy(g["up_ft1_mean"]), atol=1e-4, rtol=0)
    sub = second[:, ::4, ::4, ::4]
    assert_close(sub, torch.from_numpy(g["up_ft2_sub"]), atol=1e-4, rtol=0)


def test_the_mean_of_the_copies_is_the_official_map(golden, unet):
    """The ensemble of two copies whose noise is the golden's."""
    g = golden("22_dift_unet_tiny")
    noisy, prompts = torch.from_numpy(g["noisy"]), rnd("dift_enc", (2, 7, 48))
    copies = iter(range(2))

    def run(given, timestep):
        i = next(copies)
        assert timestep == 261 and given.shape == (1, 4, 24, 16)
        return up_block_features(unet, noisy[i : i + 1], timestep, prompts[i : i + 1], 1)

    options = DiffusionFeatureOptions(ensemble=2, batch=1)
    got = ensemble_features(run, torch.zeros(4, 24, 16), None, options)

    assert_close(got, torch.from_numpy(g["up_ft1_mean"][0]), atol=1e-4, rtol=0)


def test_what_lies_behind_the_wanted_block_is_not_run(unet, prompt, calls):
    with torch.no_grad():
        up_block_features(unet, torch.zeros(1, 4, 8, 8), 261, prompt, 1)

    assert calls == ["mid_block", "up_blocks.0", "up_blocks.1"]


def test_latents_of_odd_sides_work_and_agree_with_the_whole_unet(unet, prompt):
    noisy = rnd("odd", (1, 4, 9, 11))
    kept = []
    hook = unet.up_blocks[2].register_forward_hook(lambda *args: kept.append(args[-1]))

    with torch.no_grad():
        unet(noisy, 261, prompt)
        hook.remove()
        got = up_block_features(unet, noisy, 261, prompt, 2)

    assert got.shape == (1, 64, 9, 11)
    assert_close(got, kept[0], atol=1e-5, rtol=0)


def test_an_image_becomes_a_map_and_the_vae_runs_once(unet, vae, prompt):
    image = rnd("picture", (3, 64, 96)).sigmoid()
    encoded, copies = [], []
    hook = vae.encoder.register_forward_hook(lambda _, args, __: encoded.append(args[0]))

    got = diffusion_features(unet, vae, prompt, image, on_copy=lambda *at: copies.append(at))
    hook.remove()

    assert got.shape == (128, 4, 6) and got.dtype == torch.float32  # the tiny net: at 1/16
    assert len(encoded) == 1
    assert_close(encoded[0], image[None] * 2 - 1)
    assert copies == [(4, 8), (8, 8)]
    with torch.no_grad():
        latents = vae.encode(image[None] * 2 - 1).latent_dist
        want = ensemble_features(
            lambda noisy, timestep: up_block_features(unet, noisy, timestep, prompt, 1),
            latents.mean[0] * 0.18215,  # SD 1.5's factor
            latents.std[0] * 0.18215,
        )
    assert_close(got, want, atol=1e-5, rtol=0)


def test_the_batch_does_not_change_the_map_and_the_seed_does(unet, vae, prompt):
    image = rnd("picture", (3, 32, 32)).sigmoid()

    def features(**options):
        options = DiffusionFeatureOptions(ensemble=5, **options)
        return diffusion_features(unet, vae, prompt, image, options)

    whole = features(batch=5)
    assert_close(features(batch=2), whole, atol=1e-5, rtol=0)
    assert torch.equal(features(batch=5), whole)
    assert (features(batch=5, seed=1) - whole).abs().max() > 1e-2


def test_every_copy_takes_its_own_sample_of_the_latents():
    """With the noise known, copies differ by the spread of the VAE's distribution alone."""
    seen = []

    def run(noisy, timestep):
        seen.append(noisy)
        return noisy

    mean, std = torch.full((4, 2, 2), 3.0), torch.full((4, 2, 2), 0.5)
    options = DiffusionFeatureOptions(ensemble=400, batch=400)
    ensemble_features(run, mean, None, options)
    ensemble_features(run, mean, std, options)

    spread = (seen[1] - seen[0]) / 0.65567**0.5  # what is left of the latents at timestep 261
    assert spread.std().item() == approx(0.5, rel=0.05)
    assert spread.mean().item() == approx(0, abs=0.05)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float16, 1e-2), (torch.bfloat16, 6e-2)])
def test_half_precision_stays_near_single(unet, prompt, dtype, bound):
    from diffusers import UNet2DConditionModel

    half = UNet2DConditionModel.from_config(unet.config).to(dtype)
    half.load_state_dict(unet.state_dict())
    noisy = rnd("half", (1, 4, 8, 8))

    with torch.no_grad():
        want = up_block_features(unet, noisy, 261, prompt, 1)
        got = up_block_features(half, noisy.to(dtype), 261, prompt.to(dtype), 1)

    assert got.dtype == dtype
    assert 0 < (got.float() - want).abs().max() / want.abs().max() < bound


def test_cancelling_stops_after_the_pass(unet, vae, prompt, calls):
    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diffusion_features(unet, vae, prompt, torch.zeros(3, 32, 32), on_copy=cancel)
    assert calls.count("mid_block") == 1


def test_what_does_not_fit_is_named(unet, vae, prompt):
    image = torch.zeros(3, 32, 32)

    def features(prompt=prompt, image=image, net=unet, **options):
        return diffusion_features(net, vae, prompt, image, DiffusionFeatureOptions(**options))

    svd = SimpleNamespace(config=SimpleNamespace(in_channels=8), up_blocks=[])
    with pytest.raises(NetworkError, match="8 input channels is not an SD"):
        features(net=svd)
    with pytest.raises(NetworkError, match=r"prompt of shape \(1, 7, 32\), .*\(1, tokens, 48\)"):
        features(prompt=prompt[..., :32])
    with pytest.raises(NetworkError, match="multiples of 8"):
        features(image=torch.zeros(3, 30, 32))
    with pytest.raises(NetworkError, match=r"up block 4, this UNet has 0…3"):
        features(up_block=4)
    with pytest.raises(NetworkError, match=r"timestep 1000, needed 0…999"):
        features(timestep=1000)
    with pytest.raises(NetworkError, match="ensemble 0 and batch 4"):
        features(ensemble=0)
    with pytest.raises(NetworkError, match="16 of 16 values are not finite"):
        ensemble_features(lambda noisy, _: noisy * torch.nan, torch.zeros(4, 2, 2))
