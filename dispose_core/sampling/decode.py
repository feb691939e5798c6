"""Latents to images, a few frames at a time: memory does not grow with the clip.

See docs/reference_behaviour.md#decoding.

A video decoder mixes the frames it is given, so a frame at the border of a chunk comes out
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

    Takes latents (n, 4, h, w) as the sampler gives them, n frames that follow one another, and
    gives their images (n, 3, H, W), 0…1, on any device.
    """

    def __call__(self, latents: Tensor) -> Tensor: ...


def decode_frames(
    run: DecodePass,
    latents: Tensor,
    chunk: int = CHUNK,
    official: bool = False,
    on_frame: Progress = no_progress,
) -> Iterator[Tensor]:
    """Images of a clip, one by one, as soon as no further chunk changes them.

    Args:
        run: the decoder.
        latents: (F+1, 4, h, w).
        chunk: frames a pass: memory, speed, and how far the decoder looks for its mixing.
        official: see `decode_chunks`.
        on_frame: called before each image is handed on; may raise to cancel.

    Yields:
        (3, H, W) float32 on the CPU, 0…1: F+1 of them, the first is the reference's.

    Raises:
        NetworkError: no latents, a chunk without frames, or images that are not finite.
    """
    if latents.ndim != 4 or not len(latents):
        raise NetworkError(
            f"decoding: latents of shape {tuple(latents.shape)}, needed (frames, 4, h, w)."
        )
    num_frames = len(latents)
    chunks = decode_chunks(num_frames, chunk, official)
    waiting = torch.empty(0)  # shares of the frames after those handed on
    for index, (part, share) in enumerate(zip(chunks, chunk_shares(chunks), strict=True)):
        images = run(latents[part.start : part.stop]).float().cpu()
        check_finite(images, part)
        images = images * share[:, None, None, None]
        if len(waiting):
            images[: len(waiting)] += waiting
        following = chunks[index + 1].start if index + 1 < len(chunks) else num_frames
        for frame in range(part.start, following):
            on_frame(frame + 1, num_frames)
            # A copy, so that keeping an image does not keep its whole chunk.
            yield images[frame - part.start].clamp(0, 1)
        waiting = images[following - part.start :]


def decode_chunks(num_frames: int, chunk: int = CHUNK, official: bool = False) -> list[range]:
    """The frames of each chunk, in order.

    By default neighbours share half a chunk, which doubles the passes. What a border does to the
    image halves with every frame away from it, so a shared frame is fine in one of the two. All
    chunks are of one length, because the decoder's norms run over a chunk, and spread evenly.

    Args:
        official: the official chunks, one behind the other and the last one shorter.

    Raises:
        NetworkError: a chunk without frames.
    """
    if chunk < 1:
        raise NetworkError(f"decoding: chunks of {chunk} frames; needed at least 1, usual are 8.")
    if official or chunk == 1:
        return [range(i, min(i + chunk, num_frames)) for i in range(0, num_frames, chunk)]
    if num_frames <= chunk:
        return [range(num_frames)]
    overlap = chunk // 2
    gaps = -(-(num_frames - chunk) // (chunk - overlap))
    starts = [round(i * (num_frames - chunk) / gaps) for i in range(gaps + 1)]
    return [range(start, start + chunk) for start in starts]


def chunk_shares(chunks: list[range]) -> list[Tensor]:
    """What each chunk counts at each of its frames, (n,): linear fades, 1 where it is alone."""
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


def to_uint8(image: Tensor, official: bool = False) -> Tensor:
    """0…1 -> 0…255 uint8, rounded; the official code cuts off what is behind the point."""
    scaled = image * 255
    return (scaled if official else scaled.round()).to(torch.uint8)


def check_finite(images: Tensor, chunk: range) -> None:
    """Raises NetworkError, with the frame, where a decoded image is not finite."""
    finite = images.isfinite().flatten(1).all(1)
    if not finite.all():
        frame = chunk[int((~finite).nonzero()[0])]
        raise NetworkError(
            f"decoding: the image of frame {frame} has values that are not finite. Run the VAE "
            "in float32 or bfloat16; if that does not help, sample again."
        )
