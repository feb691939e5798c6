"""A clip's noise: the official order of drawing, repeated along the clip or not."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.sampling.noise import sequence_noise

SIZE = (64, 128)


def test_the_image_is_drawn_first_and_then_a_window_of_latents():
    generator = torch.Generator().manual_seed(42)
    image = torch.randn(1, 3, *SIZE, generator=generator)[0]
    tile = torch.randn(1, 4, 4, 8, 16, generator=generator)[0]

    noise = sequence_noise(42, 7, SIZE, length=4)

    assert_close(noise.image, image, atol=0, rtol=0)
    assert_close(noise.latents, tile[[0, 1, 2, 3, 0, 1, 2]], atol=0, rtol=0)


def test_a_short_clip_takes_the_beginning_of_the_same_noise():
    long, short = (sequence_noise(1, frames, SIZE).latents for frames in (20, 5))

    assert_close(short, long[:5], atol=0, rtol=0)


def test_independent_noise_repeats_nothing():
    latents = sequence_noise(42, 7, SIZE, length=4, kind="independent").latents

    assert latents.shape == (7, 4, 8, 16)
    assert not (latents[:3] == latents[4:]).any()
    assert abs(latents.std().item() - 1) < 0.05


def test_another_seed_is_other_noise():
    one, two = (sequence_noise(seed, 2, SIZE) for seed in (1, 2))

    assert not (one.latents == two.latents).any()
    assert not (one.image == two.image).any()


def test_the_latents_have_the_dtype_that_was_asked_for():
    noise = sequence_noise(1, 2, SIZE, dtype=torch.float16)

    assert (noise.image.dtype, noise.latents.dtype) == (torch.float32, torch.float16)


def test_noise_for_no_frames_or_no_latent_is_refused():
    with pytest.raises(NetworkError, match="0 frames in windows of 16"):
        sequence_noise(1, 0, SIZE)
    with pytest.raises(NetworkError, match="100×64; width and height must be multiples of 8"):
        sequence_noise(1, 2, (64, 100))
