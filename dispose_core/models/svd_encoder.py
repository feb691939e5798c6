"""Encoder half of an SVD-class UNet, shared by MimicMotion's UNet and DisPose's ControlNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import NetworkError
from .module_utils import Ops
from .svd_sizes import SvdSizes
from .svd_unet import (
    Block,
    CachedConditioning,
    DownBlock,
    Embedding,
    MidBlock,
    Mix,
    SpatialTransformerBlock,
    TokenAttention,
    sinusoids,
)


class SvdEncoder(nn.Module):
    """Time embedding, first convolution, down blocks and mid block.

    The first complete `load_state_dict` leaves the network ready for inference: frozen, and without
    the weights that do not affect its output (see `svd_unet`), which `state_dict` then lacks.
    """

    def __init__(self, sizes: SvdSizes, ops: Ops = nn):
        super().__init__()
        self.sizes = sizes
        self.conv_in = ops.Conv2d(sizes.in_channels, sizes.channels[0], 3, padding=1)
        self.time_embedding = Embedding(sizes.channels[0], sizes.time, sizes.time, ops)
        self.add_embedding = Embedding(sizes.added, sizes.time, sizes.time, ops)
        self.down_blocks = nn.ModuleList(
            DownBlock(level, sizes, ops) for level in range(len(sizes.channels))
        )
        self.mid_block = MidBlock(sizes, ops)
        self._ready = False
        self.register_load_state_dict_post_hook(_make_ready)

    @property
    def dtype(self) -> torch.dtype:
        return self.conv_in.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.conv_in.weight.device

    def blocks(self) -> list[Block]:
        """All blocks in execution order."""
        return [*self.down_blocks, self.mid_block]

    @torch.no_grad()
    def constants(
        self, context: Tensor, added: Tensor, num_frames: int, official: bool = False
    ) -> CachedConditioning:
        """Precompute everything that does not change between steps.

        See docs/reference_behaviour.md#quirk-20, 23.

        Args:
            context: (B, 1, D) image embedding of each batch row; zeros for uncond.
            added: (B, 3) fps - 1, motion bucket, noise augmentation, or (B, 768), their sinusoids
                from `added_sinusoids` (ComfyUI's `y`).
            num_frames: frames of a window.
            official: the official layout of the temporal layers' context. By default each batch row
                uses its own context, so cond and uncond may run together or separately; in the
                official layout both use both contexts and must share a batch.

        Raises:
            NetworkError: more than one token, another size, or different batch sizes.
        """
        if context.ndim != 3 or context.shape[1:] != (1, self.sizes.context):
            raise NetworkError(
                f"image embedding: shape {tuple(context.shape)}, needed (batch, 1, "
                f"{self.sizes.context}). Use the CLIP vision model that belongs to SVD "
                "(ViT-H); text encoders and several tokens do not fit."
            )
        width = self.sizes.added
        if added.ndim != 2 or len(added) != len(context) or added.shape[1] not in (3, width):
            raise NetworkError(
                f"added ids: shape {tuple(added.shape)}, needed ({len(context)}, 3) with fps, "
                f"motion bucket and augmentation, or ({len(context)}, {width}) with their "
                "sinusoids."
            )
        if added.shape[1] == 3:
            added = self.added_sinusoids(added)
        token = context.to(self.device, self.dtype)
        return CachedConditioning(
            tuple(block.constants(token, num_frames, official) for block in self.blocks()),
            self.add_embedding(added.to(token)),
            num_frames,
        )

    def added_sinusoids(self, ids: Tensor) -> Tensor:
        """(B, 3) ids -> (B, 768) float32 (docs/reference_behaviour.md#time-embedding)."""
        return sinusoids(ids.flatten(), self.sizes.added // 3).reshape(len(ids), -1)

    def embed_time(self, timestep: Tensor | float, constants: CachedConditioning) -> Tensor:
        """Time embedding (B, E), after the SiLU that every resnet starts with.

        Args:
            timestep: 0.25 ln(sigma), a number or one for each batch row.
            constants: include the embedding of the added ids.
        """
        timestep = torch.as_tensor(timestep, dtype=torch.float32, device=self.device)
        time = sinusoids(timestep.reshape(-1), self.sizes.channels[0])
        return F.silu(self.time_embedding(time.to(self.dtype)) + constants.added)

    def encode(
        self,
        x: Tensor,
        time: Tensor,
        constants: CachedConditioning,
        levels: Sequence[Tensor | None] = (),
    ) -> tuple[Tensor, list[Tensor]]:
        """Run down blocks and mid block.

        Args:
            x: (B F, C0, h, w), the output of `conv_in`.
            levels: (F, C_i, h_i, w_i) added after down block i, the same for cond and uncond; the
                skips do not include it (docs/reference_behaviour.md#controlnet-down-blocks).

        Returns:
            The mid block's output, and the skips: `x` first, then the outputs of every block.
        """
        skips = [x]
        num_frames = constants.num_frames
        for i, block in enumerate(self.down_blocks):
            outputs = block(x, time, constants.blocks[i], num_frames)
            skips += outputs
            x = outputs[-1]
            level = levels[i] if i < len(levels) else None
            if level is not None:
                x = add_to_rows(x, level)
        x = self.mid_block(x, time, constants.blocks[len(self.down_blocks)], num_frames)
        return x, skips


def _make_ready(network: Any, incompatible_keys: Any) -> None:
    if network._ready or incompatible_keys.missing_keys:
        return  # torch raises for missing keys, and the right file may be loaded next
    for module in list(network.modules()):
        if isinstance(module, (Mix, SpatialTransformerBlock, TokenAttention)):
            module.drop_unused()
    network.requires_grad_(False).eval()
    network._ready = True


def add_to_rows(x: Tensor, addition: Tensor) -> Tensor:
    """x (B F, C, h, w) + addition (F, C, h, w) in every batch row, by broadcasting.

    Raises:
        NetworkError: frames or sizes differ.
    """
    num_frames = len(addition)
    if x.shape[1:] != addition.shape[1:] or len(x) % num_frames:
        raise NetworkError(
            f"hints of shape {tuple(addition.shape)} (frames, channels, height, width) do not fit "
            f"what they are added to, {tuple(x.shape)}. Make them with this network, for this "
            "image size and these frames."
        )
    return (x.unflatten(0, (-1, num_frames)) + addition).flatten(0, 1)


def check_sample(sample: Tensor, channels: int, constants: CachedConditioning) -> None:
    """Raise NetworkError unless `sample` is (B, F, channels, h, w) with the constants' B and F."""
    batch, num_frames = constants.batch, constants.num_frames
    if sample.ndim != 5 or sample.shape[:3] != (batch, num_frames, channels):
        raise NetworkError(
            f"latents: shape {tuple(sample.shape)}, needed ({batch}, {num_frames}, {channels}, "
            "height / 8, width / 8): batch rows of cond and uncond, frames of the window, and "
            "noisy and image latents on the channels. Give windows the length that the "
            "conditioning was prepared for."
        )
