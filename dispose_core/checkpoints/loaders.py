"""The networks from their files: DisPose, MimicMotion's UNet and PoseNet, CMP.

A network is built without memory and takes the tensors of the file as its own, so a model is never
in memory twice. Everything about a file is checked before: what it is, that nothing is missing,
unknown or of another shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..models.cmp import CmpNetwork
from ..models.controlnet import HybridControlNet
from ..models.mimicmotion import MimicMotionUNet, build_unet
from ..models.module_utils import Ops
from ..models.motion_encoder import MotionEncoder
from ..models.point_adapter import PointAdapter
from ..models.pose_net import PoseNet
from ..models.svd_encoder import SvdEncoder
from ..models.svd_sizes import HEAD_CHANNELS, build_for
from .key_maps import from_comfyui, rename_keys
from .recognise import Kind, require_kind
from .state_dict import Weights, open_weights
from .state_dict_diff import Fit, compare, fill, listed, needed_by, net_for

Encoder = TypeVar("Encoder", bound=SvdEncoder)

# Children of `DisPose.pth` that run once a clip, and are networks of their own here.
_MOTION, _POINTS = "controlnet_cond_embedding.", "point_adapter."
_ADDED = "add_embedding."
_ADDED_SIZE = f"{_ADDED}linear_1.weight"
SVD_ADDED = 768  # channels that it takes: three ids, 256 each

# Parts of MimicMotion's file that SVD's VAE and CLIP vision come from, not this pack.
_NOT_OURS = ("vae.", "image_encoder.")

_WANTED_DISPOSE = {Kind.DISPOSE: "DisPose.pth"}
_WANTED_UNET = {
    Kind.MIMICMOTION: "MimicMotion_1-1.pth",
    Kind.SVD_UNET: "a merged MimicMotion UNet",
    Kind.SVD_COMFYUI: "MimicMotion as ComfyUI saves it",
}
_WANTED_POSE_NET = {
    Kind.POSE_NET: "mimic_motion_pose_net.safetensors",
    Kind.MIMICMOTION: "MimicMotion_1-1.pth",
}
_WANTED_CMP = {Kind.CMP: "ckpt_iter_42000.pth.tar"}


@dataclass(frozen=True)
class Placement:
    """Where and how a network is to run."""

    device: torch.device | str = "cpu"
    dtype: torch.dtype | None = None  # None: the file's
    channels_last: bool = False  # suits convolutions on tensor cores
    compile: bool = False  # torch.compile; the first call for a size takes minutes


@dataclass(frozen=True, eq=False)
class DisPose:
    """The parts of `DisPose.pth`; the last two run once a clip."""

    controlnet: HybridControlNet
    motion_encoder: MotionEncoder
    point_adapter: PointAdapter


def load_dispose(
    path: str | Path,
    *,
    add_embedding: Mapping[str, Tensor] | None = None,
    placement: Placement = Placement(),
    controlnet: type[HybridControlNet] = HybridControlNet,
    ops: Ops = nn,
    head_channels: int = HEAD_CHANNELS,
) -> DisPose:
    """DisPose's ControlNet from `DisPose.pth` or a safetensors copy of it.

    Args:
        add_embedding: the state dict of the UNet's `add_embedding`, for a file without; the
            official code leaves it to chance there (docs/reference_behaviour.md#hybrid-controlnet).
        placement: of the ControlNet. The encoders go to the same device in the same precision.
        controlnet: class of the ControlNet; a host may have one of its own.
        ops: classes of the layers of the ControlNet and the motion encoder.
        head_channels: channels of an attention head; 64 except in test models.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    weights = open_weights(path)
    require_kind(weights.shapes, weights.name, _WANTED_DISPOSE)
    tensors = weights.tensors
    if not any(key.startswith(_ADDED) for key in tensors):
        if add_embedding is None:
            raise CheckpointError(
                f"{weights.name}: holds no {_ADDED}*, which tells the ControlNet frame rate and "
                "motion. Load MimicMotion first; it is taken from there."
            )
        tensors.update({_ADDED + key: value for key, value in add_embedding.items()})

    nets = _dispose_nets(weights, head_channels, controlnet, ops)
    fill(nets.by_prefix(), weights)
    run = _run_dtype(nets.controlnet.conv_in.weight.dtype, placement)
    motion = nets.motion.requires_grad_(False).eval().to(placement.device, run)
    points = nets.points.requires_grad_(False).eval().to(placement.device, run)
    return DisPose(_place(nets.controlnet, placement, run), motion, points)


def load_unet(
    path: str | Path,
    *,
    placement: Placement = Placement(),
    head_channels: int = HEAD_CHANNELS,
) -> MimicMotionUNet:
    """MimicMotion's UNet from `MimicMotion_1-1.pth`, or a UNet alone in any layout.

    That is diffusers' keys with `unet.` before them or without, as merged fp16 files have it, or
    ComfyUI's layout. SVD's own UNet has the same keys and loads too.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    weights = unet_weights(open_weights(path))
    net = build_unet(weights.shapes, weights.name, head_channels)
    fill({"": net}, weights)
    return _place(net, placement, _run_dtype(net.dtype, placement))


def load_pose_net(path: str | Path) -> PoseNet:
    """PoseNet from its own file or from `MimicMotion_1-1.pth`, on the CPU as the file has it.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    weights = open_weights(path)
    kind = require_kind(weights.shapes, weights.name, _WANTED_POSE_NET)
    if kind is Kind.MIMICMOTION:
        weights = weights.below("pose_net.")
    net = _pose_net(weights)
    fill({"": net}, weights)
    return net.requires_grad_(False).eval()


def load_cmp(path: str | Path) -> CmpNetwork:
    """CMP from its published file or a safetensors copy, on the CPU as the file has it.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    weights = open_weights(path)
    require_kind(weights.shapes, weights.name, _WANTED_CMP)
    net = _cmp_net()
    fill({"": net}, weights)
    return net.requires_grad_(False)


def unet_weights(weights: Weights) -> Weights:
    """The UNet of a file of any kind that has one, with diffusers' keys and no prefix.

    The tensors are the file's own.

    Raises:
        CheckpointError: a file without an SVD-class UNet, or with parts that are no part of one.
    """
    kind = require_kind(weights.shapes, weights.name, _WANTED_UNET)
    if kind is Kind.MIMICMOTION:
        strangers = _outside(weights.tensors, ("unet.", "pose_net.", *_NOT_OURS))
        if strangers:
            raise CheckpointError(f"{weights.name}: {listed('unexpected', strangers)}.")
    for prefix in ("unet.", "model.diffusion_model."):
        if any(key.startswith(prefix) for key in weights.tensors):
            weights = weights.below(prefix)
    if kind is Kind.SVD_COMFYUI:
        return Weights(weights.name, rename_keys(weights.tensors, from_comfyui))
    return weights


def fit_of(weights: Weights, kind: Kind) -> Fit | None:
    """How a file fits the network that the pack loads from files of its kind; nothing is loaded.

    Returns:
        None for kinds that the pack does not load itself.

    Raises:
        CheckpointError: so much is missing that the sizes of the network cannot be told.
    """
    if kind is Kind.DISPOSE:
        lent: dict[str, Tensor] = {}
        if not any(key.startswith(_ADDED) for key in weights.tensors):
            # `load_dispose` takes it from MimicMotion; its width is SVD's.
            lent[_ADDED_SIZE] = torch.empty(0, SVD_ADDED, device="meta")
        whole = Weights(weights.name, {**weights.tensors, **lent})
        needed = needed_by(_dispose_nets(whole, HEAD_CHANNELS).by_prefix())
        if lent:
            needed = {key: shape for key, shape in needed.items() if not key.startswith(_ADDED)}
        return compare(weights.shapes, needed)
    if kind is Kind.CMP:
        return compare(weights.shapes, needed_by({"": _cmp_net()}))
    if kind is Kind.POSE_NET:
        return compare(weights.shapes, needed_by({"": _pose_net(weights)}))
    if kind in _WANTED_UNET:
        unet = unet_weights(weights)
        fit = compare(unet.shapes, needed_by({"": build_unet(unet.shapes, unet.name)}))
        if kind is Kind.MIMICMOTION:
            pose = weights.below("pose_net.")
            fit += compare(pose.shapes, needed_by({"": _pose_net(pose)}))
        return fit
    return None


class _DisposeNets(NamedTuple):
    """The networks of `DisPose.pth`."""

    motion: MotionEncoder
    points: PointAdapter
    controlnet: HybridControlNet

    def by_prefix(self) -> dict[str, nn.Module]:
        """The same by the prefix of their keys."""
        return {_MOTION: self.motion, _POINTS: self.points, "": self.controlnet}


def _dispose_nets(
    weights: Weights,
    head_channels: int,
    controlnet: type[HybridControlNet] = HybridControlNet,
    ops: Ops = nn,
) -> _DisposeNets:
    """The networks of `DisPose.pth` on the meta device."""
    motion = partial(MotionEncoder.shaped_like, ops=ops)
    return _DisposeNets(
        net_for(motion, weights.below(_MOTION), "MotionEncoder"),
        net_for(PointAdapter.shaped_like, weights.below(_POINTS), "PointAdapter"),
        build_for(partial(controlnet, ops=ops), weights.shapes, weights.name, head_channels),
    )


def _pose_net(weights: Weights) -> PoseNet:
    return net_for(PoseNet.shaped_like, weights, "PoseNet")


def _cmp_net() -> CmpNetwork:
    with torch.device("meta"):
        return CmpNetwork()


def _outside(keys: Iterable[str], prefixes: tuple[str, ...]) -> list[str]:
    return [key for key in keys if not key.startswith(prefixes)]


def _run_dtype(stored: torch.dtype, placement: Placement) -> torch.dtype:
    """What to compute in; files may be stored in types that cannot be computed in, such as fp8."""
    if placement.dtype is not None:
        return placement.dtype
    return stored if stored in (torch.float32, torch.float16, torch.bfloat16) else torch.float32


def _place(net: Encoder, placement: Placement, dtype: torch.dtype) -> Encoder:
    # Tensor by tensor, so that only one of them is there twice.
    net = net.to(placement.device, dtype)
    if placement.channels_last:
        net.use_channels_last()
    if placement.compile:
        net.compile()
    return net
