"""Temporal repair of pose sequences: gap filling by interpolation, and jitter reduction.

Each point is processed independently and without lag. Nothing is extrapolated, and long gaps stay
empty. `smooth` is a light filter for detectors; `one_euro` has adjustable strength and weights
points by their score.
"""

from __future__ import annotations

import numpy as np

from .. import skeleton
from ..frame_ranges import name_frames, numbers, stretches
from ..sequence import PoseSequence

# Savitzky–Golay filter: centred quadratic least squares over 5 frames. It has no lag, unlike the
# causal filters of detectors; wider windows would flatten fast hand motion.
_SMOOTHING = np.array([-3, 12, 17, 12, -3]) / 35

# One-Euro filter: increase of the filter rate per body size (spread of the joints) that a point
# moves in a frame, and the number of frames over which the speed is averaged, at this frame rate.
SMOOTHING_FPS = 24.0
_SPEED_COEFFICIENT = 12.0
_SPEED_FRAMES = 3.0

# What jitter is at most, in body sizes: a step beyond it is motion, also when the next step leads
# back, and no point is moved further.
_LARGEST_JITTER = 0.03

_OTHER_PARTS = {
    "left hand": skeleton.LEFT_HAND_SLICE,
    "right hand": skeleton.RIGHT_HAND_SLICE,
    "face": skeleton.FACE_SLICE,
    "left foot": skeleton.LEFT_FOOT_SLICE,
    "right foot": skeleton.RIGHT_FOOT_SLICE,
}


def fill_gaps(poses: PoseSequence, max_gap: int) -> tuple[PoseSequence, list[str]]:
    """Fill missing points by linear interpolation between the frames around a gap.

    A point of hands, face or feet is missing at score 0. A body point is missing up to a score of
    `skeleton.VISIBLE`, since later stages treat it as invisible
    (docs/reference_behaviour.md#pose-output); if it is not filled, it keeps its coordinates. Scores
    are interpolated too. Nothing is filled before the first or after the last detection.

    Args:
        max_gap: longest gap to fill, in frames; 0 fills nothing.

    Returns:
        The filled poses, and a report of the frames and joints that were filled or left.
    """
    seen = poses.visible
    frames = len(poses)
    index = np.arange(frames)[:, None]  # (T, 1) against (T, N)
    before = np.maximum.accumulate(np.where(seen, index, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, index, frames)[::-1], axis=0)[::-1]
    length = after - before - 1
    filled = ~seen & (before >= 0) & (after < frames) & (length <= max_gap)

    left, right = np.where(filled, before, 0), np.where(filled, after, 0)
    weight = (index - before) / (after - before + seen)  # + seen avoids 0 / 0 in visible frames
    points = _interpolate(poses.points, left, right, weight[..., None])
    scores = _interpolate(poses.scores, left, right, weight)
    repaired = poses.with_points(
        np.where(filled[..., None], points, poses.points), np.where(filled, scores, poses.scores)
    )
    return repaired, _report(seen, filled, max_gap)


def smooth(poses: PoseSequence) -> PoseSequence:
    """Reduce frame-to-frame jitter without lag (Savitzky–Golay filter).

    Each point moves to the parabola fitted to the 5 frames around it, if it was detected in all of
    them; otherwise, and at the ends, it stays. Scores do not change.
    """
    radius = len(_SMOOTHING) // 2
    if len(poses) < len(_SMOOTHING):
        return poses
    windows = np.lib.stride_tricks.sliding_window_view(poses.points, len(_SMOOTHING), axis=0)
    # (T - 4, N, 2), NaN where the point is missing in one frame of the window
    fitted = (windows * _SMOOTHING).sum(-1)
    points = poses.points.copy()
    inner = points[radius : len(poses) - radius]
    inner[...] = np.where(np.isfinite(fitted), fitted, inner)
    return poses.with_points(_near(points, poses, np.ones_like(poses.scores)))


def _near(points: np.ndarray, poses: PoseSequence, trust: np.ndarray) -> np.ndarray:
    """`points`, none further than the largest jitter from where `poses` has it.

    Where frames are far apart in time, a filter takes motion for jitter. Points of little `trust`
    (T, N) may move accordingly further.
    """
    pixels = np.array([poses.canvas[1], poses.canvas[0]])
    body_size = _spread(poses.body * pixels, poses.body_visible)
    most = _LARGEST_JITTER * body_size / np.maximum(trust, 1e-6)[..., None]
    moved = (points - poses.points) * pixels
    share = np.minimum(most / np.maximum(np.linalg.norm(moved, axis=-1, keepdims=True), 1e-12), 1)
    return poses.points + moved * share / pixels


def hold_pose(poses: PoseSequence) -> tuple[PoseSequence, list[str]]:
    """Keep the last pose in frames that show nobody, and the first one before it.

    Without, the figure snaps back to the reference wherever the driver is away.

    Returns:
        The poses, all frames present unless none is, and a report.
    """
    present = np.any(poses.body_visible, axis=-1)  # a hand alone is nobody
    if not present.any():
        present = poses.present
    if present.all() or not present.any():
        return poses, []
    index = np.maximum.accumulate(np.where(present, np.arange(len(poses)), -1))
    held = poses[np.where(index < 0, present.argmax(), index)]
    return held, [f"{name_frames(~present)}: nobody there, the pose before is held"]


def one_euro(poses: PoseSequence, strength: float, fps: float = SMOOTHING_FPS) -> PoseSequence:
    """Reduce jitter with a zero-lag One-Euro filter (Casiez et al., CHI 2012).

    A point at rest is averaged over about `strength` frames before and after, a moving point over
    fewer. The mean of a forward and a backward pass removes the lag. Units are 24ths of a second
    and body sizes. A point whose score is below its median has its weight reduced by the square of
    the ratio. Missing points stay missing, gaps are not averaged across, and no point moves further
    than jitter reaches.

    Args:
        strength: time in 24ths of a second; 0 = off. 2 halves the jitter of a person at rest in a
            video of 24 frames per second.
        fps: frames per second of the poses.
    """
    detected = poses.scores > 0
    if strength <= 0 or not detected.any():
        return poses
    pixels = poses.points * (poses.canvas[1], poses.canvas[0])
    size = _spread(pixels[:, skeleton.BODY_SLICE], poses.body_visible)
    median_score = np.nanmedian(
        np.where(detected, poses.scores, np.nan)[:, detected.any(0)], axis=0
    )
    trust = np.zeros_like(poses.scores)
    trust[:, detected.any(0)] = (
        np.minimum(poses.scores[:, detected.any(0)] / median_score, 1.0) ** 2
    )
    frames = fps / SMOOTHING_FPS  # in a 24th of a second
    forward = _one_euro(pixels / size, trust, strength * frames, _SPEED_FRAMES * frames)
    backward = _one_euro(
        pixels[::-1] / size, trust[::-1], strength * frames, _SPEED_FRAMES * frames
    )[::-1]
    smoothed = (forward + backward) / 2 * size / (poses.canvas[1], poses.canvas[0])
    return poses.with_points(_near(smoothed, poses, trust))


def _one_euro(
    values: np.ndarray, trust: np.ndarray, strength: float, speed_frames: float
) -> np.ndarray:
    """Forward pass of the filter over `values` (T, N, 2); restarts a point after NaN.

    x += a·(p - x) with a = w·r / (1 + r) and r = 1 / strength + c·|v|, where p is the input, w its
    `trust`, v the velocity averaged over `speed_frames`, at least what the last step has beyond
    jitter, and c `_SPEED_COEFFICIENT`.
    """
    filtered = np.empty_like(values)
    last, speed = np.full(values.shape[1:], np.nan), np.zeros(values.shape[1:])
    for t, current in enumerate(values):
        restart = np.isnan(last)
        delta = np.where(restart, 0.0, current - last)
        speed = np.where(
            restart, 0.0, speed + (delta - speed) * (trust[t] / max(speed_frames, 1.0))[:, None]
        )
        step = np.maximum(np.hypot(*speed.T), np.hypot(*delta.T) - _LARGEST_JITTER)
        rate = 1 / strength + _SPEED_COEFFICIENT * step
        gain = (trust[t] * rate / (1 + rate))[:, None]
        last = filtered[t] = np.where(restart, current, last + delta * gain)
    return filtered


def _spread(body: np.ndarray, visible: np.ndarray) -> float:
    """Median over the frames of the joints' RMS distance from their centroid; 1 if undefined."""
    frames = visible.sum(-1) >= 2
    if not frames.any():
        return 1.0
    joints = np.where(visible[frames][..., None], body[frames], np.nan)
    centred = joints - np.nanmean(joints, axis=1, keepdims=True)
    size = float(np.median(np.sqrt(np.nanmean((centred**2).sum(-1), axis=1))))
    return size if size > 0 else 1.0


def _interpolate(values: np.ndarray, left: np.ndarray, right: np.ndarray, weight: np.ndarray):
    """Interpolate values[left] … values[right] by `weight`; indices (T, N), one per point."""
    point = np.arange(values.shape[1])
    start, end = values[left, point], values[right, point]
    return start + (end - start) * weight


def _report(seen: np.ndarray, filled: np.ndarray, max_gap: int) -> list[str]:
    present = np.any(seen, axis=-1)
    lines = [
        f"{name_frames(_range_mask(run, len(seen)))}: no person found"
        f"{_describe_gap(run, len(seen), max_gap)}"
        for run in stretches(~present)
    ]
    ever = np.any(seen, axis=0)
    if ever[skeleton.BODY_SLICE].any() and not ever[skeleton.BODY_SLICE].all():
        never = [name for name, found in zip(skeleton.BODY, ever, strict=False) if not found]
        lines.append(f"never seen: {', '.join(never)}")
    # Points missing together with the whole person are covered by the lines above.
    lost = ~seen & present[:, None]
    lines += _by_part("filled by interpolation", lost & filled)
    lines += _by_part("not seen and left so", lost & ~filled & ever)
    return lines


def _describe_gap(run: tuple[int, int], frames: int, max_gap: int) -> str:
    length = run[1] - run[0] + 1
    if length == frames:
        return "; left empty"
    if run[0] == 0:
        return " before the first pose"
    if run[1] == frames - 1:
        return " after the last pose"
    if length > max_gap:
        return f" for {length} frames (limit {max_gap})"
    return "; filled by interpolation"


def _by_part(what: str, mask: np.ndarray) -> list[str]:
    """At most one line listing body joints and other parts with their frames in a (T, N) mask."""
    parts = {name: mask[:, i] for i, name in enumerate(skeleton.BODY)}
    parts |= {name: np.any(mask[:, points], axis=-1) for name, points in _OTHER_PARTS.items()}
    affected = [f"{name} ({numbers(frames)})" for name, frames in parts.items() if frames.any()]
    return [f"{what}: {', '.join(affected)}"] if affected else []


def _range_mask(run: tuple[int, int], frames: int) -> np.ndarray:
    mask = np.zeros(frames, dtype=bool)
    mask[run[0] : run[1] + 1] = True
    return mask
