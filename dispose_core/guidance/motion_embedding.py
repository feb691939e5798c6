"""The motion embedding of a clip: the motion encoder run over a motion field, in chunks.

See docs/reference_behaviour.md#motion-embedding.

It depends on neither the step, nor the window, nor cond and uncond, so it is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..errors import NetworkError
from ..models.latent import DOWNSCALE, picture_size
from ..models.module_utils import placed
from ..models.motion_encoder import MotionEncoder
from ..progress import Progress, no_progress


class MotionSource(Protocol):
    """Motion of a clip in pieces; `motion.field.MotionField` is one.

    `flow` and `trajectory` give (n, 2, h, w) pixels of `size`, (dx, dy), on the CPU. Entry 0,
    the reference, is zero in both.
    """

    def __len__(self) -> int: ...

    def flow(self, entries: Sequence[int], size: tuple[int, int]) -> Tensor: ...

    def trajectory(self, entries: Sequence[int], size: tuple[int, int]) -> Tensor: ...


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
    if entries is None:
        entries = None if motion is None else range(len(motion))
    if entries is None:
        raise NetworkError(
            "motion encoder: neither a motion field nor the entries of the clip were given. "
            "Without a motion field, give the entries to encode."
        )
    entries = list(entries)
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
            flow = _checked(motion.flow(wanted, size), "flow", wanted, size).to(like)
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
