"""Sizes of an SVD-class UNet, read from the shapes of its weights.

MimicMotion's UNet, SVD's UNet and the ControlNet's encoder differ only in these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from ..errors import CheckpointError

# Channels of an attention head, the only size that the weights do not determine; 64 in SVD.
HEAD_CHANNELS = 64

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class SvdSizes:
    """Sizes of an SVD-class UNet."""

    in_channels: int
    out_channels: int  # 4 for an encoder
    channels: tuple[int, ...]  # of each down block
    layers: tuple[int, ...]  # resnets in each down block
    transformers: tuple[int, ...]  # layers of each transformer in a block; 0 = none
    mid_transformers: int
    context: int  # channels of the image embedding
    added: int  # channels of the sinusoids of the three added ids
    head_channels: int

    @property
    def time(self) -> int:
        """Channels of the time embedding."""
        return 4 * self.channels[0]

    def heads(self, channels: int) -> int:
        """Attention heads of a transformer."""
        return max(1, channels // self.head_channels)


def build_for(
    kind: Callable[[SvdSizes], Net],
    shapes: Mapping[str, Sequence[int]],
    name: str,
    head_channels: int,
) -> Net:
    """Create a network for weights of these shapes on the meta device, without loading weights.

    Args:
        kind: class of the network.
        shapes: by diffusers' keys, without prefix; up blocks may be missing.
        name: file name, for messages.
        head_channels: 64 except in test models.

    Raises:
        CheckpointError: the weights are not of an SVD-class UNet.
    """
    try:
        with torch.device("meta"):
            return kind(read_sizes(shapes, head_channels))
    except KeyError as e:
        raise CheckpointError(
            f"{name}: not the weights of a Stable Video Diffusion UNet, {e.args[0]} is missing. "
            "DisPose runs on SVD-class video models such as MimicMotion, not on image models "
            "such as SD 1.5 or SDXL."
        ) from e
    except (IndexError, TypeError, ValueError, RuntimeError, ArithmeticError) as e:
        raise CheckpointError(
            f"{name}: no Stable Video Diffusion UNet has the sizes of these weights ({e}). "
            "The file is damaged or of another model; use it as it was published."
        ) from e


def read_sizes(shapes: Mapping[str, Sequence[int]], head_channels: int) -> SvdSizes:
    """Read the sizes; raises KeyError or IndexError if a required tensor is missing."""
    blocks = _count(shapes, "down_blocks.{}.resnets.0.spatial_res_block.conv1.weight")
    down = [f"down_blocks.{i}." for i in range(blocks)]
    return SvdSizes(
        in_channels=shapes["conv_in.weight"][1],
        out_channels=shapes.get("conv_out.weight", (4,))[0],
        channels=tuple(
            shapes[f"{block}resnets.0.spatial_res_block.conv1.weight"][0] for block in down
        ),
        layers=tuple(
            _count(shapes, block + "resnets.{}.spatial_res_block.conv1.weight") for block in down
        ),
        transformers=tuple(_depth(shapes, block) for block in down),
        mid_transformers=_depth(shapes, "mid_block."),
        context=shapes["mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"][1],
        added=shapes["add_embedding.linear_1.weight"][1],
        head_channels=head_channels,
    )


def _depth(shapes: Mapping[str, Sequence[int]], block: str) -> int:
    return _count(shapes, block + "attentions.0.transformer_blocks.{}.attn2.to_k.weight")


def _count(shapes: Mapping[str, Sequence[int]], key: str) -> int:
    """Number of consecutive indices 0, 1, 2, … for which the key exists."""
    n = 0
    while key.format(n) in shapes:
        n += 1
    return n
