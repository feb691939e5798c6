"""MimicMotion's UNet: Stable Video Diffusion that takes a pose and a ControlNet.

See docs/reference_behaviour.md#unet-and-pose-net.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from diffusers.models.unets.unet_spatio_temporal_condition import (
    UNetSpatioTemporalConditionModel,
)
from torch import Tensor, nn

from ..errors import NetworkError
from .cached_conditioning import ClipConstants
from .controlnet import Residuals, residual_multiplicity
from .svd_encoder import SvdEncoder, block_inputs, check_sample


class MimicMotionUNet(SvdEncoder):
    """The denoiser. Works for any SVD-class UNet; without pose and residuals it is SVD.

    Args:
        stock: diffusers' UNet with its weights in place (`SvdSizes.build`); it is used up.
    """

    def __init__(self, stock: UNetSpatioTemporalConditionModel):
        super().__init__(stock)
        self.up_blocks = stock.up_blocks
        self.conv_norm_out = stock.conv_norm_out
        self.conv_act = stock.conv_act
        self.conv_out = stock.conv_out
        self._use_clip_constants()

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        constants: ClipConstants,
        pose: Tensor | None = None,
        pose_strength: Sequence[float] = (0.0, 1.0),
        residuals: Residuals | None = None,
    ) -> Tensor:
        """The v-prediction of one window.

        Args:
            sample: (B, F, 8, h, w): scaled noisy latents and the image's latents.
            timestep: 0.25 ln(sigma).
            constants: from `constants` of this network, for these B and F.
            pose: (F, C0, h, w), PoseNet's output for the window's frames.
            pose_strength: for each half; the unconditional sees no pose.
            residuals: of a ControlNet for the same window, as it gives them: the official
                multiplicity is applied here (`residual_multiplicity`).

        Returns:
            (B, F, 4, h, w) in the network's dtype.

        Raises:
            NetworkError: sizes, frames or halves disagree.
        """
        check_sample(sample, self.conv_in.in_channels, constants)
        rows, num_frames = sample.shape[:2]
        x = self.conv_in(sample.to(self.dtype).flatten(0, 1))
        if pose is not None:
            x = self._add_pose(x, pose, pose_strength, rows)
        time = self.embed_time(timestep, constants)
        x, skips = self.encode(x, time, constants)
        if residuals is not None:
            x, skips = self._add_residuals(x, skips, residuals)

        for block in self.up_blocks:
            count = len(cast(nn.ModuleList, block.resnets))
            used, skips = tuple(skips[-count:]), skips[:-count]
            x = block(
                hidden_states=x,
                temb=time,
                res_hidden_states_tuple=used,
                # Sizes that do not halve evenly come back as they were.
                upsample_size=skips[-1].shape[-2:] if skips else None,
                **block_inputs(block, constants),
            )
        x = self.conv_out(self.conv_act(self.conv_norm_out(x)))
        return x.unflatten(0, (rows, num_frames))

    def _add_pose(self, x: Tensor, pose: Tensor, strengths: Sequence[float], rows: int) -> Tensor:
        if pose.shape[1:] != x.shape[1:] or len(pose) * rows != len(x):
            raise NetworkError(
                f"pose latents: shape {tuple(pose.shape)}, needed "
                f"{(len(x) // rows, *x.shape[1:])}. Make them from as many pose images as the "
                "window has frames, at eight times the latents' size."
            )
        if len(strengths) != rows:
            raise NetworkError(
                f"pose strength: {len(strengths)} values for {rows} guidance halves. "
                "Give one for each."
            )
        scale = torch.tensor(list(strengths), dtype=x.dtype, device=x.device)
        pose = pose.to(x)
        return torch.addcmul(
            x.unflatten(0, (rows, -1)), pose[None], scale.view(-1, 1, 1, 1, 1)
        ).flatten(0, 1)

    def _add_residuals(
        self, mid: Tensor, skips: list[Tensor], residuals: Residuals
    ) -> tuple[Tensor, list[Tensor]]:
        wanted = [tuple(skip.shape) for skip in skips] + [tuple(mid.shape)]
        given = [tuple(residual.shape) for residual in (*residuals.down, residuals.mid)]
        if wanted != given:
            which = next((i for i, pair in enumerate(zip(wanted, given)) if pair[0] != pair[1]), -1)  # noqa: B905
            raise NetworkError(
                f"ControlNet residuals do not fit the UNet: {len(given)} of them, {len(wanted)} "
                f"needed; number {which} is {given[which]}, needed {wanted[which]}. "
                "Use a ControlNet of the same size, at the same window and image size."
            )
        skips = [
            torch.add(skip, residual, alpha=times)
            for skip, residual, times in zip(
                skips, residuals.down, residual_multiplicity(self), strict=True
            )
        ]
        return mid + residuals.mid, skips
