"""The ControlNet's motion encoder: flow and trajectory maps to an embedding at latent size.

See docs/reference_behaviour.md#motion-embedding. The embedding depends on neither the step, the
window nor cond/uncond, so it is computed once, in chunks, from the motion field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import NetworkError
from .latent import DOWNSCALE
from .module_utils import Ops, shape_of

CHANNELS = (16, 32, 96, 256)  # of the released weights; the last three at 1/2, 1/4, 1/8


HALVINGS = len(CHANNELS) - 1


class MotionEncoder(nn.Module):
    """Two branches of strided convolutions, summed and followed by a last convolution.

    Parameter names are those of the released file below `controlnet_cond_embedding.`.
    """

    def __init__(self, out_channels: int = 320, channels: Sequence[int] = CHANNELS, ops: Ops = nn):
        super().__init__()
        for branch in ("flow", "traj"):
            blocks = []
            for narrow, wide in pairwise(channels):
                blocks += [
                    ops.Conv2d(narrow, narrow, 3, padding=1),
                    ops.Conv2d(narrow, wide, 3, stride=2, padding=1),
                ]
            setattr(self, f"conv_in_{branch}", ops.Conv2d(2, channels[0], 3, padding=1))
            setattr(self, f"blocks_{branch}", nn.ModuleList(blocks))
            setattr(
                self, f"conv_out_{branch}", ops.Conv2d(channels[-1], out_channels, 3, padding=1)
            )
        self.conv_final = ops.Conv2d(out_channels, out_channels, 3, padding=1)

    @classmethod
    def shaped_like(cls, shapes: Mapping[str, Sequence[int]], ops: Ops = nn) -> MotionEncoder:
        """Create an encoder for weights of these shapes (keys as in `state_dict`), without loading.

        Raises:
            NetworkError: they are not of a motion encoder.
        """
        name = "motion encoder"
        widths = [shape_of(shapes, "conv_in_flow.weight", 4, name)[0]]
        for i in range(1, 2 * HALVINGS, 2):
            widths.append(shape_of(shapes, f"blocks_flow.{i}.weight", 4, name)[0])
        return cls(shape_of(shapes, "conv_final.weight", 4, name)[0], widths, ops)

    @property
    def out_channels(self) -> int:
        return self.conv_final.out_channels

    @property
    def dtype(self) -> torch.dtype:
        return self.conv_final.weight.dtype

    def forward(
        self,
        flow: Tensor | None,
        trajectory: Tensor | None,
        flow_strength: float = 1.0,
        trajectory_strength: float = 1.0,
    ) -> Tensor:
        """Motion embedding of some frames.

        A strength scales a branch's contribution to the sum before `conv_final`; 1, 1 is the paper.
        Strength 0 skips the branch. That differs from zero motion: for a motionless frame, such as
        frame 0, a branch outputs a constant that the network was trained with and that strength 0
        removes.

        Args:
            flow, trajectory: (n, 2, H, W) pixels, (dx, dy). One of them may be None, which means
                strength 0; if both have strength 0, the result is `bias_map`.
            flow_strength, trajectory_strength: 0…1, or more to exaggerate.

        Returns:
            (n, C, H/8, W/8)

        Raises:
            NetworkError: flow and trajectory differ in shape.
        """
        present = [maps for maps in (flow, trajectory) if maps is not None]
        if flow is not None and trajectory is not None and flow.shape != trajectory.shape:
            raise NetworkError(
                f"motion encoder: flow is {tuple(flow.shape)} and the trajectory maps are "
                f"{tuple(trajectory.shape)}, they must be of one shape. "
                "Make both from the same poses at the same size."
            )
        total = None
        for name, maps, strength in (
            ("flow", flow, flow_strength),
            ("traj", trajectory, trajectory_strength),
        ):
            if maps is not None and strength:
                out = self._branch(name, maps)
                out = out if strength == 1 else out * strength
                total = out if total is None else total.add_(out)
        if total is None:
            height, width = present[0].shape[-2:]
            return self.bias_map(len(present[0]), (height, width))
        return self.conv_final(total)

    def bias_map(self, num_frames: int, size: tuple[int, int]) -> Tensor:
        """Output with both branches at strength 0.

        Returns:
            (n, C, H/8, W/8), a view of one vector.
        """
        h, w = (side // DOWNSCALE for side in size)
        bias = cast(Tensor, self.conv_final.bias)
        return bias.view(1, -1, 1, 1).expand(num_frames, -1, h, w)

    def _branch(self, name: str, maps: Tensor) -> Tensor:
        # Channels-last halves the time on a CPU and suits tensor cores.
        x = maps.contiguous(memory_format=torch.channels_last)
        x = F.silu(getattr(self, f"conv_in_{name}")(x), inplace=True)
        for block in getattr(self, f"blocks_{name}"):
            x = F.silu(block(x), inplace=True)
        return getattr(self, f"conv_out_{name}")(x)
