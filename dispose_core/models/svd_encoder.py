"""The half of an SVD-class UNet that MimicMotion's UNet and DisPose's ControlNet share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.models.unets.unet_spatio_temporal_condition import (
    UNetSpatioTemporalConditionModel,
)
from torch import Tensor, nn

from ..errors import NetworkError
from .cached_conditioning import ClipConstants, use_clip_constants


class SvdEncoder(nn.Module):
    """Time embedding, first convolution, down blocks and mid block.

    Args:
        stock: diffusers' UNet with its weights in place; it is used up.
    """

    def __init__(self, stock: UNetSpatioTemporalConditionModel):
        super().__init__()
        self.conv_in = stock.conv_in
        self.time_proj = stock.time_proj
        self.time_embedding = stock.time_embedding
        self.add_time_proj = stock.add_time_proj
        self.add_embedding = stock.add_embedding
        self.down_blocks = stock.down_blocks
        self.mid_block = stock.mid_block
        self.context_channels = stock.config["cross_attention_dim"]

    def _use_clip_constants(self) -> None:
        """To be called when all blocks are in place."""
        self.transformers = use_clip_constants(self)
        self.requires_grad_(False)
        self.eval()

    @property
    def dtype(self) -> torch.dtype:
        return self.conv_in.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.conv_in.weight.device

    @torch.no_grad()
    def constants(
        self, context: Tensor, added: Tensor, num_frames: int, official: bool = False
    ) -> ClipConstants:
        """What does not change from step to step; make it once a clip.

        See docs/reference_behaviour.md#quirk-20, 23.

        Args:
            context: (B, 1, D) image embedding of each guidance half; zeros for the unconditional.
            added: (B, 3) fps - 1, motion bucket, noise augmentation, or (B, 768), their sinusoids
                as `added_sinusoids` makes them (ComfyUI's `y`).
            num_frames: frames of a window.
            official: the official layout of the time layers' context. By default each half sees
                its own and it makes no difference whether halves run together or apart; in the
                official layout both see both, so it takes all halves in one batch.

        Raises:
            NetworkError: more than one token, another size, or halves that do not pair up.
        """
        if context.ndim != 3 or context.shape[1:] != (1, self.context_channels):
            raise NetworkError(
                f"image embedding: shape {tuple(context.shape)}, needed (halves, 1, "
                f"{self.context_channels}). Use the CLIP vision model that belongs to SVD "
                "(ViT-H); text encoders and several tokens do not fit."
            )
        width = self.add_embedding.linear_1.in_features
        if added.ndim != 2 or len(added) != len(context) or added.shape[1] not in (3, width):
            raise NetworkError(
                f"added ids: shape {tuple(added.shape)}, needed ({len(context)}, 3) with fps, "
                f"motion bucket and augmentation, or ({len(context)}, {width}) with their "
                "sinusoids."
            )
        if added.shape[1] == 3:
            added = self.added_sinusoids(added)
        token = context.to(self.device, self.dtype)
        return ClipConstants(
            tuple(transformer.constants(token, num_frames) for transformer in self.transformers),
            self.add_embedding(added.to(token)),
            token.new_zeros(len(token), num_frames),
            official,
        )

    def added_sinusoids(self, ids: Tensor) -> Tensor:
        """(B, 3) ids -> (B, 768) float32 (docs/reference_behaviour.md#time-embedding)."""
        return self.add_time_proj(ids.flatten().float()).reshape(len(ids), -1)

    def use_channels_last(self) -> None:
        """Lay out the 2-D convolutions' weights for tensor cores; results stay the same."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed_time(self, timestep: Tensor | float, constants: ClipConstants) -> Tensor:
        """(B F, E) from 0.25 ln(sigma), a number or one for each half."""
        num_frames = constants.frames_mark.shape[1]
        timestep = torch.as_tensor(timestep, dtype=torch.float32, device=self.device)
        time = self.time_embedding(self.time_proj(timestep.reshape(-1)).to(self.dtype))
        return (time + constants.added).repeat_interleave(num_frames, 0)

    def encode(
        self,
        x: Tensor,
        time: Tensor,
        constants: ClipConstants,
        levels: Sequence[Tensor | None] = (),
    ) -> tuple[Tensor, list[Tensor]]:
        """Down blocks and mid block.

        Args:
            x: (B F, C0, h, w), what goes in after `conv_in`.
            time: from `embed_time`.
            levels: (F, C_i, h_i, w_i) to add after down block i, the same for all halves; it
                comes after the block's outputs are taken
                (docs/reference_behaviour.md#controlnet-down-blocks).

        Returns:
            mid block's output and the skips: `x` first, then the outputs of every block.
        """
        skips = [x]
        for i, block in enumerate(self.down_blocks):
            x, outputs = block(x, time, **block_inputs(block, constants))
            skips += outputs
            level = levels[i] if i < len(levels) else None
            if level is not None:
                x = add_to_halves(x, level)
        return self.mid_block(x, time, **block_inputs(self.mid_block, constants)), skips


def block_inputs(block: nn.Module, constants: ClipConstants) -> dict[str, object]:
    """Arguments of a diffusers block beside its images and the time embedding."""
    inputs: dict[str, object] = {"image_only_indicator": constants.frames_mark}
    if getattr(block, "has_cross_attention", False):
        inputs["encoder_hidden_states"] = constants
    return inputs


def add_to_halves(x: Tensor, addition: Tensor) -> Tensor:
    """x (B F, C, h, w) + addition (F, C, h, w) in every half, without a copy of it.

    Raises:
        NetworkError: the two are not of the same frames and size.
    """
    num_frames = len(addition)
    if x.shape[1:] != addition.shape[1:] or len(x) % num_frames:
        raise NetworkError(
            f"hints of shape {tuple(addition.shape)} (frames, channels, height, width) do not fit "
            f"what they are added to, {tuple(x.shape)}. Make them with this network, for this "
            "image size and these frames."
        )
    return (x.unflatten(0, (-1, num_frames)) + addition).flatten(0, 1)


def check_sample(sample: Tensor, channels: int, constants: ClipConstants) -> None:
    """Raises NetworkError unless a sample is (B, F, channels, h, w) with the constants' B and F."""
    rows, num_frames = constants.frames_mark.shape
    if sample.ndim != 5 or sample.shape[:3] != (rows, num_frames, channels):
        raise NetworkError(
            f"latents: shape {tuple(sample.shape)}, needed ({rows}, {num_frames}, {channels}, "
            "height / 8, width / 8): guidance halves, frames of the window, and noisy and "
            "image latents on the channels. Give windows the length that the conditioning was "
            "prepared for."
        )
