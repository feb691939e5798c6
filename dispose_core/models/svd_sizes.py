"""Sizes of an SVD-class UNet, read from its weights' shapes, and diffusers' UNet of these sizes.

MimicMotion's UNet, SVD's own and the ControlNet's half of one differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..errors import CheckpointError

if TYPE_CHECKING:
    from diffusers.models.unets.unet_spatio_temporal_condition import (
        UNetSpatioTemporalConditionModel,
    )

# Channels an attention head, the one size that the weights do not show. Every SVD has 64.
HEAD_CHANNELS = 64


@dataclass(frozen=True)
class SvdSizes:
    """What distinguishes one SVD-class UNet from another."""

    in_channels: int
    out_channels: int  # 4 where the weights are an encoder's alone
    channels: tuple[int, ...]  # one a down block
    layers: tuple[int, ...]  # resnets a down block
    transformers: tuple[int, ...]  # transformer blocks an attention; 0 = the block has none
    mid_transformers: int
    context: int  # channels of the image embedding
    added: int  # channels of the sinusoid of the three added ids
    head_channels: int

    def build(self) -> UNetSpatioTemporalConditionModel:
        """diffusers' UNet of these sizes on the meta device: keys and shapes, no memory."""
        # Here, because it takes seconds.
        from diffusers.models.unets.unet_spatio_temporal_condition import (
            UNetSpatioTemporalConditionModel,
        )

        with torch.device("meta"):
            return UNetSpatioTemporalConditionModel(
                in_channels=self.in_channels,
                out_channels=self.out_channels,
                down_block_types=tuple(
                    f"{'CrossAttn' if depth else ''}DownBlockSpatioTemporal"
                    for depth in self.transformers
                ),
                up_block_types=tuple(
                    f"{'CrossAttn' if depth else ''}UpBlockSpatioTemporal"
                    for depth in reversed(self.transformers)
                ),
                block_out_channels=self.channels,
                addition_time_embed_dim=self.added // 3,
                projection_class_embeddings_input_dim=self.added,
                layers_per_block=self.layers,
                cross_attention_dim=self.context,
                # diffusers gives the mid block the depth of the last down block, which in SVD has
                # no attention to use it.
                transformer_layers_per_block=(
                    *(max(depth, 1) for depth in self.transformers[:-1]),
                    self.mid_transformers,
                ),
                num_attention_heads=tuple(
                    max(1, channels // self.head_channels) for channels in self.channels
                ),
            )


def build_unet(
    shapes: Mapping[str, Sequence[int]], name: str, head_channels: int = HEAD_CHANNELS
) -> UNetSpatioTemporalConditionModel:
    """diffusers' UNet for weights of these shapes, on the meta device; nothing is loaded.

    Args:
        shapes: by diffusers' keys, without prefix; up blocks may be missing.
        name: the file's, for messages.
        head_channels: 64 but in test models.

    Raises:
        CheckpointError: these are no weights of an SVD-class UNet.
    """
    try:
        return read_sizes(shapes, head_channels).build()
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
    """Sizes of weights; KeyError or IndexError where a tensor that shows one is not there."""
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
    """How many of key 0, 1, 2, … there are."""
    n = 0
    while key.format(n) in shapes:
        n += 1
    return n
