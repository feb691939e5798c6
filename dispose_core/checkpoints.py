"""The networks from their files: DisPose, MimicMotion's UNet and PoseNet, CMP.

A network is built without memory and takes the tensors of the file as its own, so a model is never
in memory twice. Everything about a file is checked before: what it is, that nothing is missing,
unknown or of another shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .control.hybrid_controlnet import HybridControlNet, build_controlnet
from .control.motion_encoder import MotionEncoder
from .control.point_adapter import PointAdapter
from .control.pose_net import PoseNet
from .control.svd_sizes import HEAD_CHANNELS, build_unet
from .control.unet import MimicMotionUNet
from .errors import CheckpointError, NetworkError
from .keymaps import from_comfyui, rename_keys
from .motion.cmp import CmpNetwork
from .recognise import Kind, require_kind
from .weights_file import Weights, open_weights

# Children of `DisPose.pth` that run once a clip, and are networks of their own here.
_MOTION, _POINTS = "controlnet_cond_embedding.", "point_adapter."
_ADDED = "add_embedding."

# Parts of MimicMotion's file that SVD's VAE and CLIP vision come from, not this pack.
_NOT_OURS = ("vae.", "image_encoder.")

_SHOWN = 4  # keys of each sort in a message

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
    fold_multiplicity: bool = False,
    head_channels: int = HEAD_CHANNELS,
) -> DisPose:
    """DisPose's ControlNet from `DisPose.pth` or a safetensors copy of it.

    Args:
        add_embedding: the state dict of the UNet's `add_embedding`, for a file without; the
            official code leaves it to chance there (SPEC 9).
        placement: of the ControlNet. The encoders go to the same device in the same precision.
        fold_multiplicity: see `HybridControlNet`.
        head_channels: channels an attention head; 64 but in test models.

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

    nets = {
        _MOTION: _branch(MotionEncoder, weights.below(_MOTION)),
        _POINTS: _branch(PointAdapter, weights.below(_POINTS)),
        "": build_controlnet(weights.shapes, weights.name, head_channels),
    }
    _fill(nets, weights)
    run = _run_dtype(nets[""].conv_in.weight.dtype, placement)
    controlnet = _place(HybridControlNet(nets[""], fold_multiplicity), placement, run)
    motion, points = (
        nets[name].requires_grad_(False).eval().to(placement.device, run)
        for name in (_MOTION, _POINTS)
    )
    return DisPose(controlnet, motion, points)


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
    nets = {"": build_unet(weights.shapes, weights.name, head_channels)}
    _fill(nets, weights)
    run = _run_dtype(nets[""].conv_in.weight.dtype, placement)
    return _place(MimicMotionUNet(nets[""]), placement, run)


def load_pose_net(path: str | Path) -> PoseNet:
    """PoseNet from its own file or from `MimicMotion_1-1.pth`, on the CPU as the file has it.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    weights = open_weights(path)
    kind = require_kind(weights.shapes, weights.name, _WANTED_POSE_NET)
    if kind is Kind.MIMICMOTION:
        weights = weights.below("pose_net.")
    net = _branch(PoseNet, weights)
    _fill({"": net}, weights)
    return net.requires_grad_(False).eval()


def load_cmp(path: str | Path) -> CmpNetwork:
    """CMP from its published file or a safetensors copy, on the CPU as the file has it.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    weights = open_weights(path)
    require_kind(weights.shapes, weights.name, _WANTED_CMP)
    with torch.device("meta"):
        net = CmpNetwork()
    _fill({"": net}, weights)
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
            raise CheckpointError(f"{weights.name}: {_listed('unexpected', strangers)}.")
    for prefix in ("unet.", "model.diffusion_model."):
        if any(key.startswith(prefix) for key in weights.tensors):
            weights = weights.below(prefix)
    if kind is Kind.SVD_COMFYUI:
        return Weights(weights.name, rename_keys(weights.tensors, from_comfyui))
    return weights


def _branch(kind: type, weights: Weights) -> nn.Module:
    """A small network with the sizes of its weights, on the meta device."""
    try:
        with torch.device("meta"):
            return kind.shaped_like(weights.shapes)
    except (NetworkError, LookupError, TypeError, ValueError, RuntimeError) as e:
        raise CheckpointError(
            f"{weights.name}: no {kind.__name__} has the sizes of these weights ({e}). "
            "The file is damaged or of another model; use it as it was published."
        ) from e


def _fill(nets: Mapping[str, nn.Module], weights: Weights) -> None:
    """Give networks on the meta device the file's tensors, as they are in it.

    Args:
        nets: by the prefix of their keys; "" takes what no other prefix takes.

    Raises:
        CheckpointError: keys missing, unexpected or misshapen.
    """
    wanted = {
        prefix + key: value
        for prefix, net in nets.items()
        for key, value in net.state_dict().items()
    }
    needed = {key: tuple(value.shape) for key, value in wanted.items()}
    check_shapes(weights.shapes, needed, weights.name)
    numbers = [
        key
        for key, tensor in weights.tensors.items()
        if wanted[key].is_floating_point() and not tensor.is_floating_point()
    ]
    if numbers:
        raise CheckpointError(
            f"{weights.name}: {_listed('not stored as floating point', numbers)}. Quantised "
            "weights are not supported; use the file in fp32, fp16 or bf16."
        )
    for prefix, net in nets.items():
        state = {key: weights.tensors.pop(prefix + key) for key in net.state_dict()}
        net.load_state_dict(state, assign=True)


def check_shapes(
    found: Mapping[str, tuple[int, ...]], needed: Mapping[str, tuple[int, ...]], name: str
) -> None:
    """Raises CheckpointError unless keys and shapes are the same; it lists what is not."""
    missing = [key for key in needed if key not in found]
    unexpected = [key for key in found if key not in needed]
    misshapen = [
        f"{key} {found[key]}, needed {needed[key]}"
        for key in needed
        if key in found and found[key] != needed[key]
    ]
    faults = [
        _listed(title, keys)
        for title, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", misshapen),
        )
        if keys
    ]
    if faults:
        raise CheckpointError(
            f"{name}: does not fit the network. {'; '.join(faults)}. "
            "Use the file as it was published, or download it again."
        )


def _listed(title: str, keys: list[str]) -> str:
    shown = ", ".join(keys[:_SHOWN])
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{len(keys)} {title}: {shown}{more}"


def _outside(keys: Iterable[str], prefixes: tuple[str, ...]) -> list[str]:
    return [key for key in keys if not key.startswith(prefixes)]


def _run_dtype(stored: torch.dtype, placement: Placement) -> torch.dtype:
    """What to compute in; files may be stored in types that cannot be computed in, such as fp8."""
    if placement.dtype is not None:
        return placement.dtype
    return stored if stored in (torch.float32, torch.float16, torch.bfloat16) else torch.float32


def _place(net: nn.Module, placement: Placement, dtype: torch.dtype) -> nn.Module:
    # Tensor by tensor, so that only one of them is there twice.
    net = net.to(placement.device, dtype)
    if placement.channels_last:
        net.use_channels_last()
    if placement.compile:
        net.compile()
    return net
