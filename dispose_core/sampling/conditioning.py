"""What the networks are told of the reference image, once a clip.

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
    """Of the conditional half; the unconditional one has zeros in place of both."""

    embedding: Tensor  # (1, 1, D), CLIP's
    latents: Tensor  # (4, H/8, W/8), the VAE's mean, without its scaling factor


@torch.no_grad()
def encode_image(
    image_encoder: Any,
    vae: Any,
    image: Tensor,
    noise: Tensor,
    augmentation: float = 0.0,
    official: bool = False,
) -> ImageConditioning:
    """The reference image through CLIP and the VAE's encoder.

    Args:
        image_encoder: transformers' `CLIPVisionModelWithProjection` of SVD.
        vae: diffusers' `AutoencoderKLTemporalDecoder` of SVD. One that asks for it
            (`force_upcast`) encodes in float32 where it is in float16; the official code does not.
        image: (3, H, W), 0…1.
        noise: (3, H, W) standard normal.
        augmentation: strength of the noise, on the scale -1…1.
        official: encode in the VAE's own dtype.

    Returns:
        On the networks' devices, in their dtypes.

    Raises:
        NetworkError: what comes out is not finite.
    """
    weight = next(image_encoder.parameters())
    pixels = clip_vision_normalise(clip_vision_image(image.to(weight.device)))
    embedding = image_encoder(pixels.to(weight.dtype)).image_embeds[:, None]

    noisy = image.to(vae.device, torch.float32) * 2 - 1 + augmentation * noise.to(vae.device)
    own = vae.dtype
    upcast = vae.config.force_upcast and own == torch.float16 and not official
    if upcast:
        vae.float()
    try:
        latents = vae.encode(noisy[None].to(vae.dtype)).latent_dist.mode()[0].to(own)
    finally:
        if upcast:
            nn.Module.to(vae, own)  # diffusers' own `to` warns of any change of dtype
    for name, values in (("CLIP vision", embedding), ("the VAE", latents)):
        if not values.isfinite().all():
            raise NetworkError(
                f"reference image: what {name} makes of it is not finite. Run the pipeline in "
                "bfloat16 or float32, or use another file of the model."
            )
    return ImageConditioning(embedding, latents)


def official_pixels(image: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """An image as the official code hands it to its pipeline, 0…1 float32.

    See docs/reference_behaviour.md#pixel-round-trip.

    It goes from 8 bits to -1…1 and back and loses what is behind the point, so that some of the
    dark levels become one darker. In float16 they are others than in float32.
    """
    levels = (image.float() * 255).round().to(dtype)
    return ((levels / 127.5 - 1 + 1) * 127.5).to(torch.uint8).float() / 255


def cfg_batch(condition: Tensor, guided: bool) -> Tensor:
    """(1, …) -> (2, …) with zeros for the unconditional half before it, or itself unguided."""
    return torch.cat([torch.zeros_like(condition), condition]) if guided else condition


def added_ids(options: SamplingOptions) -> Tensor:
    """(1, 3): the rate less 1, as the model was trained, motion bucket and augmentation."""
    return torch.tensor([[options.model_fps - 1, options.motion_bucket, options.augmentation]])
