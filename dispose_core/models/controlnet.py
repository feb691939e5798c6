"""DisPose's hybrid ControlNet: residuals for a frozen SVD-class UNet.

See docs/reference_behaviour.md#hybrid-controlnet. Motion and points are encoded once
(`ControlHints`); each step runs only the encoder half of a UNet and the zero convolutions.
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
    """Outputs of a ControlNet: one for each skip in the order of the down pass, and one for mid."""

    down: tuple[Tensor, ...]  # (B F, C_k, h_k, w_k) each
    mid: Tensor  # (B F, C, h, w)


class HybridControlNet(SvdEncoder):
    """ControlNet from a noisy window and its hints to residuals.

    Keys are those of the released file without the encoders that run only once:
    `controlnet_cond_embedding` is the motion encoder, `point_adapter` the point adapter.
    """

    def __init__(self, sizes: SvdSizes, ops: Ops = nn):
        super().__init__(sizes, ops)
        widths = [sizes.channels[0]]
        for channels, block in zip(sizes.channels, self.down_blocks, strict=True):
            widths += [channels] * _outputs(block)
        self.controlnet_down_blocks = nn.ModuleList(ops.Conv2d(c, c, 1) for c in widths)
        self.controlnet_mid_block = ops.Conv2d(widths[-1], widths[-1], 1)

    def fold_multiplicity(self) -> None:
        """Multiply the zero convolutions by `residual_multiplicity`.

        Call it once, after loading, for a UNet that adds each residual only once, such as
        ComfyUI's. `MimicMotionUNet` applies the multiplicity itself.
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
        """Residuals of one window; see `guidance.control_hints.window_residuals`.

        Args:
            sample: (B, F, 8, h, w): scaled noisy latents and the image's latents.
            timestep: 0.25 ln(sigma).
            constants: from `constants` of this network, for these B and F.
            motion: (F, C0, h, w), the motion embedding. Like `points` it is shared by cond and
                uncond and already includes its strengths.
            points: (F, C_i, h_i, w_i) for each down block; None or missing adds nothing.
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
    """How often MimicMotion's UNet adds each residual: 4,4,4,4,3,3,3,2,2,2,1,1.

    See docs/reference_behaviour.md#residual-multiplicity. It adds all residuals up to the current
    block after every down block, and the weights were trained that way.
    """
    blocks = len(encoder.down_blocks)
    times = [blocks]
    for i, block in enumerate(encoder.down_blocks):
        times += [blocks - i] * _outputs(block)
    return tuple(times)


def _outputs(block: Any) -> int:
    return len(block.resnets) + len(block.downsamplers)
