"""Blocks of Stable Video Diffusion's UNet.

Parameter names are those of diffusers' `UNetSpatioTemporalConditionModel`, as in the released
files. Two things differ from the usual forward pass, because the image embedding is a single token
that is constant during sampling (docs/reference_behaviour.md#single-token-context):

* Cross-attention to one token is a softmax over one key, so its output does not depend on the
  hidden states. `TransformerConstants` holds that output, computed once. The query and key
  projections and the norm before them are deleted after loading.
* The learned mixing factor of space and time becomes a Python number after loading.

Shapes in comments: B batch rows (cond and uncond), F frames of the window, P = h w pixels,
C channels, E channels of the time embedding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .module_utils import Ops
from .svd_sizes import SvdSizes

GROUPS = 32  # of every GroupNorm


class TransformerConstants(NamedTuple):
    """Precomputed inputs of one transformer of L layers."""

    spatial: tuple[Tensor, ...]  # L of (B F, 1, C): cross-attention's output in each frame
    temporal: tuple[Tensor, ...]  # L of (B, 1, 1, C): the same in the temporal layers
    positions: Tensor  # (F, 1, C): embedding of the frame's index in the window
    official: bool  # the official layout of the temporal layers' context, see `interleaved`


BlockConstants = tuple[TransformerConstants, ...]  # of a block's transformers


class CachedConditioning(NamedTuple):
    """Precomputed inputs of a network; made by `SvdEncoder.constants`.

    Valid for one image embedding, one set of added ids and one window length, in the dtype and on
    the device of the network.
    """

    blocks: tuple[BlockConstants, ...]  # in the order of `SvdEncoder.blocks`
    added: Tensor  # (B, E): embedding of the added ids
    num_frames: int

    @property
    def batch(self) -> int:
        return len(self.added)


def sinusoids(values: Tensor, channels: int) -> Tensor:
    """Sinusoidal embedding (n, channels) in float32 of (n,) values: cosines, then sines."""
    half = channels // 2
    exponents = torch.arange(half, dtype=torch.float32, device=values.device) / half
    angles = values.float()[:, None] * torch.exp(-math.log(10000) * exponents)  # (n, channels / 2)
    return torch.cat([angles.cos(), angles.sin()], -1)


class Embedding(nn.Module):
    """Two linear layers over sinusoids."""

    def __init__(self, in_channels: int, hidden: int, out_channels: int, ops: Ops):
        super().__init__()
        self.linear_1 = ops.Linear(in_channels, hidden)
        self.linear_2 = ops.Linear(hidden, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))


class Mix(nn.Module):
    """`share * spatial + (1 - share) * temporal` with a learned share.

    The files hold `mix_factor`, the logit of the share. It is converted once, after loading.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mix_factor: nn.Parameter | None = nn.Parameter(torch.zeros(1))
        self._share = 0.5

    @property
    def share(self) -> float:
        return self._share if self.mix_factor is None else self.mix_factor.sigmoid().item()

    def drop_unused(self) -> None:
        """Turn the parameter into a number."""
        if self.mix_factor is not None:
            self._share = self.mix_factor.float().sigmoid().item()
            self.mix_factor = None


class SpatialResnet(nn.Module):
    def __init__(
        self, in_channels: int, out_channels: int, time_channels: int, eps: float, ops: Ops
    ):
        super().__init__()
        self.norm1 = ops.GroupNorm(GROUPS, in_channels, eps)
        self.conv1 = ops.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = ops.Linear(time_channels, out_channels)
        self.norm2 = ops.GroupNorm(GROUPS, out_channels, eps)
        self.conv2 = ops.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv_shortcut: nn.Module | None = None
        if in_channels != out_channels:
            self.conv_shortcut = ops.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, time: Tensor, num_frames: int) -> Tensor:
        """x (B F, C0, h, w), time (B, E) -> (B F, C, h, w)"""
        shift = self.time_emb_proj(time).repeat_interleave(num_frames, 0)  # (B F, C)
        h = self.conv1(F.silu(self.norm1(x), inplace=True)).add_(shift[..., None, None])
        h = self.conv2(F.silu(self.norm2(h), inplace=True))
        return h.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))


class TemporalResnet(nn.Module):
    """Temporal resnet without its skip connection, which `SpatioTemporalResnet` adds."""

    def __init__(self, channels: int, time_channels: int, eps: float, ops: Ops):
        super().__init__()
        self.norm1 = ops.GroupNorm(GROUPS, channels, eps)
        self.conv1 = ops.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0))
        self.time_emb_proj = ops.Linear(time_channels, channels)
        self.norm2 = ops.GroupNorm(GROUPS, channels, eps)
        self.conv2 = ops.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x (B, C, F, h, w), time (B, E) -> (B, C, F, h, w)"""
        shift = self.time_emb_proj(time)[..., None, None, None]  # (B, C, 1, 1, 1)
        x = self.conv1(F.silu(self.norm1(x), inplace=True)).add_(shift)
        return self.conv2(F.silu(self.norm2(x), inplace=True))


class SpatioTemporalResnet(nn.Module):
    def __init__(
        self, in_channels: int, out_channels: int, time_channels: int, eps: float, ops: Ops
    ):
        super().__init__()
        self.spatial_res_block = SpatialResnet(in_channels, out_channels, time_channels, eps, ops)
        self.temporal_res_block = TemporalResnet(out_channels, time_channels, eps, ops)
        self.time_mixer = Mix()

    def forward(self, x: Tensor, time: Tensor, num_frames: int) -> Tensor:
        """x (B F, C0, h, w), time (B, E) -> (B F, C, h, w)"""
        x = self.spatial_res_block(x, time, num_frames).unflatten(0, (-1, num_frames))
        residual = self.temporal_res_block(x.transpose(1, 2), time)  # (B, C, F, h, w)
        # The mix of x and x + residual.
        x = x.add_(residual.transpose(1, 2), alpha=1 - self.time_mixer.share)
        return x.flatten(0, 1)


class SelfAttention(nn.Module):
    def __init__(self, channels: int, heads: int, ops: Ops):
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels for {heads} attention heads")
        self.heads = heads
        self.to_q = ops.Linear(channels, channels, bias=False)
        self.to_k = ops.Linear(channels, channels, bias=False)
        self.to_v = ops.Linear(channels, channels, bias=False)
        self.to_out = nn.ModuleList([ops.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        """(n, tokens, C) -> (n, tokens, C)"""
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (n, heads, tokens, d)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        out = F.scaled_dot_product_attention(q, k, v)
        return self.to_out[0](out.transpose(1, 2).flatten(2))


class TokenAttention(nn.Module):
    """Cross-attention to a single token."""

    def __init__(self, channels: int, context: int, ops: Ops):
        super().__init__()
        self.to_q = ops.Linear(channels, channels, bias=False)
        self.to_k = ops.Linear(context, channels, bias=False)
        self.to_v = ops.Linear(context, channels, bias=False)
        self.to_out = nn.ModuleList([ops.Linear(channels, channels)])

    def drop_unused(self) -> None:
        """Delete the projections that do not affect the output."""
        del self.to_q, self.to_k

    def forward(self, token: Tensor) -> Tensor:
        """Image embedding (B, 1, D) -> (B, 1, C), the output for every query."""
        return self.to_out[0](self.to_v(token))


class GatedLinear(nn.Module):
    """GEGLU: half of a projection times the GELU of the other half."""

    def __init__(self, in_channels: int, out_channels: int, ops: Ops):
        super().__init__()
        self.proj = ops.Linear(in_channels, 2 * out_channels)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, -1)
        return F.gelu(gate).mul_(value)


class FeedForward(nn.Module):
    def __init__(self, channels: int, ops: Ops):
        super().__init__()
        gated, out = GatedLinear(channels, 4 * channels, ops), ops.Linear(4 * channels, channels)
        self.net = nn.ModuleList([gated, nn.Identity(), out])  # 1 is a dropout in training

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)"""
        return self.net[2](self.net[0](x))


class SpatialTransformerBlock(nn.Module):
    """Attention over the pixels of a frame, the cached cross-attention and a feed-forward."""

    def __init__(self, channels: int, heads: int, context: int, ops: Ops):
        super().__init__()
        self.norm1 = ops.LayerNorm(channels)
        self.attn1 = SelfAttention(channels, heads, ops)
        self.norm2 = ops.LayerNorm(channels)
        self.attn2 = TokenAttention(channels, context, ops)
        self.norm3 = ops.LayerNorm(channels)
        self.ff = FeedForward(channels, ops)

    def drop_unused(self) -> None:
        """Delete the norm of the cross-attention's queries."""
        del self.norm2

    def forward(self, x: Tensor, constant: Tensor) -> Tensor:
        """x (B F, P, C), constant (B F, 1, C) -> (B F, P, C)"""
        x = self.attn1(self.norm1(x)).add_(x).add_(constant)
        return self.ff(self.norm3(x)).add_(x)


class TemporalTransformerBlock(SpatialTransformerBlock):
    """Attention over the frames at a pixel, with an additional feed-forward before it."""

    def __init__(self, channels: int, heads: int, context: int, ops: Ops):
        super().__init__(channels, heads, context, ops)
        self.norm_in = ops.LayerNorm(channels)
        self.ff_in = FeedForward(channels, ops)

    def forward(self, x: Tensor, constant: Tensor) -> Tensor:
        """x (B, F, P, C), constant (B, 1, 1 or P, C) -> (B, F, P, C)"""
        batch, _, pixels, _ = x.shape
        x = self.ff_in(self.norm_in(x)).add_(x)
        rows = self.norm1(x).transpose(1, 2).flatten(0, 1)  # (B P, F, C)
        attended = self.attn1(rows).unflatten(0, (batch, pixels)).transpose(1, 2)
        x = x.add_(attended).add_(constant)
        return self.ff(self.norm3(x)).add_(x)


class SpatioTemporalTransformer(nn.Module):
    """Alternating spatial and temporal blocks, mixed after each pair."""

    def __init__(self, channels: int, depth: int, sizes: SvdSizes, ops: Ops):
        super().__init__()
        self.channels = channels
        inner = (channels, sizes.heads(channels), sizes.context, ops)
        self.norm = ops.GroupNorm(GROUPS, channels, 1e-6)
        self.proj_in = ops.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList(
            SpatialTransformerBlock(*inner) for _ in range(depth)
        )
        self.temporal_transformer_blocks = nn.ModuleList(
            TemporalTransformerBlock(*inner) for _ in range(depth)
        )
        self.time_pos_embed = Embedding(channels, 4 * channels, channels, ops)
        self.time_mixer = Mix()
        self.proj_out = ops.Linear(channels, channels)

    def constants(self, token: Tensor, num_frames: int, official: bool) -> TransformerConstants:
        """Precompute for an image embedding (B, 1, D) and windows of `num_frames`."""
        numbers = torch.arange(num_frames, device=token.device)
        positions = self.time_pos_embed(sinusoids(numbers, self.channels).to(token.dtype))
        spatial_outputs, temporal_outputs = (
            [block.attn2(token) for block in blocks]  # (B, 1, C) each
            for blocks in self._blocks()
        )
        return TransformerConstants(
            tuple(constant.repeat_interleave(num_frames, 0) for constant in spatial_outputs),
            tuple(constant[:, None] for constant in temporal_outputs),
            positions[:, None],
            official,
        )

    def forward(self, x: Tensor, constants: TransformerConstants, num_frames: int) -> Tensor:
        """(B F, C, h, w) -> (B F, C, h, w)"""
        height, width = x.shape[-2:]
        h = self.proj_in(self.norm(x).permute(0, 2, 3, 1).flatten(1, 2))  # (B F, P, C)
        for spatial_block, temporal_block, spatial, temporal in zip(
            *self._blocks(), constants.spatial, constants.temporal, strict=True
        ):
            h = spatial_block(h, spatial).unflatten(0, (-1, num_frames))  # (B, F, P, C)
            if constants.official:
                temporal = interleaved(temporal, height * width)
            temporal_out = temporal_block(h + constants.positions, temporal)
            h = h.lerp_(temporal_out, 1 - self.time_mixer.share).flatten(0, 1)
        return x + self.proj_out(h).unflatten(1, (height, width)).permute(0, 3, 1, 2)

    def _blocks(self) -> tuple[Any, Any]:
        return self.transformer_blocks, self.temporal_transformer_blocks


def interleaved(constant: Tensor, pixels: int) -> Tensor:
    """The temporal context constant in the official layout over the pixels.

    By default each batch row has its own context, as in training. The official code gives pixel r
    of the batch, counted over all rows, the context of row r mod B
    (docs/reference_behaviour.md#time-context-interleave), so that cond and uncond use both.

    Args:
        constant: (B, 1, 1, C)
        pixels: P of one frame.

    Returns:
        (B, 1, P, C)
    """
    batch = len(constant)
    return constant.flatten(0, 2).repeat(pixels, 1).view(batch, 1, pixels, -1)


class Downsample(nn.Module):
    def __init__(self, channels: int, ops: Ops):
        super().__init__()
        self.conv = ops.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    def __init__(self, channels: int, ops: Ops):
        super().__init__()
        self.conv = ops.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """Upsample to (h, w), which may be odd, since downsampling rounds up."""
        return self.conv(F.interpolate(x, size=tuple(size), mode="nearest"))


class Block(nn.Module):
    """Resnets of one level, each followed by a transformer if the level has them.

    Args:
        widths: input channels of each resnet.
        channels: output channels of each resnet.
        depth: layers of each transformer.
    """

    def __init__(
        self,
        widths: Sequence[int],
        channels: int,
        transformers: int,
        depth: int,
        eps: float,
        sizes: SvdSizes,
        ops: Ops,
    ):
        super().__init__()
        self.resnets = nn.ModuleList(
            SpatioTemporalResnet(width, channels, sizes.time, eps, ops) for width in widths
        )
        self.attentions = nn.ModuleList(
            SpatioTemporalTransformer(channels, depth, sizes, ops) for _ in range(transformers)
        )

    def constants(self, token: Tensor, num_frames: int, official: bool) -> BlockConstants:
        """Precompute the constants of the block's transformers for an image embedding (B, 1, D)."""
        transformers: Any = self.attentions
        return tuple(each.constants(token, num_frames, official) for each in transformers)

    def layer(
        self, i: int, x: Tensor, time: Tensor, constants: BlockConstants, num_frames: int
    ) -> Tensor:
        """x (B F, C0, h, w), time (B, E) -> (B F, C, h, w), through the i-th resnet."""
        x = self.resnets[i](x, time, num_frames)
        if i < len(self.attentions):
            x = self.attentions[i](x, constants[i], num_frames)
        return x


class DownBlock(Block):
    def __init__(self, level: int, sizes: SvdSizes, ops: Ops):
        channels, depth = sizes.channels[level], sizes.transformers[level]
        before = sizes.channels[max(level - 1, 0)]
        widths = [before] + [channels] * (sizes.layers[level] - 1)
        transformers, eps = (len(widths), 1e-6) if depth else (0, 1e-5)
        super().__init__(widths, channels, transformers, depth, eps, sizes, ops)
        last = level == len(sizes.channels) - 1
        self.downsamplers = nn.ModuleList([] if last else [Downsample(channels, ops)])

    def forward(
        self, x: Tensor, time: Tensor, constants: BlockConstants, num_frames: int
    ) -> list[Tensor]:
        """x (B F, C0, h, w) -> the output of each layer and of the downsampler, if any."""
        outputs = []
        for i in range(len(self.resnets)):
            x = self.layer(i, x, time, constants, num_frames)
            outputs.append(x)
        for downsampler in self.downsamplers:
            outputs.append(downsampler(x))
        return outputs


class MidBlock(Block):
    """A transformer between two resnets."""

    def __init__(self, sizes: SvdSizes, ops: Ops):
        channels = sizes.channels[-1]
        super().__init__([channels] * 2, channels, 1, sizes.mid_transformers, 1e-5, sizes, ops)

    def forward(
        self, x: Tensor, time: Tensor, constants: BlockConstants, num_frames: int
    ) -> Tensor:
        """(B F, C, h, w) -> (B F, C, h, w)"""
        for i in range(2):
            x = self.layer(i, x, time, constants, num_frames)
        return x


class UpBlock(Block):
    def __init__(self, level: int, sizes: SvdSizes, ops: Ops):
        channels, depth = sizes.channels[level], sizes.transformers[level]
        below = sizes.channels[min(level + 1, len(sizes.channels) - 1)]
        inner = [channels] * sizes.layers[level]
        skips = [*inner, sizes.channels[max(level - 1, 0)]]
        widths = [x + skip for x, skip in zip([below, *inner], skips, strict=True)]
        transformers = len(widths) if depth else 0
        super().__init__(widths, channels, transformers, depth, 1e-6, sizes, ops)
        self.upsamplers = nn.ModuleList([Upsample(channels, ops)] if level else [])

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        constants: BlockConstants,
        num_frames: int,
        skips: list[Tensor],
    ) -> Tensor:
        """x (B F, C0, h, w) -> (B F, C, 2h, 2w); pops its skips from the end of the list."""
        for i in range(len(self.resnets)):
            x = torch.cat([x, skips.pop()], 1)
            x = self.layer(i, x, time, constants, num_frames)
        for upsampler in self.upsamplers:
            x = upsampler(x, skips[-1].shape[-2:])
        return x
