"""Latents to pictures, a few entries at a time: memory does not grow with the clip.

See docs/reference_behaviour.md#decoding.

A video decoder mixes the entries it is given, so an entry at the border of a chunk comes out
different from one in the middle. By default chunks overlap and fade into one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import NetworkError
from ..progress import Progress, no_progress
from .options import CHUNK
from .windows import triangle


class DecodePass(Protocol):
    """A video decoder for one chunk.

    Takes latents (n, 4, h, w) as the sampler gives them, n entries that follow one another, and
    gives their pictures (n, 3, H, W), 0…1, on any device.
    """

    def __call__(self, latents: Tensor) -> Tensor: ...


def decode_frames(
    run: DecodePass,
    latents: Tensor,
    chunk: int = CHUNK,
    official: bool = False,
    on_frame: Progress = no_progress,
) -> Iterator[Tensor]:
    """Pictures of a clip, one by one, as soon as no further chunk changes them.

    Args:
        run: the decoder.
        latents: (F+1, 4, h, w).
        chunk: entries a pass: memory, speed, and how far the decoder looks for its mixing.
        official: see `decode_chunks`.
        on_frame: called before each picture is handed on; may raise to cancel.

    Yields:
        (3, H, W) float32 on the CPU, 0…1: F+1 of them, the first is the reference's.

    Raises:
        NetworkError: no latents, a chunk without entries, or pictures that are not finite.
    """
    if latents.ndim != 4 or not len(latents):
        raise NetworkError(
            f"decoding: latents of shape {tuple(latents.shape)}, needed (entries, 4, h, w)."
        )
    frames = len(latents)
    chunks = decode_chunks(frames, chunk, official)
    waiting = torch.empty(0)  # shares of the entries after those handed on
    for index, (part, share) in enumerate(zip(chunks, chunk_shares(chunks), strict=True)):
        pictures = run(latents[part.start : part.stop]).float().cpu()
        check_finite(pictures, part)
        pictures = pictures * share[:, None, None, None]
        if len(waiting):
            pictures[: len(waiting)] += waiting
        following = chunks[index + 1].start if index + 1 < len(chunks) else frames
        for entry in range(part.start, following):
            on_frame(entry + 1, frames)
            # A copy, so that keeping a picture does not keep its whole chunk.
            yield pictures[entry - part.start].clamp(0, 1)
        waiting = pictures[following - part.start :]


def decode_chunks(frames: int, chunk: int = CHUNK, official: bool = False) -> list[range]:
    """The entries of each chunk, in order.

    By default neighbours share half a chunk, which doubles the passes. What a border does to the
    picture halves with every entry away from it, so a shared entry is fine in one of the two. All
    chunks are of one length, because the decoder's norms run over a chunk, and spread evenly.

    Args:
        official: the official chunks, one behind the other and the last one shorter.

    Raises:
        NetworkError: a chunk without entries.
    """
    if chunk < 1:
        raise NetworkError(f"decoding: chunks of {chunk} entries; needed at least 1, usual are 8.")
    if official or chunk == 1:
        return [range(i, min(i + chunk, frames)) for i in range(0, frames, chunk)]
    if frames <= chunk:
        return [range(frames)]
    overlap = chunk // 2
    gaps = -(-(frames - chunk) // (chunk - overlap))
    starts = [round(i * (frames - chunk) / gaps) for i in range(gaps + 1)]
    return [range(start, start + chunk) for start in starts]


def chunk_shares(chunks: list[range]) -> list[Tensor]:
    """What each chunk counts at each of its entries, (n,): linear fades, 1 where it is alone."""
    weights = [triangle(len(chunk)) for chunk in chunks]
    total = torch.zeros(chunks[-1].stop)
    for chunk, weight in zip(chunks, weights, strict=True):
        total[chunk.start : chunk.stop] += weight
    return [
        weight / total[chunk.start : chunk.stop]
        for chunk, weight in zip(chunks, weights, strict=True)
    ]


def vae_pass(vae: Any) -> DecodePass:
    """The `DecodePass` of diffusers' `AutoencoderKLTemporalDecoder`, where and as it is now."""

    def run(latents: Tensor) -> Tensor:
        unscaled = (latents.float() / vae.config.scaling_factor).to(vae.device, vae.dtype)
        with torch.no_grad():
            return vae.decode(unscaled, num_frames=len(unscaled)).sample.float() / 2 + 0.5

    return run


def to_uint8(picture: Tensor, official: bool = False) -> Tensor:
    """0…1 -> 0…255 uint8, rounded; the official code cuts off what is behind the point."""
    scaled = picture * 255
    return (scaled if official else scaled.round()).to(torch.uint8)


def check_finite(pictures: Tensor, chunk: range) -> None:
    """Raises NetworkError, with the entry, where a decoded picture is not finite."""
    finite = pictures.isfinite().flatten(1).all(1)
    if not finite.all():
        entry = chunk[int((~finite).nonzero()[0])]
        raise NetworkError(
            f"decoding: the picture of entry {entry} has values that are not finite. Run the VAE "
            "in float32 or bfloat16; if that does not help, sample again."
        )
