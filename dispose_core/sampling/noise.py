"""The noise of a clip from its seed (docs/reference_behaviour.md#initial-noise, 11.13)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import NetworkError
from ..models.latent import DOWNSCALE, picture_size
from .options import LENGTH, NoiseKind

LATENT_CHANNELS = 4


class ClipNoise(NamedTuple):
    """Everything random in a run; standard normal."""

    picture: Tensor  # (3, H, W) float32: the augmentation of the reference picture
    latents: Tensor  # (F+1, 4, H/8, W/8): where denoising starts


def clip_noise(
    seed: int,
    frames: int,
    size: tuple[int, int],
    *,
    length: int = LENGTH,
    kind: NoiseKind = "repeated",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> ClipNoise:
    """Noise in the official order: the picture's first, even where its strength is 0.

    So a seed means the same latents whatever the augmentation.

    Args:
        seed: any integer of 64 bits.
        frames: entries of the clip, F+1.
        size: (H, W) of the picture, multiples of 8.
        length: entries that are drawn when the noise is repeated: a window's.
        kind: "repeated" draws `length` entries and repeats them along the clip, as the official
            code does: entry j and j + length start alike, which holds windows together.
            "independent" draws every entry.
        device: whose generator draws. The CPU's gives the same noise on every machine; the
            official code draws on the device that it runs on.
        dtype: of the latents; drawn in it.

    Returns:
        Noise on `device`.

    Raises:
        NetworkError: no entries, a window without entries, or a size that has no latents.
    """
    height, width = picture_size(size, "noise")
    if frames < 1 or length < 1:
        raise NetworkError(
            f"noise: {frames} entries in windows of {length}; both must be at least 1."
        )
    generator = torch.Generator(device).manual_seed(seed)
    picture = torch.randn(3, height, width, generator=generator, device=device)
    drawn = length if kind == "repeated" else frames
    shape = (drawn, LATENT_CHANNELS, height // DOWNSCALE, width // DOWNSCALE)
    latents = torch.randn(shape, generator=generator, device=device, dtype=dtype)
    return ClipNoise(picture, latents[torch.arange(frames, device=latents.device) % drawn])
