"""Diffusion features of an image from a stock MODEL.

The UNet runs inside ComfyUI's guider, which handles loading, memory and cleanup. The features are
the input of an output block; the run ends there, so the rest of the UNet is not computed.
"""

from __future__ import annotations

from typing import Any

import torch
from comfy.samplers import CFGGuider, Sampler
from torch import Tensor

from ...dispose_core.errors import NetworkError
from ...dispose_core.features.dift import DiffusionFeatureOptions, ensemble_features
from ...dispose_core.progress import Progress, no_progress
from .memory import require_vae

NAME = "Keypoint Features"

# In ComfyUI, SD 1.5 has three output blocks for each of diffusers' four up blocks.
OUTPUT_BLOCKS = 12
SD2_TEXT_WIDTH = 1024


def image_features(
    model: Any,
    vae: Any,
    prompt: list,
    image: Tensor,
    options: DiffusionFeatureOptions,
    on_copy: Progress = no_progress,
) -> Tensor:
    """Compute the feature map of an image.

    Args:
        model: MODEL of SD 1.5 class; not modified.
        vae: its VAE.
        prompt: CONDITIONING with one prompt.
        image: (3, H, W) 0…1, sides multiples of 8.
        options: see `DiffusionFeatureOptions`.
        on_copy: called after each UNet pass; may raise to cancel.

    Returns:
        (C, h', w') float32 on the CPU; (1280, H/16, W/16) with SD 1.5.

    Raises:
        NetworkError: another kind of model, VAE, prompt or image.
    """
    _check(model, prompt, image)
    require_vae(vae, tuple(image.shape[1:]), False, "Use the image that Prepare outputs.")
    latents = vae.encode(image.movedim(0, -1)[None])
    if latents.ndim != 4 or latents.shape[1] != 4:
        raise NetworkError(
            f"{NAME}: the VAE gives latents of shape {tuple(latents.shape)}, not (1, 4, h, w). "
            "Connect the VAE of the SD 1.5 checkpoint."
        )
    reader = model.clone()
    reader.set_model_output_block_patch(_stop_at(3 * (options.up_block + 1)))
    sampling = reader.get_model_object("model_sampling")
    sigma = sampling.sigma(torch.tensor(float(options.timestep)))
    guider = CFGGuider(reader)
    guider.inner_set_conds({"positive": prompt})
    sampler = _FeatureSampler(options, on_copy)
    # Shape of a batch, used by ComfyUI to estimate the memory.
    shape = (min(options.batch, options.ensemble), *latents.shape[1:])
    guider.sample(
        torch.zeros(shape), latents, sampler, sigma[None], disable_pbar=True, seed=options.seed
    )
    return sampler.features


class _FeatureSampler(Sampler):
    """Replaces the sampler: one pass per batch of noisy copies, without steps."""

    def __init__(self, options: DiffusionFeatureOptions, on_copy: Progress):
        self.options, self.on_copy = options, on_copy

    def sample(
        self,
        model_wrap: Any,
        sigmas: Tensor,
        extra_args: dict,
        callback: Any,
        noise: Tensor,
        latent_image: Tensor,
        denoise_mask: Tensor | None = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        # ComfyUI's x is unscaled; the UNet receives `noisy`, which has unit variance.
        scale = (sigmas[0] ** 2 + 1).sqrt()

        def run(noisy: Tensor, timestep: int) -> Tensor:
            x = noisy.to(latent_image) * scale
            try:
                model_wrap(x, sigmas[0].expand(len(x)), **extra_args)
            except _Reached as reached:
                return reached.features
            raise NetworkError(f"{NAME}: the MODEL has no output block that can be read.")

        self.features = ensemble_features(run, latent_image[0], None, self.options, self.on_copy)
        return latent_image


class _Reached(Exception):
    """Raised inside the UNet to end its run once the features are available."""

    def __init__(self, features: Tensor):
        self.features = features


def _stop_at(block: int):
    def patch(h: Tensor, skip: Tensor, transformer_options: dict) -> tuple[Tensor, Tensor]:
        if transformer_options["block"] == ("output", block):
            raise _Reached(h)
        return h, skip

    return patch


def _check(model: Any, prompt: list, image: Tensor) -> None:
    unet = model.model.diffusion_model
    config = getattr(model.model.model_config, "unet_config", {})
    if (
        len(getattr(unet, "output_blocks", ())) != OUTPUT_BLOCKS
        or config.get("in_channels") != 4
        or model.model.adm_channels
        or config.get("context_dim") == SD2_TEXT_WIDTH
    ):
        raise NetworkError(
            f"{NAME}: the MODEL is {type(model.model.model_config).__name__} with text embeddings "
            f"of width {config.get('context_dim')}, not of the SD 1.5 class (768). "
            "Load a Stable Diffusion 1.5 checkpoint."
        )
    if len(prompt) != 1:
        raise NetworkError(
            f"{NAME}: got {len(prompt)} prompts in the conditioning, expected one. "
            "Connect one 'CLIP Text Encode' with the prompt \"photo of a human\"."
        )
    height, width = image.shape[1:]
    if height % 8 or width % 8:
        raise NetworkError(
            f"{NAME}: the image is {width}×{height}, but both sides must be multiples of 8. "
            "Use the image that Prepare outputs."
        )
