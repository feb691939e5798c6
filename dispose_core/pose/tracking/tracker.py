"""Multi-person tracking: people listed in any order per frame -> one sequence per person.

Detections are assigned to predictions frame by frame (`matching.py`, `tracks.py`). Where two
assignments are about equally good, as where people cross, both are followed for some frames, and
the one that explains these frames best is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .. import skeleton
from ..sequence import PoseSequence
from .matching import pairings, worth_of_pairs
from .tracks import MAX_MISSED_FRAMES, Detections, Tracks

# How many histories are followed at once, how many frames later it is decided between them, and
# how much less a history may be worth than the best (`matching.worth_of_pairs`).
_MOST_HISTORIES, _DECIDED_AFTER, _MARGIN = 4, 6, 0.3


@dataclass
class _History:
    """One way to explain all frames so far.

    Attributes:
        worth: sum over all pairs made.
        tracks: as they are if this is what happened.
        count: tracks ever begun.
        undecided: frame, its slots, and the track number of each, where histories may differ.
    """

    worth: float
    tracks: Tracks
    count: int = 0
    undecided: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)

    def copy(self) -> _History:
        return _History(self.worth, self.tracks.copy(), self.count, list(self.undecided))


def track_people(people: Sequence[PoseSequence]) -> list[PoseSequence]:
    """Sort the people of a video into one sequence per person.

    Args:
        people: sequences of equal length in which a slot may change its person between frames.

    Returns:
        One sequence per detected person, in order of first appearance; one empty sequence if nobody
        is detected. A person absent for more than `MAX_MISSED_FRAMES` frames, or who reappears far
        from the predicted position, starts a new sequence.
    """
    owner = follow(joints_of(people))
    tracked = []
    for track in range(max(1, owner.max(initial=-1) + 1)):
        person = PoseSequence.empty(len(owner), people[0].canvas)
        for slot, mine in zip(people, (owner == track).T, strict=True):
            person.points[mine], person.scores[mine] = slot.points[mine], slot.scores[mine]
        tracked.append(person)
    return tracked


def joints_of(people: Sequence[PoseSequence]) -> np.ndarray:
    """Points used for tracking: visible body points and the centroids of both hands and the face.

    If no body point is visible, those with lower scores are used.

    Returns:
        (T, S, 21, 2) pixels, NaN where missing, all NaN where a slot is empty.
    """
    height, width = people[0].canvas
    points = np.stack([person.points for person in people], 1) * (width, height)
    scores = np.stack([person.scores for person in people], 1)
    reliable = scores[..., skeleton.BODY_SLICE] > skeleton.VISIBLE
    reliable |= ~reliable.any(-1, keepdims=True)
    centroids = []
    for part in (skeleton.LEFT_HAND_SLICE, skeleton.RIGHT_HAND_SLICE, skeleton.FACE_SLICE):
        detected = (scores[..., part] > 0)[..., None]
        total = np.where(detected, points[..., part, :], 0.0).sum(-2)
        count = detected.sum(-2)
        centroids.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    body = np.where(reliable[..., None], points[..., skeleton.BODY_SLICE, :], np.nan)
    return np.concatenate([body, np.stack(centroids, -2)], -2)


def follow(joints: np.ndarray) -> np.ndarray:
    """(T, S) track number of each slot in each frame, -1 where the slot is empty.

    Args:
        joints: (T, S, K, 2) pixels, see `joints_of`.
    """
    everything = Detections.of(joints)
    occupied = np.isfinite(joints).all(-1).any(-1)
    owner = np.full(joints.shape[:2], -1)
    nobody = Detections.of(np.zeros((0, *joints.shape[2:])))
    histories = [_History(0.0, Tracks.begin(np.zeros(0, dtype=int), nobody))]
    for t in range(len(owner)):
        slots = np.flatnonzero(occupied[t])
        histories = _continue(histories, everything[t, slots], (t, slots))
        histories = _decide(histories, owner)
    _write(histories[0].undecided, owner)
    return owner


def _continue(
    histories: list[_History], frame: Detections, where: tuple[int, np.ndarray]
) -> list[_History]:
    """The best continuations of all histories by one frame, best first.

    Args:
        where: number of the frame, and the slots of its detections.
    """
    continuations = []
    for history in histories:
        history.tracks.predict()
        worth = worth_of_pairs(history.tracks, frame)
        for gain, rows, columns in pairings(worth, _MARGIN, _MOST_HISTORIES):
            continuations.append((history.worth + gain, history, rows, columns))
    continuations.sort(key=lambda continuation: -continuation[0])
    best = continuations[0][0]
    kept = [c for c in continuations[:_MOST_HISTORIES] if best - c[0] < _MARGIN]
    continued: list[_History] = []
    for i, (total, history, rows, columns) in enumerate(kept):
        shared = any(other is history for _, other, *_ in kept[i + 1 :])
        own = history.copy() if shared else history
        own.worth = total
        _advance(own, frame, rows, columns, where)
        continued.append(own)
    return continued


def _advance(
    history: _History,
    frame: Detections,
    rows: np.ndarray,
    columns: np.ndarray,
    where: tuple[int, np.ndarray],
) -> None:
    """Give detections in `columns` to the tracks in `rows`, and begin tracks with the others."""
    tracks = history.tracks
    tracks.correct(rows, frame[columns])
    ids = np.full(len(frame), -1)
    ids[columns] = tracks.ids[rows]
    new = np.flatnonzero(ids < 0)
    if len(new) or (tracks.absent > MAX_MISSED_FRAMES).any():
        ids[new] = np.arange(history.count, history.count + len(new))
        history.count += len(new)
        history.tracks = tracks.renewed(Tracks.begin(ids[new], frame[new]))
    history.undecided.append((*where, ids))


def _decide(histories: list[_History], owner: np.ndarray) -> list[_History]:
    """Drop histories that differ from the best `_DECIDED_AFTER` frames ago, and note what is sure.

    Args:
        histories: best first.
        owner: (T, S) track numbers, written where all histories agree.
    """
    best = histories[0]
    if len(histories) > 1 and len(best.undecided) > _DECIDED_AFTER:
        decided = best.undecided[0][2]
        histories = [h for h in histories if np.array_equal(h.undecided[0][2], decided)]
        _write(best.undecided[:1], owner)
        for history in histories:
            del history.undecided[0]
    if len(histories) == 1:
        _write(best.undecided, owner)
        best.undecided.clear()
    return histories


def _write(decided: list[tuple[int, np.ndarray, np.ndarray]], owner: np.ndarray) -> None:
    for frame, slots, ids in decided:
        owner[frame, slots] = ids
