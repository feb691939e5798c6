"""Encode the reference image with ComfyUI's CLIP vision and VAE, and decode latents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...dispose_core.errors import NetworkError
from ...dispose_core.media.resize import covering_crop, resize_crop
from ...dispose_core.models.latent import DOWNSCALE
from ...dispose_core.progress import Progress
from ...dispose_core.sampling.clip_vision import clip_vision_image
from ...dispose_core.sampling.decode import decode_frames
from ...dispose_core.sampling.noise import sequence_noise
from .conditioning import Conditioning
from .memory import IMAGE, bytes_of, require_images, require_room, require_vae


def condition(
    clip_vision: Any,
    vae: Any,
    image: Tensor,
    size: tuple[int, int],
    num_frames: int,
    ids: Mapping[str, float],
    seed: int,
) -> tuple[Conditioning, Conditioning, dict[str, Tensor]]:
    """Create positive, negative and empty latents.

    See docs/reference_behaviour.md#clip-image, 11.3.

    Args:
        clip_vision: CLIP_VISION of SVD.
        vae: its VAE.
        image: (3, H, W) 0…1; resized to `size` if needed.
        ids: condition values that ComfyUI's SVD reads: fps (from which it subtracts 1),
            motion_bucket_id, augmentation_level.
    """
    shape = (num_frames, 4, *(side // DOWNSCALE for side in size))
    remedy = "Choose a smaller width and height in Prepare, or fewer frames."
    noise = f"latents: {num_frames} of {shape[3]}×{shape[2]}"
    require_room(noise, bytes_of(shape, torch.float32), remedy)
    require_vae(vae, size, False, remedy)
    covering, _ = covering_crop(tuple(image.shape[-2:]), size)
    remedy = "Crop the reference image around the person, or use Prepare."
    require_images("reference image before its sides are cut off", 1, covering, 2 * IMAGE, remedy)
    if tuple(image.shape[-2:]) != tuple(size):
        image = resize_crop(image, size)
    embedding = _embedding(clip_vision, clip_vision_image(image))
    if strength := ids["augmentation_level"]:
        # Half the strength, which refers to -1…1, since this image is in 0…1.
        image = image + sequence_noise(seed, 1, size, length=1).image * (strength / 2)
    latent = vae.encode(_to_comfy(image))
    empty = torch.zeros(shape, device=comfy.model_management.intermediate_device())
    return (
        [[embedding, {**ids, "concat_latent_image": latent}]],
        [[torch.zeros_like(embedding), {**ids, "concat_latent_image": torch.zeros_like(latent)}]],
        {"samples": empty},
    )


def _embedding(clip_vision: Any, image: Tensor) -> Tensor:
    """(3, 224, 224) 0…1 -> (1, 1, D) image embedding.

    Does not use `encode_image`, which quantises the image to 8 bits and thereby changes the
    embedding by 0.2 % from the paper's.
    """
    comfy.model_management.load_models_gpu([clip_vision.patcher])
    mean, std = (
        torch.tensor(values)[:, None, None]
        for values in (clip_vision.image_mean, clip_vision.image_std)
    )
    pixels = ((image - mean) / std)[None].to(clip_vision.load_device)
    found = clip_vision.model(pixel_values=pixels, intermediate_output=-2)
    return found[2].to(comfy.model_management.intermediate_device()).unsqueeze(0)


def decode(vae: Any, latents: Tensor, chunk: int, on_frame: Progress) -> Tensor:
    """Decode the driving frames in chunks.

    Args:
        vae: VAE of SVD.
        latents: (F+1, 4, h, w), the reference first.
        chunk: frames per pass of the decoder.

    Returns:
        IMAGE (F, H, W, 3).

    Raises:
        NetworkError: there is no driving frame, or images are not finite.
    """
    if latents.ndim != 4 or len(latents) < 2:
        raise NetworkError(
            f"DisPose Decode: got latents of shape {tuple(latents.shape)}, expected "
            "(frames, 4, h, w) with the reference frame first and at least one driving frame."
        )

    size = tuple(DOWNSCALE * side for side in latents.shape[-2:])
    remedy = "Make a smaller or shorter clip."
    require_images("decoded clip", len(latents) - 1, size, IMAGE, remedy)
    require_vae(vae, size, True, remedy)

    def run(part: Tensor) -> Tensor:
        return vae.decode(part).movedim(-1, 1)

    images = None
    decoded = decode_frames(run, latents, chunk, on_frame=on_frame)
    for frame, image in enumerate(decoded):
        if images is None:
            images = torch.empty(len(latents) - 1, *image.shape[1:], 3)
        if frame:
            images[frame - 1] = image.movedim(0, -1)
    return images


def _to_comfy(image: Tensor) -> Tensor:
    """(3, H, W) -> IMAGE (1, H, W, 3)"""
    return image.movedim(0, -1)[None]
