"""MimicMotion's UNet and PoseNet, together in `MimicMotion_1-1.pth` or each in its own file."""

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

# Parts of MimicMotion's file that the pack takes from SVD's file instead.
_FROM_SVD = ("vae.", "image_encoder.")


def load_unet(
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    head_channels: int = HEAD_CHANNELS,
) -> MimicMotionUNet:
    """MimicMotion's UNet from `MimicMotion_1-1.pth`, or a UNet alone in any layout.

    That is diffusers' keys with `unet.` before them or without, as merged fp16 files have it, or
    ComfyUI's layout. SVD's own UNet has the same keys and loads too.

    Args:
        path: the file.
        dtype: of the network; None keeps the file's, if it can be computed in.
        head_channels: channels of an attention head; 64 except in test models.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    weights = unet_weights(open_weights(path))
    net = build_unet(weights.shapes, weights.name, head_channels)
    fill({"": net}, weights)
    return net.to(dtype or compute_dtype(net.dtype))


def load_pose_net(path: str | Path) -> PoseNet:
    """PoseNet from its own file or from `MimicMotion_1-1.pth`, on the CPU as the file has it.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    weights = open_weights(path)
    if require_role(weights.shapes, weights.name, "pose_net") is MIMICMOTION:
        weights = weights.below("pose_net.")
    net = _pose_net(weights)
    fill({"": net}, weights)
    return net.requires_grad_(False).eval()


def unet_weights(weights: Weights) -> Weights:
    """The UNet of any file that has one, with diffusers' keys and no prefix.

    The tensors are the file's own.

    Raises:
        CheckpointError: a file without an SVD-class UNet, or with parts that are no part of one.
    """
    architecture = require_role(weights.shapes, weights.name, "unet")
    if architecture is MIMICMOTION:
        known = ("unet.", "pose_net.", *_FROM_SVD)
        unexpected = [key for key in weights.tensors if not key.startswith(known)]
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
