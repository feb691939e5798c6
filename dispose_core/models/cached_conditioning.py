"""What SVD's transformers need of a clip and not of a step, and transformers that use it.

With one context token, cross-attention is a softmax over one key: its output is the token through
two linear layers, whatever the image shows (docs/reference_behaviour.md#unet-and-pose-net,
12.20). So are the frame positions and the
shares in which space and time are mixed (12.23) fixed before the first step. diffusers computes
all of it in every call; here it is computed once a clip and handed down the blocks in the place
of the context. What remains are diffusers' own blocks.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import AlphaBlender
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from torch import Tensor, nn


class TransformerConstants(NamedTuple):
    """Of one transformer with L layers, for B guidance halves of F frames."""

    spatial: tuple[Tensor, ...]  # L of (B F, 1, C): cross-attention's output in a frame
    temporal: tuple[Tensor, ...]  # L of (B, 1, C): the same in the time layers
    positions: Tensor  # (B F, 1, C): which frame of the window this is


class ClipConstants(NamedTuple):
    """What a network needs of a clip beside its images; made by `SvdEncoder.constants`.

    It holds for one image embedding, one set of added ids and one window length, in the dtype and
    on the device the network had.
    """

    transformers: tuple[TransformerConstants, ...]
    added: Tensor  # (B, E): the added ids' part of the time embedding
    frames_mark: Tensor  # (B, F): diffusers' blocks read F from its shape
    interleaved: bool  # the official layout of the time layers' context, see `over_pixels`


class ImageToken(nn.Module):
    """Takes the place of a cross-attention: gives the constant it is handed."""

    to_v: nn.Module
    to_out: nn.Module

    def __init__(self, stock: Attention):
        super().__init__()
        self.to_v = stock.to_v
        self.to_out = stock.to_out[0]

    def constant(self, token: Tensor) -> Tensor:
        """(B, 1, D) image embedding -> (B, 1, C)"""
        return self.to_out(self.to_v(token))

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: None = None,
    ) -> Tensor:
        return encoder_hidden_states


class Blend(nn.Module):
    """diffusers' AlphaBlender with its sigmoid taken once: share * spatial + rest * temporal."""

    share: Tensor

    def __init__(self, stock: AlphaBlender):
        super().__init__()
        factor = cast(Tensor, stock.mix_factor).detach()
        self.register_buffer("share", factor.float().sigmoid().to(factor.dtype))

    def forward(
        self, x_spatial: Tensor, x_temporal: Tensor, image_only_indicator: Tensor | None = None
    ) -> Tensor:
        return torch.lerp(x_temporal, x_spatial, self.share)


class ClipTransformer(nn.Module):
    """diffusers' spatio-temporal transformer fed with `ClipConstants`.

    Args:
        stock: its weights are taken over; those that a single token makes useless are let go.
        slot: its place in `ClipConstants.transformers`.
    """

    def __init__(self, stock: TransformerSpatioTemporalModel, slot: int):
        super().__init__()
        self.slot = slot
        self.norm = stock.norm
        self.proj_in = stock.proj_in
        self.transformer_blocks = stock.transformer_blocks
        self.temporal_transformer_blocks = stock.temporal_transformer_blocks
        self.time_proj = stock.time_proj
        self.time_pos_embed = stock.time_pos_embed
        self.time_mixer = Blend(stock.time_mixer)
        self.proj_out = stock.proj_out
        for block in (*self.transformer_blocks, *self.temporal_transformer_blocks):
            block.attn2 = ImageToken(block.attn2)
            block.norm2 = nn.Identity()  # prepared the query, which nothing depends on

    def constants(self, token: Tensor, num_frames: int) -> TransformerConstants:
        """For an image embedding (B, 1, D) and windows of `num_frames`."""
        numbers = torch.arange(num_frames, device=token.device)
        positions = self.time_pos_embed(self.time_proj(numbers).to(token.dtype))
        return TransformerConstants(
            tuple(
                _token_of(block).constant(token).repeat_interleave(num_frames, 0)
                for block in self.transformer_blocks
            ),
            tuple(_token_of(block).constant(token) for block in self.temporal_transformer_blocks),
            positions[:, None].repeat(len(token), 1, 1),
        )

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: ClipConstants,
        image_only_indicator: Tensor,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        """(B F, C, h, w) -> the same; argument names are those diffusers' blocks call with."""
        cached, mine = encoder_hidden_states, encoder_hidden_states.transformers[self.slot]
        _, _, height, width = hidden_states.shape
        x = self.norm(hidden_states).permute(0, 2, 3, 1).flatten(1, 2)
        x = self.proj_in(x)  # (B F, h w, C)
        for i, (in_space, in_time) in enumerate(
            zip(self.transformer_blocks, self.temporal_transformer_blocks, strict=True)
        ):
            x = in_space(x, encoder_hidden_states=mine.spatial[i])
            moved = in_time(
                x + mine.positions,
                num_frames=cached.frames_mark.shape[1],
                encoder_hidden_states=over_pixels(mine.temporal[i], height * width, cached),
            )
            x = self.time_mixer(x, moved)
        x = self.proj_out(x).unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return (hidden_states + x,)


def _token_of(block: nn.Module) -> ImageToken:
    return cast(ImageToken, block.attn2)


def over_pixels(constant: Tensor, pixels: int, cached: ClipConstants) -> Tensor:
    """The time layers' context for their rows, one a pixel of each guidance half.

    Rows are ordered (half, pixel). By default each gets its own half's context, as the weights
    were trained. The official code, by an error in how it lays the context out, gives row r that
    of half r mod B (docs/reference_behaviour.md#unet-and-pose-net, 12.21), so that both halves see
    both contexts.

    Args:
        constant: (B, 1, C)

    Returns:
        (B * pixels, 1, C), or (1, 1, C) where all rows are the same.
    """
    if len(constant) == 1:
        return constant
    if cached.interleaved:
        return constant.repeat(pixels, 1, 1)
    return constant.repeat_interleave(pixels, 0)


def use_clip_constants(network: nn.Module) -> list[ClipTransformer]:
    """Replace a network's transformers and blenders; the transformers come back in slot order."""
    transformers: list[ClipTransformer] = []
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, TransformerSpatioTemporalModel):
                transformers.append(ClipTransformer(child, len(transformers)))
                setattr(module, name, transformers[-1])
            elif isinstance(child, AlphaBlender):
                setattr(module, name, Blend(child))
    return transformers
