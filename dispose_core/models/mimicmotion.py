"""MimicMotion's UNet: Stable Video Diffusion with pose latents and ControlNet residuals.

See docs/reference_behaviour.md#unet-and-pose-net.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import NetworkError
from .controlnet import Residuals, residual_multiplicity
from .module_utils import Ops
from .svd_encoder import SvdEncoder, check_sample
from .svd_sizes import HEAD_CHANNELS, SvdSizes, build_for
from .svd_unet import GROUPS, Block, CachedConditioning, UpBlock


def build_unet(
    shapes: Mapping[str, Sequence[int]], name: str, head_channels: int = HEAD_CHANNELS
) -> MimicMotionUNet:
    """Create the UNet for weights of these shapes on the meta device, without loading weights.

    Args and raises: see `build_for`.
    """
    return build_for(MimicMotionUNet, shapes, name, head_channels)


class MimicMotionUNet(SvdEncoder):
    """The denoiser. Works for any SVD-class UNet; without pose and residuals it is SVD."""

    def __init__(self, sizes: SvdSizes, ops: Ops = nn):
        super().__init__(sizes, ops)
        channels = sizes.channels[0]
        self.up_blocks = nn.ModuleList(
            UpBlock(level, sizes, ops) for level in reversed(range(len(sizes.channels)))
        )
        self.conv_norm_out = ops.GroupNorm(GROUPS, channels, 1e-5)
        self.conv_out = ops.Conv2d(channels, sizes.out_channels, 3, padding=1)

    def blocks(self) -> list[Block]:
        return [*super().blocks(), *self.up_blocks]

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        constants: CachedConditioning,
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
            pose_strength: for each batch row; 0 for uncond.
            residuals: output of a ControlNet for the same window; the official multiplicity is
                applied here (`residual_multiplicity`).

        Returns:
            (B, F, 4, h, w) in the network's dtype.

        Raises:
            NetworkError: sizes, frames or batches disagree.
        """
        check_sample(sample, self.conv_in.in_channels, constants)
        batch, num_frames = sample.shape[:2]
        x = self.conv_in(sample.to(self.dtype).flatten(0, 1))
        if pose is not None:
            x = self._add_pose(x, pose, pose_strength, batch)
        time = self.embed_time(timestep, constants)
        x, skips = self.encode(x, time, constants)
        if residuals is not None:
            x, skips = self._add_residuals(x, skips, residuals)

        before = len(constants.blocks) - len(self.up_blocks)
        for block, cached in zip(self.up_blocks, constants.blocks[before:], strict=True):
            x = block(x, time, cached, num_frames, skips)
        x = self.conv_out(F.silu(self.conv_norm_out(x), inplace=True))
        return x.unflatten(0, (batch, num_frames))

    def _add_pose(self, x: Tensor, pose: Tensor, strengths: Sequence[float], batch: int) -> Tensor:
        if pose.shape[1:] != x.shape[1:] or len(pose) * batch != len(x):
            raise NetworkError(
                f"pose latents: shape {tuple(pose.shape)}, needed "
                f"{(len(x) // batch, *x.shape[1:])}. Make them from as many pose images as the "
                "window has frames, at eight times the latents' size."
            )
        if len(strengths) != batch:
            raise NetworkError(
                f"pose strength: {len(strengths)} values for {batch} batch rows. Give one for each."
            )
        scale = torch.tensor(list(strengths), dtype=x.dtype, device=x.device)
        pose = pose.to(x)
        return torch.addcmul(
            x.unflatten(0, (batch, -1)), pose[None], scale.view(-1, 1, 1, 1, 1)
        ).flatten(0, 1)

    def _add_residuals(
        self, mid: Tensor, skips: list[Tensor], residuals: Residuals
    ) -> tuple[Tensor, list[Tensor]]:
        expected = [tuple(skip.shape) for skip in skips] + [tuple(mid.shape)]
        actual = [tuple(residual.shape) for residual in (*residuals.down, residuals.mid)]
        if expected != actual:
            pairs = enumerate(zip(expected, actual))  # noqa: B905
            which = next((i for i, pair in pairs if pair[0] != pair[1]), -1)
            raise NetworkError(
                f"ControlNet residuals do not fit the UNet: {len(actual)} of them, {len(expected)} "
                f"needed; number {which} is {actual[which]}, needed {expected[which]}. "
                "Use a ControlNet of the same size, at the same window and image size."
            )
        skips = [
            torch.add(skip, residual, alpha=times)
            for skip, residual, times in zip(
                skips, residuals.down, residual_multiplicity(self), strict=True
            )
        ]
        return mid + residuals.mid, skips
