"""From a clip of poses to a `MotionField`: the densifier protocol and the one call that uses it."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import DisPoseError, MediaError, PoseError
from ..pose.frame_ranges import name_frames
from ..pose.sequence import PoseSequence
from ..pose.skeleton import BODY, VISIBLE
from ..progress import Progress, no_progress
from .densifiers.base import Densifier
from .motion_field import MotionField
from .trajectory import TrajectoryPoints, trajectory_points


def motion_field(
    picture: Tensor,
    clip: PoseSequence,
    densifier: Densifier,
    official: bool = False,
    on_entry: Progress = no_progress,
) -> MotionField:
    """Dense motion of a clip over its reference picture.

    Args:
        picture: (3, H, W) reference, 0…1.
        clip: F+1 aligned poses of one person, entry 0 the reference (`pose.sequence.make_clip`).
        densifier: spreads the motion of the joints over the picture.
        official: keep the official code's reading of missing joints (`trajectory_points`).
        on_entry: called after each entry; may raise to cancel.

    Returns:
        the field; entries without any body joint are not valid, do not move, and stand in its
        report by their frame numbers.

    Raises:
        MediaError: no picture (3, H, W) in 0…1.
        PoseError: no driving pose, or the reference pose shows no joint.
    """
    _check_picture(picture)
    _check_clip(clip)
    motion = densifier(picture, clip, on_entry)
    grid = motion.grid.to("cpu", torch.float32)
    fits = grid.ndim == 4 and grid.shape[:2] == (len(clip), 2)
    # Entry by entry: the test makes copies, and a clip is long.
    if not fits or not all(one.isfinite().all() for one in grid):
        raise DisPoseError(
            f"densifier {type(densifier).__name__}: gave flow {tuple(grid.shape)}, needed finite "
            f"numbers ({len(clip)}, 2, h, w). Use another densifier and report the fault."
        )
    valid = torch.from_numpy(clip.body_visible.any(-1))
    still = ~valid
    still[0] = True
    grid[still] = 0.0
    points = trajectory_points(clip, official)
    height, width = picture.shape[-2:]
    size = (height, width)
    report = [*_report(clip, size, grid, points), *motion.report]
    return MotionField(
        grid, points, size, valid, motion.layer, motion.subject, motion.resample, report
    )


def _check_picture(picture: Tensor) -> None:
    if picture.ndim != 3 or len(picture) != 3 or not picture.numel():
        raise MediaError(
            f"reference picture: shape {tuple(picture.shape)}, needed (3, H, W). "
            "Give one picture in colour."
        )
    low, high = picture.min().item(), picture.max().item()
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails too
        raise MediaError(
            f"reference picture: values {low:g}…{high:g}, needed 0…1. Divide 8-bit values by 255."
        )


def _check_clip(clip: PoseSequence) -> None:
    if len(clip) < 2:
        raise PoseError(
            f"motion field: {len(clip)} poses, needed the reference pose and at least one driving "
            "pose. Extract or load the poses of the driving video."
        )
    if not clip.body_visible[0].any():
        raise PoseError(
            f"reference pose: no body joint seen (best score {clip.body_scores[0].max():.2f}, "
            f"needed above {VISIBLE:.2f}). Use a picture that shows head and shoulders, or another "
            "detector."
        )


def _report(
    clip: PoseSequence, size: tuple[int, int], grid: Tensor, points: TrajectoryPoints
) -> list[str]:
    lines = [
        f"{len(clip) - 1} driving poses; motion on a grid of {grid.shape[-1]}×{grid.shape[-2]} "
        f"for a picture of {size[1]}×{size[0]}"
    ]
    seen = clip.body_visible
    missing = [name for name, visible in zip(BODY, seen[0], strict=True) if not visible]
    if missing:
        lines.append(f"not seen in the reference pose: {', '.join(missing)}")
    empty = ~seen[1:].any(-1)
    if empty.any():
        lines.append(f"no pose in driving {name_frames(empty)}: nothing moves there")
    left_out = int((seen[:-1] | seen[1:]).sum() - points.visible.sum())
    if left_out:
        lines.append(f"trajectories: {left_out} steps of joints missing before or after left out")
    return lines
