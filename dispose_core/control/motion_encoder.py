"""The ControlNet's motion embedding: flow and trajectory maps to a map at latent size (SPEC 9.3).

It depends on neither the step, nor the window, nor the guidance half, so a clip is encoded once,
in chunks, straight from the motion field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import NetworkError
from ..progress import Progress, no_progress
from .placing import DOWNSCALE, picture_size, placed, shape_of

CHANNELS = (16, 32, 96, 256)  # of the released weights; the last three at 1/2, 1/4, 1/8
HALVINGS = len(CHANNELS) - 1


class MotionSource(Protocol):
    """Motion of a clip in pieces; `motion.field.MotionField` is one.

    `frames` and `trajectory` give (n, 2, h, w) pixels of `size`, (dx, dy), on the CPU. Entry 0,
    the reference, is zero in both.
    """

    def __len__(self) -> int: ...

    def frames(self, entries: Sequence[int], size: tuple[int, int]) -> Tensor: ...

    def trajectory(self, entries: Sequence[int], size: tuple[int, int]) -> Tensor: ...


class MotionEncoder(nn.Module):
    """Two branches of strided convolutions, summed and mixed by a last one.

    Parameter names are those of the released file below `controlnet_cond_embedding.`.
    """

    def __init__(self, out_channels: int = 320, channels: Sequence[int] = CHANNELS):
        super().__init__()
        for branch in ("flow", "traj"):
            blocks = []
            for narrow, wide in pairwise(channels):
                blocks += [
                    nn.Conv2d(narrow, narrow, 3, padding=1),
                    nn.Conv2d(narrow, wide, 3, stride=2, padding=1),
                ]
            setattr(self, f"conv_in_{branch}", nn.Conv2d(2, channels[0], 3, padding=1))
            setattr(self, f"blocks_{branch}", nn.ModuleList(blocks))
            setattr(self, f"conv_out_{branch}", nn.Conv2d(channels[-1], out_channels, 3, padding=1))
        self.conv_final = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    @classmethod
    def shaped_like(cls, shapes: Mapping[str, Sequence[int]]) -> MotionEncoder:
        """An encoder for weights of these shapes, keys as in `state_dict`; nothing is loaded.

        Raises:
            NetworkError: they are not of a motion encoder.
        """
        name = "motion encoder"
        widths = [shape_of(shapes, "conv_in_flow.weight", 4, name)[0]]
        for i in range(1, 2 * HALVINGS, 2):
            widths.append(shape_of(shapes, f"blocks_flow.{i}.weight", 4, name)[0])
        return cls(shape_of(shapes, "conv_final.weight", 4, name)[0], widths)

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
        """Embedding of some entries.

        A strength scales what its branch adds to the sum before `conv_final`; 1, 1 is the paper.
        With strength 0 a branch is not run. That is not the same as zero motion: the branch of a
        motionless frame, such as entry 0 of every clip, gives a constant that the network was
        trained with and that strength 0 takes away.

        Args:
            flow, trajectory: (n, 2, H, W) pixels, (dx, dy). One of them may be None, which is
                its strength 0; with nothing left of both there is only `bias_map`.
            flow_strength, trajectory_strength: 0…1, or more to exaggerate.

        Returns:
            (n, C, H/8, W/8)

        Raises:
            NetworkError: flow and trajectory are of different shape.
        """
        given = [maps for maps in (flow, trajectory) if maps is not None]
        if len(given) == 2 and flow.shape != trajectory.shape:
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
            return self.bias_map(len(given[0]), tuple(given[0].shape[-2:]))
        return self.conv_final(total)

    def bias_map(self, entries: int, size: tuple[int, int]) -> Tensor:
        """What is left with both branches at strength 0.

        Returns:
            (n, C, H/8, W/8), a view of one vector.
        """
        h, w = (side // DOWNSCALE for side in size)
        return self.conv_final.bias.view(1, -1, 1, 1).expand(entries, -1, h, w)

    def _branch(self, name: str, maps: Tensor) -> Tensor:
        # Channels-last, because that halves the time on a CPU and suits tensor cores.
        x = maps.contiguous(memory_format=torch.channels_last)
        x = F.silu(getattr(self, f"conv_in_{name}")(x), inplace=True)
        for block in getattr(self, f"blocks_{name}"):
            x = F.silu(block(x), inplace=True)
        return getattr(self, f"conv_out_{name}")(x)


@torch.no_grad()
def encode_motion(
    encoder: MotionEncoder,
    motion: MotionSource | None,
    size: tuple[int, int],
    *,
    entries: Sequence[int] | None = None,
    flow_strength: float = 1.0,
    trajectory_strength: float = 1.0,
    chunk: int = 4,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    on_entry: Progress = no_progress,
) -> Tensor:
    """The motion embedding of a clip, at most `chunk` entries of it in memory at full size.

    Args:
        encoder: stays as it is.
        motion: the clip's motion; None is both strengths at 0, and then `entries` tells the
            length.
        size: (H, W) of the picture, multiples of 8.
        entries: absolute entries to encode, in any order; all when None.
        flow_strength, trajectory_strength: see `MotionEncoder.forward`. An input that is absent
            has strength 0.
        chunk: entries a pass. It changes memory and speed, not the result.
        device, dtype: where and in which precision to compute, see `placed`.
        on_entry: called after each pass; may raise to cancel.

    Returns:
        (n, C, H/8, W/8) on the CPU, in the encoder's own dtype.

    Raises:
        NetworkError: a size that the network does not take, maps of another size, or values that
            are not finite; the message names the entry.
    """
    size = picture_size(size, "motion encoder")
    if entries is None and motion is None:
        raise NetworkError(
            "motion encoder: neither a motion field nor the entries of the clip were given. "
            "Without a motion field, give the entries to encode."
        )
    entries = list(range(len(motion)) if entries is None else entries)
    if motion is None or not (flow_strength or trajectory_strength):
        return encoder.bias_map(len(entries), size).cpu()

    run = placed(encoder, device, dtype)
    like = run.conv_final.weight
    small = (size[0] // DOWNSCALE, size[1] // DOWNSCALE)
    result = torch.empty(len(entries), encoder.out_channels, *small, dtype=encoder.dtype)
    for start in range(0, len(entries), chunk):
        wanted = entries[start : start + chunk]
        # The maps of a branch that is switched off are not made.
        flow = trajectory = None
        if flow_strength:
            flow = _checked(motion.frames(wanted, size), "flow", wanted, size).to(like)
        if trajectory_strength:
            maps = motion.trajectory(wanted, size)
            trajectory = _checked(maps, "trajectory", wanted, size).to(like)
        result[start : start + len(wanted)] = run(
            flow, trajectory, flow_strength, trajectory_strength
        )
        on_entry(start + len(wanted), len(entries))
    return result


def _checked(maps: Tensor, name: str, entries: list[int], size: tuple[int, int]) -> Tensor:
    """The maps as they came."""
    needed = (len(entries), 2, *size)
    if tuple(maps.shape) != needed:
        raise NetworkError(
            f"motion encoder: {name} of shape {tuple(maps.shape)}, needed {needed}: "
            f"{len(entries)} entries at {size[1]}×{size[0]}. "
            "Make the motion field from the same poses and picture as the rest."
        )
    finite = maps.isfinite().flatten(1).all(1)
    if not finite.all():
        bad = entries[int((~finite).nonzero()[0])]
        raise NetworkError(
            f"motion encoder: {name} of entry {bad} has values that are not finite. "
            "Make the motion field again, or repair the poses first."
        )
    return maps
