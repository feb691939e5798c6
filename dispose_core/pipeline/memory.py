"""What a clip takes in memory for each of its frames; networks and windows come on top, once."""

from __future__ import annotations

import torch

from ..models.latent import DOWNSCALE
from ..sampling.noise import LATENT_CHANNELS

CHANNELS = 320  # of the released networks' first level

# Float32 copies of a clip's latents at the height of a step: noise, latents before, scaled and
# after, both guidance halves, the guided prediction, and what the Euler step works with.
LATENT_COPIES = 10


def bytes_per_frame(
    size: tuple[int, int], dtype: torch.dtype = torch.float16, channels: int = CHANNELS
) -> dict[str, int]:
    """Bytes by what they are for; everything that grows with a clip in `DisPosePipeline`.

    The first two wait on the CPU, latents are on the device. Decoded images are handed on one
    by one: the last item is for a caller who keeps them in 8 bits.

    Args:
        size: (H, W) of the image.
        dtype: the networks'.
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
