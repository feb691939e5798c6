"""Run the motion encoder over a motion field in chunks.

See docs/reference_behaviour.md#motion-embedding. The embedding depends on neither the step, the
window nor cond/uncond, so it is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..errors import NetworkError
from ..models.latent import DOWNSCALE, image_size
from ..models.module_utils import placed
from ..models.motion_encoder import MotionEncoder
from ..progress import Progress, no_progress


class MotionSource(Protocol):
    """Motion by frames, such as `motion.motion_field.MotionField`.

    `flow` and `trajectory` return (n, 2, h, w) pixels of `size`, (dx, dy), on the CPU. Frame 0, the
    reference, is zero in both.
    """

    def __len__(self) -> int: ...

    def flow(self, frames: Sequence[int], size: tuple[int, int]) -> Tensor: ...

    def trajectory(self, frames: Sequence[int], size: tuple[int, int]) -> Tensor: ...


@torch.no_grad()
def encode_motion(
    encoder: MotionEncoder,
    motion: MotionSource | None,
    size: tuple[int, int],
    *,
    frames: Sequence[int] | None = None,
    flow_strength: float = 1.0,
    trajectory_strength: float = 1.0,
    chunk: int = 4,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    on_frame: Progress = no_progress,
) -> Tensor:
    """Compute the motion embedding, with at most `chunk` frames in memory at full size.

    Args:
        motion: motion of the sequence. Optional; without it motion guidance is off, and `frames` is
            required.
        size: (H, W) of the image, multiples of 8.
        frames: absolute frames to encode, in any order; all when None.
        flow_strength, trajectory_strength: see `MotionEncoder.forward`.
        chunk: frames per pass; affects memory and speed, not the result.
        device, dtype: compute device and dtype, see `placed`.

    Returns:
        (n, C, H/8, W/8) on the CPU, in the encoder's dtype.

    Raises:
        NetworkError: an unsupported size, maps of another size, or values that are not finite; the
            message names the frame.
    """
    size = image_size(size, "motion encoder")
    if frames is None:
        frames = None if motion is None else range(len(motion))
    if frames is None:
        raise NetworkError(
            "motion encoder: neither a motion field nor the frames of the clip were given. "
            "Without a motion field, give the frames to encode."
        )
    frames = list(frames)
    if motion is None or not (flow_strength or trajectory_strength):
        return encoder.bias_map(len(frames), size).cpu()

    run = placed(encoder, device, dtype)
    like = run.conv_final.weight
    small = (size[0] // DOWNSCALE, size[1] // DOWNSCALE)
    result = torch.empty(len(frames), encoder.out_channels, *small, dtype=encoder.dtype)
    for start in range(0, len(frames), chunk):
        chunk_frames = frames[start : start + chunk]
        # Maps of a branch with strength 0 are not computed.
        flow = trajectory = None
        if flow_strength:
            flow = _check_maps(motion.flow(chunk_frames, size), "flow", chunk_frames, size).to(like)
        if trajectory_strength:
            maps = motion.trajectory(chunk_frames, size)
            trajectory = _check_maps(maps, "trajectory", chunk_frames, size).to(like)
        result[start : start + len(chunk_frames)] = run(
            flow, trajectory, flow_strength, trajectory_strength
        )
        on_frame(start + len(chunk_frames), len(frames))
    return result


def _check_maps(maps: Tensor, name: str, frames: list[int], size: tuple[int, int]) -> Tensor:
    needed = (len(frames), 2, *size)
    if tuple(maps.shape) != needed:
        raise NetworkError(
            f"motion encoder: {name} of shape {tuple(maps.shape)}, needed {needed}: "
            f"{len(frames)} frames at {size[1]}×{size[0]}. "
            "Make the motion field from the same poses and image as the rest."
        )
    finite = maps.isfinite().flatten(1).all(1)
    if not finite.all():
        bad = frames[int((~finite).nonzero()[0])]
        raise NetworkError(
            f"motion encoder: {name} of frame {bad} has values that are not finite. "
            "Make the motion field again, or repair the poses first."
        )
    return maps
