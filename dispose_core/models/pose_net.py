"""MimicMotion's PoseNet: skeleton images to pose latents, added after the UNet's `conv_in`.

See docs/reference_behaviour.md#unet-and-pose-net. It runs once, in chunks. Only cond has pose
latents; those of uncond are zero and not stored (docs/reference_behaviour.md#quirk-27).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from .module_utils import shape_of

# (out channels, kernel, stride) of the convolutions; all have a padding of 1.
LAYERS = (
    (3, 3, 1), (16, 4, 2), (16, 3, 1), (32, 4, 2),
    (32, 3, 1), (64, 4, 2), (64, 3, 1), (128, 3, 1),
)  # fmt: skip


class PoseNet(nn.Module):
    """Eight convolutions with SiLU and a projection, times a learned scale.

    Parameter names are those of the released file below `pose_net.`.
    """

    def __init__(self, out_channels: int = 320):
        super().__init__()
        layers, width = [], 3
        for channels, kernel, stride in LAYERS:
            layers += [nn.Conv2d(width, channels, kernel, stride, padding=1), nn.SiLU()]
            width = channels
        self.conv_layers = nn.Sequential(*layers)
        self.final_proj = nn.Conv2d(width, out_channels, 1)
        self.scale = nn.Parameter(torch.full((1,), 2.0))

    @classmethod
    def shaped_like(cls, shapes: Mapping[str, Sequence[int]]) -> PoseNet:
        """Create a PoseNet for weights of these shapes (keys as in `state_dict`), without loading.

        Raises:
            NetworkError: they are not of a PoseNet.
        """
        return cls(shape_of(shapes, "final_proj.weight", 4, "PoseNet")[0])

    def forward(self, skeletons: Tensor) -> Tensor:
        """Pose latents of skeleton images.

        Args:
            skeletons: (n, 3, H, W), -1…1 with -1 for black.

        Returns:
            (n, C, H/8, W/8)
        """
        skeletons = skeletons.contiguous(memory_format=torch.channels_last)
        return self.final_proj(self.conv_layers(skeletons)) * self.scale
