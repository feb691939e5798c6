"""Image conditioning of the networks, computed once per run.

See docs/reference_behaviour.md#pixel-round-trip to 11.5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import NetworkError
from .clip_vision import clip_vision_image, clip_vision_normalise
from .options import SamplingOptions


class ImageConditioning(NamedTuple):
    """Conditioning of cond; uncond has zeros instead of both."""

    embedding: Tensor  # (1, 1, D), CLIP image embedding
    latents: Tensor  # (4, H/8, W/8), mean of the VAE's distribution, unscaled


@torch.no_grad()
def encode_image(
    image_encoder: Any,
    vae: Any,
    image: Tensor,
    noise: Tensor,
    augmentation: float = 0.0,
    official: bool = False,
) -> ImageConditioning:
    """Encode the reference image with CLIP and the VAE.

    Args:
        image_encoder: transformers' `CLIPVisionModelWithProjection` of SVD.
        vae: diffusers' `AutoencoderKLTemporalDecoder` of SVD. With `force_upcast` a float16 VAE
            encodes in float32; the official code ignores the flag.
        image: (3, H, W), 0…1.
        noise: (3, H, W) standard normal.
        augmentation: strength of the noise, on the scale -1…1.
        official: encode in the VAE's own dtype.

    Returns:
        Conditioning on the networks' devices, in their dtypes.

    Raises:
        NetworkError: a result is not finite.
    """
    weight = next(image_encoder.parameters())
    pixels = clip_vision_normalise(clip_vision_image(image.to(weight.device)))
    embedding = image_encoder(pixels.to(weight.dtype)).image_embeds[:, None]

    noisy = image.to(vae.device, torch.float32) * 2 - 1 + augmentation * noise.to(vae.device)
    original_dtype = vae.dtype
    upcast = vae.config.force_upcast and original_dtype == torch.float16 and not official
    if upcast:
        vae.float()
    try:
        latents = vae.encode(noisy[None].to(vae.dtype)).latent_dist.mode()[0].to(original_dtype)
    finally:
        if upcast:
            nn.Module.to(vae, original_dtype)  # diffusers' `to` warns about dtype changes
    for name, values in (("CLIP vision", embedding), ("the VAE", latents)):
        if not values.isfinite().all():
            raise NetworkError(
                f"reference image: the output of {name} is not finite. Run the pipeline in "
                "bfloat16 or float32, or use another file of the model."
            )
    return ImageConditioning(embedding, latents)


def official_pixels(image: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Quantise an image as the official code does before its pipeline; 0…1 float32.

    See docs/reference_behaviour.md#pixel-round-trip. It converts 8-bit values to -1…1 and back and
    truncates, so that some dark levels become one darker; which ones depends on the dtype.
    """
    levels = (image.float() * 255).round().to(dtype)
    return ((levels / 127.5 - 1 + 1) * 127.5).to(torch.uint8).float() / 255


def cfg_batch(condition: Tensor, guided: bool) -> Tensor:
    """(1, …) -> (2, …) with zeros for uncond first if `guided`, else unchanged."""
    return torch.cat([torch.zeros_like(condition), condition]) if guided else condition


def added_ids(options: SamplingOptions) -> Tensor:
    """(1, 3): fps - 1, as in training, motion bucket and augmentation."""
    return torch.tensor([[options.model_fps - 1, options.motion_bucket, options.augmentation]])
