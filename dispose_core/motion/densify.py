"""Compute a `MotionField` from a pose sequence with a densifier."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import DisPoseError, MediaError, PoseError
from ..pose.fit import fit_to_reference
from ..pose.frame_ranges import name_frames
from ..pose.sequence import PoseSequence
from ..pose.skeleton import BODY, VISIBLE
from ..progress import Progress, no_progress
from .densifiers.base import Densifier
from .motion_field import MotionField
from .trajectory import TrajectoryPoints, trajectory_points


def motion_field(
    image: Tensor,
    sequence: PoseSequence,
    densifier: Densifier,
    official: bool = False,
    on_frame: Progress = no_progress,
) -> MotionField:
    """Compute the dense motion of a pose sequence over its reference image.

    Args:
        image: (3, H, W) reference, 0…1.
        sequence: F+1 aligned poses of one person, frame 0 the reference
            (`pose.sequence.join_sequences`).
        densifier: spreads the motion of the joints over the image.
        official: treat missing joints as the official code does (`trajectory_points`).

    Returns:
        The motion field. Frames without any body joint are invalid, have zero motion, and are
        listed in its report.

    Raises:
        MediaError: the image is not (3, H, W) in 0…1.
        PoseError: there is no driving pose, the reference pose shows no joint, or its canvas has
            another shape than the image.
    """
    _check_image(image)
    _check_sequence(sequence)
    height, width = image.shape[-2:]
    size = (height, width)
    (sequence,), cropped = fit_to_reference([sequence], size)
    motion = densifier(image, sequence, on_frame)
    grid = motion.grid.to("cpu", torch.float32)
    fits = grid.ndim == 4 and grid.shape[:2] == (len(sequence), 2)
    # Checked frame by frame, since `isfinite` makes copies.
    if not fits or not all(frame_grid.isfinite().all() for frame_grid in grid):
        raise DisPoseError(
            f"densifier {type(densifier).__name__}: gave flow {tuple(grid.shape)}, needed finite "
            f"numbers ({len(sequence)}, 2, h, w). Use another densifier and report the fault."
        )
    valid = torch.from_numpy(sequence.body_visible.any(-1))
    still = ~valid
    still[0] = True
    grid[still] = 0.0
    points = trajectory_points(sequence, official)
    report = [*cropped, *_report(sequence, size, grid, points), *motion.report]
    return MotionField(
        grid, points, size, valid, motion.layer, motion.subject, motion.resample, report
    )


def _check_image(image: Tensor) -> None:
    if image.ndim != 3 or len(image) != 3 or not image.numel():
        raise MediaError(
            f"reference image: shape {tuple(image.shape)}, needed (3, H, W). "
            "Give one image in colour."
        )
    low, high = image.min().item(), image.max().item()
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails too
        raise MediaError(
            f"reference image: values {low:g}…{high:g}, needed 0…1. Divide 8-bit values by 255."
        )


def _check_sequence(sequence: PoseSequence) -> None:
    if len(sequence) < 2:
        raise PoseError(
            f"motion field: {len(sequence)} poses, "
            "needed the reference pose and at least one driving pose. "
            "Extract or load the poses of the driving video."
        )
    if not sequence.body_visible[0].any():
        raise PoseError(
            f"reference pose: no body joint seen (best score {sequence.body_scores[0].max():.2f}, "
            f"needed above {VISIBLE:.2f}). Use an image that shows head and shoulders, or another "
            "detector."
        )


def _report(
    sequence: PoseSequence, size: tuple[int, int], grid: Tensor, points: TrajectoryPoints
) -> list[str]:
    lines = [
        f"{len(sequence) - 1} driving poses; motion on a grid of {grid.shape[-1]}×{grid.shape[-2]} "
        f"for an image of {size[1]}×{size[0]}"
    ]
    seen = sequence.body_visible
    missing = [name for name, visible in zip(BODY, seen[0], strict=True) if not visible]
    if missing:
        lines.append(f"not seen in the reference pose: {', '.join(missing)}")
    empty = ~np.any(seen[1:], axis=-1)
    if empty.any():
        lines.append(f"no pose in driving {name_frames(empty)}: nothing moves there")
    left_out = int((seen[:-1] | seen[1:]).sum() - points.visible.sum())
    if left_out:
        lines.append(f"trajectories: {left_out} steps of joints missing before or after left out")
    return lines
