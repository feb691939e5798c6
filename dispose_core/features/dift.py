"""Diffusion features (DIFT) of an image from an SD 1.5 UNet.

See docs/reference_behaviour.md#dift-features. `diffusion_features` runs diffusers' modules; a host
with its own UNet calls `ensemble_features` with a `FeaturePass` instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import NetworkError
from ..progress import Progress, no_progress

# Prompt used in training (docs/reference_behaviour.md#dift-features), to be encoded by the caller.
PROMPT = "photo of a human"

# SD 1.5's "scaled linear" noise schedule: the square roots of the betas are linear.
TRAIN_STEPS = 1000
FIRST_BETA, LAST_BETA = 0.00085, 0.012


@dataclass(frozen=True)
class DiffusionFeatureOptions:
    """Options of the features; the defaults are the paper's.

    The released weights were trained with timestep 261 and up block 1. Ensemble size and seed only
    affect how well the noise is averaged out.
    """

    timestep: int = 261  # 0…999
    ensemble: int = 8  # number of noisy copies that are averaged
    up_block: int = 1  # up block with the features; in SD 1.5 block 1 has 1280 channels at 1/16
    seed: int = 0
    batch: int = 4  # copies per UNet pass; affects memory and speed, not the result


class FeaturePass(Protocol):
    """A UNet with its prompt, run up to the selected up block.

    Takes noisy latents (b, 4, h, w), float32 on the CPU, and the timestep; returns the block's
    output after its upsampler, (b, C, h', w'), on any device.
    """

    def __call__(self, noisy: Tensor, timestep: int) -> Tensor: ...


@torch.no_grad()
def diffusion_features(
    unet: Any,
    vae: Any,
    prompt: Tensor,
    image: Tensor,
    options: DiffusionFeatureOptions | None = None,
    on_copy: Progress = no_progress,
) -> Tensor:
    """Compute the feature map of an image.

    Args:
        unet: diffusers' `UNet2DConditionModel` of an SD 1.5-class model.
        vae: diffusers' `AutoencoderKL` of the same model.
        prompt: (1, T, D), the text encoder's output for `PROMPT`.
        image: (3, H, W), 0…1; sides are multiples of 8.
        options: the paper's when None.
        on_copy: called after each UNet pass; may raise to cancel.

    Returns:
        (C, h', w') float32 on the CPU; (1280, H/16, W/16) with SD 1.5.

    Raises:
        NetworkError: another kind of UNet, prompt or image, or an option out of range.
    """
    options = options or DiffusionFeatureOptions()
    _check_unet(unet, prompt, options.up_block)
    weight = next(vae.parameters())
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    if image.ndim != 3 or image.shape[0] != 3 or any(s % scale for s in image.shape[1:]):
        raise NetworkError(
            f"diffusion features: image of shape {tuple(image.shape)}, needed (3, H, W) with "
            f"sides that are multiples of {scale}. Let Prepare fit the image."
        )
    # Encoded once; the official code encodes the same image for each copy
    # (docs/reference_behaviour.md#quirk-8).
    latents = vae.encode(image[None].to(weight) * 2 - 1).latent_dist
    factor = vae.config.scaling_factor
    unet_weight = next(unet.parameters())
    prompt = prompt.to(unet_weight)

    def run(noisy: Tensor, timestep: int) -> Tensor:
        return up_block_features(unet, noisy.to(unet_weight), timestep, prompt, options.up_block)

    mean, std = latents.mean[0].float() * factor, latents.std[0].float() * factor
    return ensemble_features(run, mean, std, options, on_copy)


@torch.no_grad()
def ensemble_features(
    run: FeaturePass,
    mean: Tensor,
    std: Tensor | None = None,
    options: DiffusionFeatureOptions | None = None,
    on_copy: Progress = no_progress,
) -> Tensor:
    """Average the feature maps of noisy copies of an image's latents.

    All noise is drawn on the CPU before the first pass, so it depends on neither device nor batch.

    Args:
        mean: (4, h, w) scaled latents of the image, the mean of the VAE's distribution.
        std: (4, h, w) their standard deviation, scaled too; every copy draws its own sample, as in
            the official code. None uses the mean for all copies.
        options: the paper's when None.
        on_copy: called after each pass; may raise to cancel.

    Returns:
        (C, h', w') float32 on the CPU.

    Raises:
        NetworkError: an option out of range, or features that are not finite.
    """
    options = options or DiffusionFeatureOptions()
    if options.ensemble < 1 or options.batch < 1:
        raise NetworkError(
            f"diffusion features: ensemble {options.ensemble} and batch {options.batch}, "
            "both must be at least 1."
        )
    mean = mean.float().cpu()
    generator = torch.Generator().manual_seed(options.seed)
    noise, spread = torch.randn((2, options.ensemble, *mean.shape), generator=generator)
    latents = mean + spread * std.float().cpu() if std is not None else mean.expand_as(noise)
    noisy = add_noise(latents, noise, options.timestep)
    total: Tensor | None = None
    for start in range(0, options.ensemble, options.batch):
        part = run(noisy[start : start + options.batch], options.timestep).float().sum(0)
        total = part if total is None else total + part
        on_copy(min(start + options.batch, options.ensemble), options.ensemble)
    summed: Any = total  # an ensemble has at least one copy
    features = (summed / options.ensemble).cpu()
    if not features.isfinite().all():
        raise NetworkError(
            f"diffusion features: {int((~features.isfinite()).sum())} of {features.numel()} "
            "values are not finite. Run the SD 1.5 model in float32 or bfloat16, or use another "
            "file of it."
        )
    return features


def add_noise(latents: Tensor, noise: Tensor, timestep: int) -> Tensor:
    """Forward diffusion of SD 1.5: sqrt(a) x + sqrt(1 - a) n with the cumulative alpha a.

    Args:
        latents, noise: of one shape.
        timestep: 0…999.

    Raises:
        NetworkError: the timestep is out of range.
    """
    if not 0 <= timestep < TRAIN_STEPS:
        raise NetworkError(
            f"diffusion features: timestep {timestep}, needed 0…{TRAIN_STEPS - 1}. "
            "The paper's is 261."
        )
    betas = torch.linspace(FIRST_BETA**0.5, LAST_BETA**0.5, TRAIN_STEPS) ** 2
    alpha = (1 - betas).cumprod(0)[timestep]
    return alpha.sqrt() * latents + (1 - alpha).sqrt() * noise


def up_block_features(
    unet: Any, noisy: Tensor, timestep: int, prompt: Tensor, up_block: int
) -> Tensor:
    """Output of one up block after its upsampler; later layers are not run.

    Args:
        unet: diffusers' `UNet2DConditionModel`, with plain time and text conditioning.
        noisy: (b, 4, h, w) on the UNet's device and in its dtype.
        timestep: 0…999.
        prompt: (b, T, D), or (1, T, D) for all.
        up_block: 0 is the deepest.

    Returns:
        (b, C, h', w')
    """
    times = torch.full((len(noisy),), timestep, device=noisy.device)
    time = unet.time_embedding(unet.time_proj(times).to(noisy.dtype))
    prompt = prompt.expand(len(noisy), -1, -1)

    def context(block: Any) -> dict[str, Tensor]:
        attends = getattr(block, "has_cross_attention", False)
        return {"encoder_hidden_states": prompt} if attends else {}

    x = unet.conv_in(noisy)
    skips = (x,)
    for block in unet.down_blocks:
        x, states = block(hidden_states=x, temb=time, **context(block))
        skips += states
    x = unet.mid_block(x, time, **context(unet.mid_block))
    for block in unet.up_blocks[: up_block + 1]:
        count = len(block.resnets)
        block_skips, skips = skips[-count:], skips[:-count]
        x = block(
            hidden_states=x,
            res_hidden_states_tuple=block_skips,
            temb=time,
            # Upsample to the size of the next skip, which may be odd.
            upsample_size=skips[-1].shape[2:] if skips else None,
            **context(block),
        )
    return x


def _check_unet(unet: Any, prompt: Tensor, up_block: int) -> None:
    config: Any = getattr(unet, "config", None)
    channels = getattr(config, "in_channels", None)
    if channels != 4 or not hasattr(unet, "up_blocks") or hasattr(config, "num_frames"):
        raise NetworkError(
            f"diffusion features: {type(unet).__name__} with {channels} input channels is not an "
            "SD 1.5-class UNet (4 channels, one image at a time). Load Stable Diffusion 1.5."
        )
    width = config.cross_attention_dim
    if prompt.ndim != 3 or len(prompt) != 1 or prompt.shape[-1] != width:
        raise NetworkError(
            f"diffusion features: prompt of shape {tuple(prompt.shape)}, this UNet needs "
            f"(1, tokens, {width}). Encode the prompt with the same model's text encoder."
        )
    if not 0 <= up_block < len(unet.up_blocks):
        raise NetworkError(
            f"diffusion features: up block {up_block}, this UNet has 0…{len(unet.up_blocks) - 1}. "
            "The released weights need 1."
        )
