"""DisPose's hybrid ControlNet: residuals for a frozen SVD-class UNet.

See docs/reference_behaviour.md#hybrid-controlnet.

Motion and points have been encoded once for the clip (`ControlHints`); what is left for every
step is half a UNet and its zero convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from .module_utils import Ops
from .svd_encoder import SvdEncoder, add_to_rows, check_sample
from .svd_sizes import SvdSizes
from .svd_unet import CachedConditioning


class Residuals(NamedTuple):
    """What a ControlNet adds to a UNet: to each skip, in order of the down pass, and to mid."""

    down: tuple[Tensor, ...]  # (B F, C_k, h_k, w_k) each
    mid: Tensor  # (B F, C, h, w)


class HybridControlNet(SvdEncoder):
    """Residuals from a noisy window and its hints.

    Keys are those of the released file without the branches that run once a clip:
    `controlnet_cond_embedding` is the motion encoder, `point_adapter` the point adapter.

    Args:
        sizes: of the network.
        ops: classes of the layers.
    """

    def __init__(self, sizes: SvdSizes, ops: Ops = nn):
        super().__init__(sizes, ops)
        widths = [sizes.channels[0]]
        for channels, block in zip(sizes.channels, self.down_blocks, strict=True):
            widths += [channels] * _outputs(block)
        self.controlnet_down_blocks = nn.ModuleList(ops.Conv2d(c, c, 1) for c in widths)
        self.controlnet_mid_block = ops.Conv2d(widths[-1], widths[-1], 1)

    def fold_multiplicity(self) -> None:
        """Scale the residuals by `residual_multiplicity`, at no cost in the zero convolutions.

        To be called once, after loading. It is for a UNet that adds each residual a single time,
        such as ComfyUI's; `MimicMotionUNet` scales them itself and takes them as they are.
        """
        convs: Any = self.controlnet_down_blocks
        for conv, times in zip(convs, residual_multiplicity(self), strict=True):
            conv.weight = nn.Parameter(conv.weight * times, requires_grad=False)
            conv.bias = nn.Parameter(conv.bias * times, requires_grad=False)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        constants: CachedConditioning,
        motion: Tensor,
        points: Sequence[Tensor | None] = (),
        strength: float = 1.0,
    ) -> Residuals:
        """Residuals of one window; `guidance.window_residuals` slices the hints of a clip for it.

        Args:
            sample: (B, F, 8, h, w): scaled noisy latents and the image's latents.
            timestep: 0.25 ln(sigma).
            constants: from `constants` of this network, for these B and F.
            motion: (F, C0, h, w), the motion embedding. Like `points` it is the same for
                cond and uncond and carries the strengths of its branches already.
            points: (F, C_i, h_i, w_i) for each down block, None or missing where they add
                nothing.
            strength: scales all residuals; 1 is the paper.

        Raises:
            NetworkError: sizes, frames or batches disagree.
        """
        check_sample(sample, self.conv_in.in_channels, constants)
        sample = sample.to(self.dtype).flatten(0, 1)
        x = add_to_rows(self.conv_in(sample), motion)
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
    return len(block.resnets) + len(block.downsamplers)
