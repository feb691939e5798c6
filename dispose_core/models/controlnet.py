"""DisPose's hybrid ControlNet: residuals for a frozen SVD-class UNet.

See docs/reference_behaviour.md#hybrid-controlnet.

Motion and points have been encoded once for the clip (`ControlHints`); what is left for every
step is half a UNet and its zero convolutions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from diffusers.models.unets.unet_spatio_temporal_condition import (
    UNetSpatioTemporalConditionModel,
)
from torch import Tensor, nn

from .cached_conditioning import ClipConstants
from .svd_encoder import SvdEncoder, add_to_halves, check_sample
from .svd_sizes import HEAD_CHANNELS, build_unet


class Residuals(NamedTuple):
    """What a ControlNet adds to a UNet: to each skip, in order of the down pass, and to mid."""

    down: tuple[Tensor, ...]  # (B F, C_k, h_k, w_k) each
    mid: Tensor  # (B F, C, h, w)


def build_controlnet(
    shapes: Mapping[str, Sequence[int]], name: str, head_channels: int = HEAD_CHANNELS
) -> UNetSpatioTemporalConditionModel:
    """diffusers' UNet cut down to the released file's keys and shapes, on the meta device.

    Without the branches that run once a clip: `controlnet_cond_embedding` is the motion encoder,
    `point_adapter` the point adapter.

    Args and raises: see `build_unet`.
    """
    net = build_unet(shapes, name, head_channels)
    del net.up_blocks, net.conv_norm_out, net.conv_act, net.conv_out
    widths = [net.conv_in.out_channels]
    for block in cast("Iterable[Any]", net.down_blocks):
        widths += [block.resnets[0].spatial_res_block.out_channels] * _outputs(block)
    with torch.device("meta"):
        net.controlnet_down_blocks = nn.ModuleList(nn.Conv2d(c, c, 1) for c in widths)
        net.controlnet_mid_block = nn.Conv2d(widths[-1], widths[-1], 1)
    return net


class HybridControlNet(SvdEncoder):
    """Residuals from a noisy window and its hints.

    Args:
        stock: from `build_controlnet`, with its weights in place; it is used up.
        fold_multiplicity: scale the residuals by `residual_multiplicity`, which costs nothing in
            the zero convolutions. For a UNet that adds each of them a single time, such as
            ComfyUI's; `MimicMotionUNet` does it itself and wants them as they are.
    """

    def __init__(self, stock: UNetSpatioTemporalConditionModel, fold_multiplicity: bool = False):
        super().__init__(stock)
        self.controlnet_down_blocks = stock.controlnet_down_blocks
        self.controlnet_mid_block = stock.controlnet_mid_block
        self._use_clip_constants()
        if fold_multiplicity:
            for conv, times in zip(
                self.controlnet_down_blocks, residual_multiplicity(self), strict=True
            ):
                conv.weight = nn.Parameter(conv.weight * times, requires_grad=False)
                conv.bias = nn.Parameter(conv.bias * times, requires_grad=False)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        constants: ClipConstants,
        motion: Tensor,
        points: Sequence[Tensor | None] = (),
        strength: float = 1.0,
    ) -> Residuals:
        """Residuals of one window; `guidance.window_residuals` slices the hints of a clip for it.

        Args:
            sample: (B, F, 8, h, w): scaled noisy latents and the image's latents.
            timestep: 0.25 ln(sigma).
            constants: from `constants`, for these B and F.
            motion: (F, C0, h, w), the motion embedding. Like `points` it is the same for all
                halves and carries the strengths of its branches already.
            points: (F, C_i, h_i, w_i) for each down block, None or missing where they add
                nothing.
            strength: scales all residuals; 1 is the paper.

        Raises:
            NetworkError: sizes, frames or halves disagree.
        """
        check_sample(sample, self.conv_in.in_channels, constants)
        sample = sample.to(self.dtype).flatten(0, 1)
        x = add_to_halves(self.conv_in(sample), motion)
        mid, skips = self.encode(x, self.embed_time(timestep, constants), constants, points)
        down = [conv(skip) for conv, skip in zip(self.controlnet_down_blocks, skips, strict=True)]
        mid = self.controlnet_mid_block(mid)
        if strength != 1.0:
            down, mid = [residual.mul_(strength) for residual in down], mid.mul_(strength)
        return Residuals(tuple(down), mid)


def residual_multiplicity(encoder: SvdEncoder) -> tuple[int, ...]:
    """How many times MimicMotion's UNet adds each residual: 4,4,4,4,3,3,3,2,2,2,1,1.

    See docs/reference_behaviour.md#residual-multiplicity.

    It adds all residuals known so far after every down block, and the weights were trained so.
    """
    blocks = len(encoder.down_blocks)
    times = [blocks]
    for i, block in enumerate(encoder.down_blocks):
        times += [blocks - i] * _outputs(block)
    return tuple(times)


def _outputs(block: Any) -> int:
    return len(block.resnets) + len(block.downsamplers or ())
