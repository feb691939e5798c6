"""The reference image's conditioning, and the official detour through 8 bits."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.sampling.conditioning import (
    added_ids,
    cfg_batch,
    encode_image,
    official_pixels,
)
from dispose_core.sampling.options import SamplingOptions
from tests.tiny_nets import GOLDENS

NO_NOISE = torch.zeros(3, 64, 64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_gives_the_official_levels(dtype):
    expected = json.loads((GOLDENS / "20_pixel_roundtrip.json").read_text())[str(dtype)]

    levels = official_pixels(torch.arange(256) / 255, dtype) * 255
    assert levels.round().int().tolist() == expected


def test_the_unconditional_half_comes_first_and_is_zero():
    condition = torch.full((1, 1, 3), 2.0)

    assert cfg_batch(condition, True).tolist() == [[[0, 0, 0]], [[2, 2, 2]]]
    assert cfg_batch(condition, False) is condition


def test_the_model_is_told_one_frame_a_second_less():
    assert added_ids(SamplingOptions(augmentation=0.5)).tolist() == [[6, 127, 0.5]]


def test_the_vae_is_given_the_image_from_minus_1_to_1_with_the_noise(pipeline):
    image, noise = torch.rand(3, 64, 64), torch.randn(3, 64, 64)
    found = encode_image(pipeline.image_encoder, pipeline.vae, image, noise, augmentation=0.1)

    with torch.no_grad():
        seen = (2 * image - 1 + 0.1 * noise)[None]
        assert_close(found.latents, pipeline.vae.encode(seen).latent_dist.mean[0])
    plain = encode_image(pipeline.image_encoder, pipeline.vae, image, noise)
    assert_close(plain.embedding, found.embedding, atol=0, rtol=0)  # CLIP sees no noise
    assert (plain.latents - found.latents).abs().max() > 1e-2


class HalfVae(nn.Module):
    """Notes the dtype it encodes in, and is not finite in half precision, as some are."""

    def __init__(self, vae: nn.Module):
        super().__init__()
        self.config, self.encoded_in = vae.config, None
        self.weight = nn.Parameter(torch.ones((), dtype=torch.float16))

    dtype = property(lambda self: self.weight.dtype)
    device = property(lambda self: self.weight.device)

    def encode(self, images):
        self.encoded_in = images.dtype
        latents = torch.zeros(1, 4, 8, 8, dtype=images.dtype)
        if images.dtype == torch.float16:
            latents[:] = torch.inf
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))


def test_a_vae_that_asks_for_it_encodes_in_float32_and_is_itself_again_after(pipeline):
    vae = HalfVae(pipeline.vae)
    found = encode_image(pipeline.image_encoder, vae, torch.rand(3, 64, 64), NO_NOISE)

    assert vae.encoded_in == torch.float32
    assert vae.dtype == found.latents.dtype == torch.float16


def test_conditioning_that_is_not_finite_is_refused_and_named(pipeline):
    vae = HalfVae(pipeline.vae)

    with pytest.raises(NetworkError, match="the output of the VAE is not finite"):
        encode_image(pipeline.image_encoder, vae, torch.rand(3, 64, 64), NO_NOISE, official=True)
    with pytest.raises(NetworkError, match="the output of CLIP vision is not finite"):
        encode_image(
            pipeline.image_encoder, pipeline.vae, torch.full((3, 64, 64), torch.nan), NO_NOISE
        )
