"""Load DisPose's ControlNet and its encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...errors import CheckpointError
from ...models.controlnet import HybridControlNet
from ...models.module_utils import Ops
from ...models.motion_encoder import MotionEncoder
from ...models.point_adapter import PointAdapter
from ...models.svd_sizes import HEAD_CHANNELS, build_for
from ..registry import require_role
from ..state_dict import open_weights
from ..state_dict_diff import StateDictDiff, compare, compute_dtype, fill, needed_by, net_for
from ..weights import Weights

# Submodules in `DisPose.pth` that run once per clip; they are separate networks here.
_MOTION, _POINTS = "controlnet_cond_embedding.", "point_adapter."
_ADDED = "add_embedding."
_ADDED_SIZE = f"{_ADDED}linear_1.weight"
SVD_ADDED = 768  # input channels of `add_embedding`: 3 ids, 256 each


@dataclass(frozen=True, eq=False)
class DisPose:
    """The networks of `DisPose.pth`; the encoder and the adapter run once per clip."""

    controlnet: HybridControlNet
    motion_encoder: MotionEncoder
    point_adapter: PointAdapter


def load_dispose(
    path: str | Path,
    *,
    add_embedding: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
    controlnet: type[HybridControlNet] = HybridControlNet,
    ops: Ops = nn,
    head_channels: int = HEAD_CHANNELS,
) -> DisPose:
    """Load DisPose's ControlNet from `DisPose.pth` or a safetensors copy of it.

    Args:
        add_embedding: state dict of the UNet's `add_embedding`, for files without one. The official
            code initializes it randomly (docs/reference_behaviour.md#hybrid-controlnet).
        dtype: type of all three networks; None selects `compute_dtype` of the file's type.
        controlnet: class of the ControlNet; hosts can pass a subclass.
        ops: layer classes of the ControlNet and the motion encoder.
        head_channels: channels of an attention head; 64 except in test models.

    Raises:
        CheckpointError: the file is damaged, of another architecture, or needs `add_embedding`.
    """
    weights = open_weights(path)
    require_role(weights.shapes, weights.name, "dispose")
    tensors = weights.tensors
    if not any(key.startswith(_ADDED) for key in tensors):
        if add_embedding is None:
            raise CheckpointError(
                f"{weights.name}: contains no {_ADDED}*, which the ControlNet needs for frame "
                "rate and motion. Load MimicMotion first, which provides it."
            )
        tensors.update({_ADDED + key: value for key, value in add_embedding.items()})

    nets = _dispose_nets(weights, head_channels, controlnet, ops)
    fill(nets.by_prefix(), weights)
    dtype = dtype or compute_dtype(nets.controlnet.conv_in.weight.dtype)
    motion = nets.motion.requires_grad_(False).eval().to(dtype)
    points = nets.points.requires_grad_(False).eval().to(dtype)
    return DisPose(nets.controlnet.to(dtype), motion, points)


def diff(weights: Weights) -> StateDictDiff:
    """See `Architecture.compare`."""
    substitute: dict[str, Tensor] = {}
    if not any(key.startswith(_ADDED) for key in weights.tensors):
        # `load_dispose` takes `add_embedding` from MimicMotion, which has SVD's width.
        substitute[_ADDED_SIZE] = torch.empty(0, SVD_ADDED, device="meta")
    complete = Weights(weights.name, {**weights.tensors, **substitute})
    needed = needed_by(_dispose_nets(complete, HEAD_CHANNELS).by_prefix())
    if substitute:
        needed = {key: shape for key, shape in needed.items() if not key.startswith(_ADDED)}
    return compare(weights.shapes, needed)


class _DisposeNets(NamedTuple):
    motion: MotionEncoder
    points: PointAdapter
    controlnet: HybridControlNet

    def by_prefix(self) -> dict[str, nn.Module]:
        """Return the networks by the prefix of their keys."""
        return {_MOTION: self.motion, _POINTS: self.points, "": self.controlnet}


def _dispose_nets(
    weights: Weights,
    head_channels: int,
    controlnet: type[HybridControlNet] = HybridControlNet,
    ops: Ops = nn,
) -> _DisposeNets:
    """Build the networks of `DisPose.pth` on the meta device."""
    motion = partial(MotionEncoder.shaped_like, ops=ops)
    return _DisposeNets(
        net_for(motion, weights.below(_MOTION), "MotionEncoder"),
        net_for(PointAdapter.shaped_like, weights.below(_POINTS), "PointAdapter"),
        build_for(partial(controlnet, ops=ops), weights.shapes, weights.name, head_channels),
    )
