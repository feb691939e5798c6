"""Whether the person listed first is the same person in all frames.

Detectors list people in any order, and most of what follows uses the first one. Poses that come
from Choose Person keep their order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..frame_ranges import name_frames
from ..sequence import PoseSequence
from .tracker import follow, joints_of


def order_report(people: Sequence[PoseSequence], name: str) -> list[str]:
    """A line with the frames in which another person becomes the first, if there are any."""
    changes = order_changes(people)
    if not changes.any():
        return []
    return [
        f"{name}: people change their order in {name_frames(changes)}, so the first one listed is "
        "not one person. Put Choose Person before this node, set to largest, nearest or tracked."
    ]


def order_changes(people: Sequence[PoseSequence]) -> np.ndarray:
    """(T,) bool: frames in which the first sequence goes over to another person.

    People are tracked only where a quick look finds that this is possible.
    """
    changes = np.zeros(len(people[0]), dtype=bool)
    if len(people) < 2 or len(changes) < 2:
        return changes
    joints = joints_of(people)
    if not _somebody_is_nearer(joints).any():
        return changes
    owner = follow(joints)
    frames = np.flatnonzero(owner[:, 0] >= 0)
    old, new = owner[frames[:-1], 0], owner[frames[1:], 0]
    # At a cut the first person is a new one too; there nobody else is listed instead.
    first_elsewhere, last_elsewhere = _frames_elsewhere(owner)
    known = (first_elsewhere[new] < frames[1:]) | (last_elsewhere[old] >= frames[1:])
    changes[frames[1:]] = (old != new) & known
    return changes


def _frames_elsewhere(owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last frame in which each track is listed, but not first.

    Args:
        owner: (T, S) track numbers, see `tracker.follow`.
    """
    first = np.full(owner.max() + 1, len(owner))
    last = np.full(owner.max() + 1, -1)
    frames, slots = np.nonzero(owner[:, 1:] >= 0)
    tracks = owner[frames, slots + 1]
    np.minimum.at(first, tracks, frames)
    np.maximum.at(last, tracks, frames)
    return first, last


def _somebody_is_nearer(joints: np.ndarray) -> np.ndarray:
    """(T-1,) bool: the first person was nearer to where another is listed in the next frame.

    True also where another was nearer to where the first is listed next. Somebody missing is taken
    to be where they were last.

    Args:
        joints: (T, S, K, 2) pixels, see `tracker.joints_of`.
    """
    centres = _last_known(_centres(joints))  # (T, S, 2)
    before, after = centres[:-1], centres[1:]
    jump = np.linalg.norm(after[:, 0] - before[:, 0], axis=-1)[:, None]
    to_others = np.linalg.norm(after[:, 1:] - before[:, :1], axis=-1)
    from_others = np.linalg.norm(after[:, :1] - before[:, 1:], axis=-1)
    return ((to_others < jump) | (from_others < jump)).any(1)


def _centres(joints: np.ndarray) -> np.ndarray:
    """(T, S, 2) means of the known joints, NaN where there are none."""
    known = np.isfinite(joints)
    return np.where(known, joints, 0.0).sum(-2) / np.where(known.any(-2), known.sum(-2), np.nan)


def _last_known(values: np.ndarray) -> np.ndarray:
    """Fill NaN along the first axis with the last value before it."""
    known = np.isfinite(values).all(-1)
    frames = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(known, frames, 0))
    return np.take_along_axis(values, last[..., None], 0)
