"""Run PoseNet over skeleton images in chunks."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import NetworkError
from ..models.latent import DOWNSCALE, image_size
from ..models.module_utils import placed
from ..models.pose_net import PoseNet
from ..progress import Progress, no_progress


@torch.no_grad()
def encode_poses(
    net: PoseNet,
    images: Tensor,
    *,
    chunk: int = 8,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    on_frame: Progress = no_progress,
) -> Tensor:
    """Compute the pose latents of a sequence.

    Args:
        images: (F+1, 3, H, W), 0…1, skeleton images, the reference's first; a tensor, or an object
            that returns tensors for slices.
        chunk: images per pass; affects memory and speed, not the result.
        device, dtype: compute device and dtype, see `placed`.

    Returns:
        (F+1, C, H/8, W/8) on the CPU, in the net's dtype. Uncond uses zeros instead.

    Raises:
        NetworkError: images of an unsupported shape.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not len(images):
        raise NetworkError(
            f"PoseNet: images of shape {tuple(images.shape)}, needed (frames, 3, H, W). "
            "Connect drawn skeletons: colour images, the reference's first."
        )
    height, width = image_size((images.shape[-2], images.shape[-1]), "PoseNet")
    run = placed(net, device, dtype)
    result = torch.empty(
        len(images),
        net.final_proj.out_channels,
        height // DOWNSCALE,
        width // DOWNSCALE,
        dtype=net.scale.dtype,
    )
    for start in range(0, len(images), chunk):
        part = images[start : start + chunk].to(run.scale)
        result[start : start + len(part)] = run(part * 2 - 1)
        on_frame(start + len(part), len(images))
    return result
