"""ComfyUI NOISE drawn like MimicMotion's."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...dispose_core.models.latent import DOWNSCALE
from ...dispose_core.sampling.noise import NoiseKind, sequence_noise


class RepeatedNoise:
    """NOISE for samplers: a seed, and noise of the size of the latents."""

    def __init__(self, seed: int, length: int, kind: NoiseKind):
        self.seed = seed
        self.length = length
        self.kind = kind

    def generate_noise(self, input_latent: dict[str, Any]) -> Tensor:
        """(F+1, 4, h, w) for a LATENT."""
        num_frames, _, height, width = input_latent["samples"].shape
        size = height * DOWNSCALE, width * DOWNSCALE
        return sequence_noise(
            self.seed, num_frames, size, length=self.length, kind=self.kind
        ).latents
