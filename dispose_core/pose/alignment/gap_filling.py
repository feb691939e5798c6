"""Repairs of a pose sequence in time: gaps filled by interpolation, tremble smoothed away.

All look at every point alone, forwards and backwards, and invent nothing outside of what was
seen: no extrapolation, no filling across a long absence. `smooth` is light and goes with a
detector; `one_euro` is as strong as asked for and knows how sure each point is.
"""

from __future__ import annotations

import numpy as np

from .. import skeleton
from ..frame_ranges import name_frames, numbers, stretches
from ..sequence import PoseSequence

# Centred quadratic least squares over 5 frames (Savitzky–Golay): it follows a swing without lag,
# unlike the backward filters that detectors come with, and wider windows flatten fast hands.
_SMOOTHING = np.array([-3, 12, 17, 12, -3]) / 35

# One-Euro filter. How much faster a point is followed as it moves: the share of the distance that
# is taken up in a frame rises by this for every body size (spread of the joints) that it moves in
# a frame. The speed itself is averaged over so many frames.
_EAGERNESS = 12.0
_SPEED_FRAMES = 3.0

_HANDS_AND_FACE = {
    "left hand": skeleton.LEFT_HAND_SLICE,
    "right hand": skeleton.RIGHT_HAND_SLICE,
    "face": skeleton.FACE_SLICE,
}


def fill_gaps(poses: PoseSequence, max_gap: int) -> tuple[PoseSequence, list[str]]:
    """Fill what is missing between two frames in which it was seen, along a straight line.

    A hand or face point is missing at score 0. A body point is missing up to a score of
    `skeleton.VISIBLE`, since every later stage treats it as not seen
    (docs/reference_behaviour.md#pose-output): a low-score
    point that is not filled keeps its coordinates. Filled scores run from one neighbour's to the
    other's, so never above the better one. What precedes the first or follows the last
    sighting stays as it is.

    Args:
        poses: (T) frames of one person.
        max_gap: frames; a longer gap stays missing. 0 fills nothing.

    Returns:
        The filled poses, and the report: which frames and joints were filled or left.
    """
    seen = _seen(poses)
    frames = len(poses)
    index = np.arange(frames)[:, None]  # (T, 1) against (T, N)
    before = np.maximum.accumulate(np.where(seen, index, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, index, frames)[::-1], axis=0)[::-1]
    length = after - before - 1
    filled = ~seen & (before >= 0) & (after < frames) & (length <= max_gap)

    left, right = np.where(filled, before, 0), np.where(filled, after, 0)
    weight = (index - before) / (after - before + seen)  # a seen frame is both ends: avoid 0 / 0
    points = _between(poses.points, left, right, weight[..., None])
    scores = _between(poses.scores, left, right, weight)
    repaired = poses.with_points(
        np.where(filled[..., None], points, poses.points), np.where(filled, scores, poses.scores)
    )
    return repaired, _report(seen, filled, max_gap)


def smooth(poses: PoseSequence) -> PoseSequence:
    """Take the frame-to-frame tremble off a clip without lagging behind it.

    Every point moves to the parabola fitted to the 5 frames around it, if it was found in all of
    them; otherwise, as at the ends of the clip, it stays. So do scores and missing points.
    """
    reach = len(_SMOOTHING) // 2
    if len(poses) < len(_SMOOTHING):
        return poses
    windows = np.lib.stride_tricks.sliding_window_view(poses.points, len(_SMOOTHING), axis=0)
    # (T - 4, N, 2), NaN where the point is missing in one frame of the window
    fitted = (windows * _SMOOTHING).sum(-1)
    points = poses.points.copy()
    inner = points[reach : len(poses) - reach]
    inner[...] = np.where(np.isfinite(fitted), fitted, inner)
    return poses.with_points(points)


def one_euro(poses: PoseSequence, strength: float) -> PoseSequence:
    """Steady what trembles: the One-Euro filter (Casiez et al., CHI 2012), without its lag.

    A point at rest is averaged over about `strength` frames before and after; the faster it
    moves, the fewer. The filter runs forwards and backwards and the mean is taken, so nothing
    lags behind. Its units are frames and body sizes: no frame rate is needed. A point found with
    less than its usual score counts less, by the square of the ratio, and is held by its
    neighbours in time. Missing points and scores stay; nothing is averaged across a gap.

    Args:
        poses: (T) frames of one person.
        strength: frames, about; 0 changes nothing. 2 halves the tremble of a person at rest.
    """
    sure = poses.scores > 0
    if strength <= 0 or not sure.any():
        return poses
    pixels = poses.points * (poses.canvas[1], poses.canvas[0])
    size = _spread(pixels[:, skeleton.BODY_SLICE], poses.body_visible)
    usual = np.nanmedian(np.where(sure, poses.scores, np.nan)[:, sure.any(0)], axis=0)
    trust = np.zeros_like(poses.scores)
    trust[:, sure.any(0)] = np.minimum(poses.scores[:, sure.any(0)] / usual, 1.0) ** 2
    forward = _one_euro(pixels / size, trust, strength)
    backward = _one_euro(pixels[::-1] / size, trust[::-1], strength)[::-1]
    steady = (forward + backward) / 2 * size / (poses.canvas[1], poses.canvas[0])
    return poses.with_points(steady)


def _one_euro(values: np.ndarray, trust: np.ndarray, strength: float) -> np.ndarray:
    """`values` (T, N, 2), filtered from the first frame on; NaN starts a point anew."""
    filtered = np.empty_like(values)
    last, speed = np.full(values.shape[1:], np.nan), np.zeros(values.shape[1:])
    for t, found in enumerate(values):
        new = np.isnan(last)
        way = np.where(new, 0.0, found - last)
        speed = np.where(new, 0.0, speed + (way - speed) * (trust[t] / _SPEED_FRAMES)[:, None])
        rate = 1 / strength + _EAGERNESS * np.hypot(*speed.T)
        share = (trust[t] * rate / (1 + rate))[:, None]
        last = filtered[t] = np.where(new, found, last + way * share)
    return filtered


def _spread(body: np.ndarray, visible: np.ndarray) -> float:
    """Median over the frames of the joints' distance from their middle; 1 where there is none."""
    frames = visible.sum(-1) >= 2
    if not frames.any():
        return 1.0
    joints = np.where(visible[frames][..., None], body[frames], np.nan)
    around = joints - np.nanmean(joints, axis=1, keepdims=True)
    size = float(np.median(np.sqrt(np.nanmean((around**2).sum(-1), axis=1))))
    return size if size > 0 else 1.0


def _seen(poses: PoseSequence) -> np.ndarray:
    """(T, N) bool: points that count as found, see `fill_gaps`."""
    seen = poses.scores > 0
    seen[:, skeleton.BODY_SLICE] = poses.body_visible
    return seen


def _between(values: np.ndarray, left: np.ndarray, right: np.ndarray, weight: np.ndarray):
    """values[left] … values[right] at `weight`, per point; `left` and `right` are (T, N)."""
    point = np.arange(values.shape[1])
    start, end = values[left, point], values[right, point]
    return start + (end - start) * weight


def _report(seen: np.ndarray, filled: np.ndarray, max_gap: int) -> list[str]:
    present = seen.any(-1)
    lines = [
        f"{name_frames(_only(run, len(seen)))}: no person found{_outcome(run, len(seen), max_gap)}"
        for run in stretches(~present)
    ]
    ever = seen.any(0)
    if ever[skeleton.BODY_SLICE].any() and not ever[skeleton.BODY_SLICE].all():
        never = [name for name, found in zip(skeleton.BODY, ever, strict=False) if not found]
        lines.append(f"never seen: {', '.join(never)}")
    # What was lost together with the whole person is told above.
    lost = ~seen & present[:, None]
    lines += _by_part("filled by interpolation", lost & filled)
    lines += _by_part("not seen and left so", lost & ~filled & ever)
    return lines


def _outcome(run: tuple[int, int], frames: int, max_gap: int) -> str:
    length = run[1] - run[0] + 1
    if length == frames:
        return "; left empty"
    if run[0] == 0:
        return " before the first pose; left empty"
    if run[1] == frames - 1:
        return " after the last pose; left empty"
    if length > max_gap:
        return f" for {length} frames (limit {max_gap}); left empty"
    return "; filled by interpolation"


def _by_part(what: str, mask: np.ndarray) -> list[str]:
    """One line that lists body joints, hands and face with their frames in a (T, N) mask."""
    parts = {name: mask[:, i] for i, name in enumerate(skeleton.BODY)}
    parts |= {name: mask[:, points].any(-1) for name, points in _HANDS_AND_FACE.items()}
    found = [f"{name} ({numbers(frames)})" for name, frames in parts.items() if frames.any()]
    return [f"{what}: {', '.join(found)}"] if found else []


def _only(run: tuple[int, int], frames: int) -> np.ndarray:
    mask = np.zeros(frames, dtype=bool)
    mask[run[0] : run[1] + 1] = True
    return mask
