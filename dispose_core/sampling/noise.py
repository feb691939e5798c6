"""The noise of a clip from its seed (docs/reference_behaviour.md#initial-noise, 11.13)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import NetworkError
from ..models.latent import DOWNSCALE, image_size
from .options import LENGTH, NoiseKind

LATENT_CHANNELS = 4


class SequenceNoise(NamedTuple):
    """Everything random in a run; standard normal."""

    image: Tensor  # (3, H, W) float32: the augmentation of the reference image
    latents: Tensor  # (F+1, 4, H/8, W/8): where denoising starts


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
    """Noise in the official order: the image's first, even where its strength is 0.

    So a seed means the same latents whatever the augmentation.

    Args:
        seed: any integer of 64 bits.
        num_frames: frames of the clip, F+1.
        size: (H, W) of the image, multiples of 8.
        length: frames that are drawn when the noise is repeated: a window's.
        kind: "repeated" draws `length` frames and repeats them along the clip, as the official
            code does: frame j and j + length start alike, which holds windows together.
            "independent" draws every frame.
        device: whose generator draws. The CPU's gives the same noise on every machine; the
            official code draws on the device that it runs on.
        dtype: of the latents; drawn in it.

    Returns:
        Noise on `device`.

    Raises:
        NetworkError: no frames, a window without frames, or a size that has no latents.
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
