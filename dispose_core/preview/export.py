"""Export motion for other programs: optical flow as tensors, joint tracks as JSON."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisPoseError
from ..motion.motion_field import MotionField
from ..progress import Progress, no_progress
from .rasterizer import flow_of, forward_warp


def optical_flow(
    field: MotionField,
    between: Literal["frames", "reference"] = "frames",
    size: tuple[int, int] | None = None,
    on_frame: Progress = no_progress,
) -> Tensor:
    """Convert a motion field to optical flow between images, of which the reference is the first.

    Args:
        field: motion field of F+1 frames.
        between: "frames": from each image to the next, on the pixels of the former, zero outside
            the person; "reference": from the reference to each later image.
        size: (H, W); the image's when None.

    Returns:
        (F, H, W, 2) float32, (dx, dy) in pixels of that size.

    Raises:
        DisPoseError: the field has no frame besides the reference.
    """
    height, width = size or field.size
    size = (height, width)
    total = num_driving(field)
    result = torch.empty(total, *size, 2)
    earlier = torch.zeros(2, *size)
    mask, layer = (_enlarged(plane, size) for plane in (field.subject, field.layer))
    for n in range(total):
        later = flow_of(field, n + 1, size)
        if between == "frames":
            # The next displacement of each point, warped to its current position.
            moved, coverage = forward_warp(later - earlier, earlier[None], mask, layer)
            result[n] = (moved * (coverage > 0.5))[0].movedim(0, -1)
        else:
            result[n] = later.movedim(0, -1)
        earlier = later
        on_frame(n + 1, total)
    return result


def joint_tracks(
    field: MotionField, size: tuple[int, int] | None = None, points: int | None = None
) -> str:
    """Tracks of the body joints in the JSON format of track-driven video nodes.

    The format is a list of tracks, each a list of {"x": …, "y": …}, without missing points: gaps
    are interpolated and the ends extended. Joints that are never visible are omitted.

    Args:
        field: motion field of F+1 frames.
        size: (H, W) that x and y are pixels of; the image's when None.
        points: points per track, evenly spaced in time; one per frame when None.

    Raises:
        DisPoseError: the field has no frame besides the reference.
    """
    num_frames = num_driving(field) + 1
    height, width = size or field.size
    positions, seen = joint_positions(field)
    times = np.linspace(0, num_frames - 1, points or num_frames)
    tracks = []
    for joint in range(positions.shape[1]):
        known = np.flatnonzero(seen[:, joint])
        if len(known):
            x, y = (np.interp(times, known, positions[known, joint, axis]) for axis in (0, 1))
            xs, ys = np.round(x * width, 2).tolist(), np.round(y * height, 2).tolist()
            tracks.append([{"x": x, "y": y} for x, y in zip(xs, ys, strict=True)])
    return json.dumps(tracks)


def joint_positions(field: MotionField) -> tuple[np.ndarray, np.ndarray]:
    """Body joints of a field, from the ends and starts of all steps.

    Returns:
        (F+1, 18, 2) fractions and (F+1, 18) visibility.
    """
    steps = field.trajectories
    positions, seen = steps.end.clone(), steps.visible.clone()
    starts = steps.visible[1:] & ~steps.visible[:-1]
    positions[:-1][starts] = steps.start[1:][starts]
    seen[:-1] |= starts
    return positions.numpy(), seen.numpy()


def num_driving(field: MotionField) -> int:
    """Number of driving frames.

    Raises:
        DisPoseError: there is none.
    """
    if len(field) < 2:
        raise DisPoseError(
            "motion field: it holds the reference alone. Make it from at least one driving pose."
        )
    return len(field) - 1


def _enlarged(plane: Tensor | None, size: tuple[int, int]) -> Tensor | None:
    if plane is None:
        return None
    return F.interpolate(plane[None, None].float(), size, mode="nearest")[0, 0]
