"""Initial noise from a seed (docs/reference_behaviour.md#initial-noise, 11.13)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import NetworkError
from ..models.latent import DOWNSCALE, image_size
from .options import LENGTH, NoiseKind

LATENT_CHANNELS = 4


class SequenceNoise(NamedTuple):
    """All random numbers of a run; standard normal."""

    image: Tensor  # (3, H, W) float32, for augmentation of the reference image
    latents: Tensor  # (F+1, 4, H/8, W/8), initial latents


def sequence_noise(
    seed: int,
    num_frames: int,
    size: tuple[int, int],
    *,
    length: int = LENGTH,
    kind: NoiseKind = "repeated",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> SequenceNoise:
    """Draw the noise in the official order: that of the image first, even if its strength is 0.

    A seed therefore gives the same latents for any augmentation.

    Args:
        seed: any 64-bit integer.
        size: (H, W) of the image, multiples of 8.
        length: window length, the period of repeated noise.
        kind: "repeated" draws `length` frames and repeats them, as the official code does: frames j
            and j + length start alike, which keeps windows consistent. "independent" draws every
            frame.
        device: device of the generator. CPU noise is the same on every machine; the official code
            draws on the compute device.
        dtype: dtype in which the latents are drawn.

    Returns:
        Noise on `device`.

    Raises:
        NetworkError: no frames, a window length below 1, or an invalid size.
    """
    height, width = image_size(size, "noise")
    if num_frames < 1 or length < 1:
        raise NetworkError(
            f"noise: {num_frames} frames in windows of {length}; both must be at least 1."
        )
    generator = torch.Generator(device).manual_seed(seed)
    image = torch.randn(3, height, width, generator=generator, device=device)
    drawn = length if kind == "repeated" else num_frames
    shape = (drawn, LATENT_CHANNELS, height // DOWNSCALE, width // DOWNSCALE)
    latents = torch.randn(shape, generator=generator, device=device, dtype=dtype)
    return SequenceNoise(image, latents[torch.arange(num_frames, device=latents.device) % drawn])
