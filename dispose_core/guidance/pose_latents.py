"""Pose latents of a clip: PoseNet run over the drawn skeletons, in chunks."""

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
    """The pose latents of a clip.

    Args:
        net: stays as it is.
        images: (F+1, 3, H, W), 0…1, drawn skeletons, the reference's first. Any sequence that
            gives such a tensor for a slice will do.
        chunk: images a pass. It changes memory and speed, not the result.
        device, dtype: where and in which precision to compute, see `placed`.
        on_frame: called after each pass; may raise to cancel.

    Returns:
        (F+1, C, H/8, W/8) on the CPU, in the net's own dtype. The unconditional half of the
        guidance takes zeros in their place.

    Raises:
        NetworkError: images that the network does not take.
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
