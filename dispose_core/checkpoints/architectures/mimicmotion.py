"""Load MimicMotion's UNet and PoseNet from one file or from separate files."""

from __future__ import annotations

from pathlib import Path

import torch

from ...errors import CheckpointError
from ...models.mimicmotion import MimicMotionUNet, build_unet
from ...models.pose_net import PoseNet
from ...models.svd_sizes import HEAD_CHANNELS
from ..key_maps import from_comfyui, rename_keys
from ..registry import MIMICMOTION, SVD_COMFYUI, require_role
from ..state_dict import open_weights
from ..state_dict_diff import (
    StateDictDiff,
    compare,
    compute_dtype,
    fill,
    listed,
    needed_by,
    net_for,
)
from ..weights import Weights

# Parts of MimicMotion's file that the pack loads from SVD's file instead.
_FROM_SVD = ("vae.", "image_encoder.")


def load_unet(
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    head_channels: int = HEAD_CHANNELS,
) -> MimicMotionUNet:
    """Load MimicMotion's UNet from `MimicMotion_1-1.pth` or a UNet file.

    UNet files can have diffusers' keys, with or without the prefix `unet.`, or ComfyUI's layout.
    SVD's own UNet has the same keys and is accepted.

    Args:
        dtype: type of the network; None selects `compute_dtype` of the file's type.
        head_channels: channels of an attention head; 64 except in test models.

    Raises:
        CheckpointError: the file is damaged or of another architecture.
    """
    weights = unet_weights(open_weights(path))
    net = build_unet(weights.shapes, weights.name, head_channels)
    fill({"": net}, weights)
    return net.to(dtype or compute_dtype(net.dtype))


def load_pose_net(path: str | Path) -> PoseNet:
    """Load PoseNet from its own file or `MimicMotion_1-1.pth`, in the precision of the file.

    Raises:
        CheckpointError: the file is damaged or of another architecture.
    """
    weights = open_weights(path)
    if require_role(weights.shapes, weights.name, "pose_net") is MIMICMOTION:
        weights = weights.below("pose_net.")
    net = _pose_net(weights)
    fill({"": net}, weights)
    return net.requires_grad_(False).eval()


def unet_weights(weights: Weights) -> Weights:
    """Extract the UNet of a file with diffusers' keys and no prefix; tensors are not copied.

    Raises:
        CheckpointError: the file has no SVD-class UNet, or contains unexpected keys.
    """
    architecture = require_role(weights.shapes, weights.name, "unet")
    if architecture is MIMICMOTION:
        expected = ("unet.", "pose_net.", *_FROM_SVD)
        unexpected = [key for key in weights.tensors if not key.startswith(expected)]
        if unexpected:
            raise CheckpointError(f"{weights.name}: {listed('unexpected', unexpected)}.")
    for prefix in ("unet.", "model.diffusion_model."):
        if any(key.startswith(prefix) for key in weights.tensors):
            weights = weights.below(prefix)
    if architecture is SVD_COMFYUI:
        return Weights(weights.name, rename_keys(weights.tensors, from_comfyui))
    return weights


def diff_unet(weights: Weights) -> StateDictDiff:
    """See `Architecture.compare`."""
    unet = unet_weights(weights)
    return compare(unet.shapes, needed_by({"": build_unet(unet.shapes, unet.name)}))


def diff_pose_net(weights: Weights) -> StateDictDiff:
    """See `Architecture.compare`."""
    return compare(weights.shapes, needed_by({"": _pose_net(weights)}))


def diff_whole(weights: Weights) -> StateDictDiff:
    """See `Architecture.compare`."""
    return diff_unet(weights) + diff_pose_net(weights.below("pose_net."))


def _pose_net(weights: Weights) -> PoseNet:
    return net_for(PoseNet.shaped_like, weights, "PoseNet")
