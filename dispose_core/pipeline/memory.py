"""Estimate of the memory per frame; networks and windows add a constant."""

from __future__ import annotations

import torch

from ..models.latent import DOWNSCALE
from ..sampling.noise import LATENT_CHANNELS

CHANNELS = 320  # of the first level of the released networks

# Peak number of float32 copies of the latents in a step: noise, latents before, scaled and after,
# cond and uncond, the guided prediction, and temporaries of the Euler step.
LATENT_COPIES = 10


def bytes_per_frame(
    size: tuple[int, int], dtype: torch.dtype = torch.float16, channels: int = CHANNELS
) -> dict[str, int]:
    """Bytes per frame in `DisPosePipeline`, by purpose.

    The first two are on the CPU, latents on the device. Decoded images are yielded one by one; the
    last item applies to callers that keep them as uint8.

    Args:
        dtype: dtype of the networks.
        channels: of the embeddings.
    """
    height, width = size
    cells = (height // DOWNSCALE) * (width // DOWNSCALE)
    return {
        "motion embedding": cells * channels * dtype.itemsize,
        "pose latents": cells * channels * dtype.itemsize,
        "latents": cells * LATENT_CHANNELS * torch.float32.itemsize * LATENT_COPIES,
        "decoded image": height * width * 3,
    }
