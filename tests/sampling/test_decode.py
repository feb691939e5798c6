"""Decoding in chunks: what they are, that they fade into one another, and what they cost."""

from __future__ import annotations

import itertools
import weakref

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.sampling.decode import (
    chunk_shares,
    decode_chunks,
    decode_frames,
    to_uint8,
    vae_pass,
)

from .conftest import make_vae


def images_of(latents: Tensor) -> Tensor:
    """A decoder that mixes nothing: each latent's first channel as a grey image."""
    return latents[:, :1].repeat(1, 3, 8, 8)


def counting(sizes: list[int]):
    def run(latents: Tensor) -> Tensor:
        sizes.append(len(latents))
        return images_of(latents)

    return run


def ramp(frames: int) -> Tensor:
    """(frames, 4, 1, 1): 0…1"""
    return torch.linspace(0, 1, frames).view(-1, 1, 1, 1).expand(-1, 4, 1, 1)


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 12, 13, 30])
@pytest.mark.parametrize("chunk", [1, 2, 3, 8])
def test_chunks_cover_the_clip_and_share_half_with_the_next(frames, chunk):
    chunks = decode_chunks(frames, chunk)

    assert {frame for part in chunks for frame in part} == set(range(frames))
    assert {len(part) for part in chunks} == {min(chunk, frames)}
    for part, following in itertools.pairwise(chunks):
        assert part.start < following.start <= part.stop - chunk // 2


def test_reference_chunks_follow_one_another_and_the_last_is_shorter():
    assert decode_chunks(10, 4, official=True) == [range(4), range(4, 8), range(8, 10)]


def test_two_chunks_fade_into_one_another_in_a_line():
    first, second = chunk_shares([range(8), range(4, 12)])

    assert first.tolist() == pytest.approx([1, 1, 1, 1, 7 / 8, 5 / 8, 3 / 8, 1 / 8])
    assert second.tolist() == pytest.approx([1 / 8, 3 / 8, 5 / 8, 7 / 8, 1, 1, 1, 1])


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("frames", [1, 5, 8, 21])
def test_a_decoder_that_mixes_nothing_gives_the_same_in_any_chunks(frames, reference):
    latents = ramp(frames)
    found = torch.stack(list(decode_frames(images_of, latents, 8, reference)))

    assert found.shape == (frames, 3, 8, 8)
    assert_close(found, images_of(latents), atol=1e-6, rtol=0)


def test_white_stays_white_where_the_official_code_cuts_off_fractions():
    (white,) = decode_frames(images_of, torch.ones(1, 4, 1, 1), official=True)

    assert (to_uint8(white, official=True) == 255).all()


def test_8_bits_are_rounded_and_by_the_official_code_cut_off():
    levels = torch.tensor([0.0, 0.4, 0.6, 254.5, 254.9, 255.0]) / 255

    assert to_uint8(levels).tolist() == [0, 0, 1, 254, 255, 255]
    assert to_uint8(levels, official=True).tolist() == [0, 0, 0, 254, 254, 255]


def test_images_come_while_the_rest_is_not_decoded_yet():
    sizes: list[int] = []
    frames = decode_frames(counting(sizes), ramp(40))
    next(frames)

    assert sizes == [8]
    list(frames)
    assert sizes == [8] * 9


def test_memory_does_not_grow_with_the_clip():
    chunks, shown = [], []

    def run(latents: Tensor) -> Tensor:
        images = images_of(latents)
        chunks.append(weakref.ref(images))
        return images

    for frame in decode_frames(run, ramp(60)):
        # A caller who keeps an image keeps no other with it.
        assert frame.untyped_storage().nbytes() == 3 * 8 * 8 * 4
        shown.append(weakref.ref(frame))
        del frame
        assert sum(ref() is not None for ref in chunks) <= 1
        assert not any(ref() is not None for ref in shown[:-1])


def test_overlapping_chunks_leave_no_seam():
    """Deviation from decoding the whole clip at once, and its jumps from frame to frame.

    The tiny decoder mixes more than the real one: with random weights, what a border does is 0.29
    at the border and 0.16, 0.09, 0.04, 0.02 and 0.01 behind it.
    """
    run, chunk = vae_pass(make_vae()), 8
    generator = torch.Generator().manual_seed(0)
    latents = 0.18 * torch.randn(18, 4, 4, 4, generator=generator)
    whole = run(latents).clamp(0, 1)

    def deviation(official: bool) -> tuple[float, float, float]:
        error = torch.stack(list(decode_frames(run, latents, chunk, official))) - whole
        jumps = (error[1:] - error[:-1]).square().mean((1, 2, 3)).sqrt()
        at_borders = max(jumps[7].item(), jumps[15].item())
        return error.square().mean().sqrt().item(), at_borders, jumps.median().item()

    ours, official = deviation(False), deviation(True)
    assert ours[0] < 0.05 < 0.1 < official[0]
    assert official[1] > 2 * official[2]  # a step at the borders of the official chunks
    assert ours[1] < 1.5 * ours[2]


def test_progress_may_cancel():
    def stop(done: int, total: int) -> None:
        assert total == 20
        if done == 6:
            raise InterruptedError

    shown = []
    with pytest.raises(InterruptedError):
        for frame in decode_frames(images_of, ramp(20), on_frame=stop):
            shown.append(frame)
    assert len(shown) == 5


def test_an_image_that_is_not_finite_is_named():
    latents = ramp(20).clone()
    latents[13] = torch.nan

    with pytest.raises(NetworkError, match="image of frame 13 has values that are not finite"):
        list(decode_frames(images_of, latents))


def test_nothing_to_decode_and_empty_chunks_are_refused():
    with pytest.raises(NetworkError, match=r"shape \(0, 4, 1, 1\), needed"):
        list(decode_frames(images_of, ramp(0)))
    with pytest.raises(NetworkError, match="chunks of 0 frames"):
        list(decode_frames(images_of, ramp(3), chunk=0))
