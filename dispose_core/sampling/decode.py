"""Decode latents to images in chunks, so that memory does not grow with the number of frames.

See docs/reference_behaviour.md#decoding. The decoder mixes neighbouring frames, so frames at the
border of a chunk differ from those in its middle. By default chunks overlap and are cross-faded.
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

    Takes latents (n, 4, h, w) of n consecutive frames from the sampler and returns images (n, 3, H,
    W), 0…1, on any device.
    """

    def __call__(self, latents: Tensor) -> Tensor: ...


def decode_frames(
    run: DecodePass,
    latents: Tensor,
    chunk: int = CHUNK,
    official: bool = False,
    on_frame: Progress = no_progress,
) -> Iterator[Tensor]:
    """Yield decoded images as soon as no later chunk affects them.

    Args:
        latents: (F+1, 4, h, w).
        chunk: frames per pass; affects memory, speed and temporal context of the decoder.
        official: see `decode_chunks`.
        on_frame: called before each image is yielded; may raise to cancel.

    Yields:
        (3, H, W) float32 on the CPU, 0…1: F+1 of them, the reference's first.

    Raises:
        NetworkError: no latents, a chunk size below 1, or images that are not finite.
    """
    if latents.ndim != 4 or not len(latents):
        raise NetworkError(
            f"decoding: latents of shape {tuple(latents.shape)}, needed (frames, 4, h, w)."
        )
    num_frames = len(latents)
    chunks = decode_chunks(num_frames, chunk, official)
    pending = torch.empty(0)  # partial sums of frames shared with the next chunk
    for index, (part, share) in enumerate(zip(chunks, chunk_shares(chunks), strict=True)):
        images = run(latents[part.start : part.stop]).float().cpu()
        check_finite(images, part)
        images = images * share[:, None, None, None]
        if len(pending):
            images[: len(pending)] += pending
        following = chunks[index + 1].start if index + 1 < len(chunks) else num_frames
        for frame in range(part.start, following):
            on_frame(frame + 1, num_frames)
            # `clamp` copies, so that an image does not keep its whole chunk alive.
            yield images[frame - part.start].clamp(0, 1)
        pending = images[following - part.start :]


def decode_chunks(num_frames: int, chunk: int = CHUNK, official: bool = False) -> list[range]:
    """Frames of each chunk, in order.

    By default neighbours overlap by half a chunk, which doubles the passes. The effect of a border
    halves with every frame of distance, so each shared frame is accurate in one of the two. All
    chunks have the same length, because the decoder's norms run over a chunk, and are evenly
    spaced.

    Args:
        official: the official chunks without overlap, the last one shorter.

    Raises:
        NetworkError: a chunk size below 1.
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
    """Cross-fade weights (n,) of each chunk's frames, which sum to 1 at each frame."""
    weights = [triangle(len(chunk)) for chunk in chunks]
    total = torch.zeros(chunks[-1].stop)
    for chunk, weight in zip(chunks, weights, strict=True):
        total[chunk.start : chunk.stop] += weight
    return [
        weight / total[chunk.start : chunk.stop]
        for chunk, weight in zip(chunks, weights, strict=True)
    ]


def vae_pass(vae: Any) -> DecodePass:
    """The `DecodePass` of diffusers' `AutoencoderKLTemporalDecoder` on its current device."""

    def run(latents: Tensor) -> Tensor:
        unscaled = (latents.float() / vae.config.scaling_factor).to(vae.device, vae.dtype)
        with torch.no_grad():
            return vae.decode(unscaled, num_frames=len(unscaled)).sample.float() / 2 + 0.5

    return run


def to_uint8(image: Tensor, official: bool = False) -> Tensor:
    """Convert 0…1 to 0…255 uint8 by rounding; the official code truncates."""
    scaled = image * 255
    return (scaled if official else scaled.round()).to(torch.uint8)


def check_finite(images: Tensor, chunk: range) -> None:
    """Raise NetworkError, naming the frame, if a decoded image is not finite."""
    finite = images.isfinite().flatten(1).all(1)
    if not finite.all():
        frame = chunk[int((~finite).nonzero()[0])]
        raise NetworkError(
            f"decoding: the image of frame {frame} has values that are not finite. Run the VAE "
            "in float32 or bfloat16; if that does not help, sample again."
        )
