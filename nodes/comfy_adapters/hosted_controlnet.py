"""DisPose's file as networks of ComfyUI. It imports diffusers: load it where it is needed."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from ...dispose_core.checkpoints.loaders import load_dispose
from ...dispose_core.checkpoints.state_dict import open_weights
from ...dispose_core.models.cached_conditioning import Blend
from ...dispose_core.models.controlnet import HybridControlNet
from ...dispose_core.models.point_adapter import PointAdapter
from ...dispose_core.models.svd_sizes import HEAD_CHANNELS
from .layers import use_comfy_layers
from .model_management import patcher, precision

SINUSOIDS = 256  # of each of the three added ids


class HostedControlNet(HybridControlNet):
    """The ControlNet, computed where and how its host says, wherever its weights are."""

    run_device: torch.device
    run_dtype: torch.dtype

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


class HostedBlend(nn.Module):
    """`Blend` with its share as a number: ComfyUI moves parameters of layers, not buffers."""

    def __init__(self, blend: Blend):
        super().__init__()
        self.share = float(blend.share)

    def forward(
        self, x_spatial: Tensor, x_temporal: Tensor, image_only_indicator: Tensor | None = None
    ) -> Tensor:
        return torch.lerp(x_temporal, x_spatial, self.share)


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
        fold_multiplicity=True,
        head_channels=head_channels,
    )
    net = parts.controlnet
    parameters = sum(weight.numel() for weight in net.parameters())
    wanted = precision(dtype, net.conv_in.weight.dtype, parameters)
    # The small encoders are kept as they are computed.
    motion = use_comfy_layers(parts.motion_encoder.to(wanted.computed))
    return ControlNetworks(
        patcher(DisPoseControlNet(_hosted(net, wanted.stored))),
        patcher(motion),
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


def _hosted(net: HybridControlNet, stored: torch.dtype) -> HostedControlNet:
    # Before the weights lose precision: the shares are a handful of numbers.
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Blend):
                setattr(module, name, HostedBlend(child))
    net.__class__ = HostedControlNet
    net.run_dtype, net.run_device = stored, torch.device("cpu")
    return use_comfy_layers(net.to(stored))
