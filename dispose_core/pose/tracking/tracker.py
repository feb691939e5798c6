"""Who is who from frame to frame: people listed in any order -> one sequence a person.

Each joint of a person is foreseen at its own speed, and the people of a frame are given to those
foreseen so that the sum of the distances is smallest. What tells two people apart who walk
through each other is their speed and where in their stride they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import skeleton
from ..sequence import PoseSequence

# Frames after which somebody who comes back is taken for another: two seconds at 24 fps.
MAX_MISSED_FRAMES = 48

# All distances are in sizes of the person: the diagonal of the box around the known joints.
# Who is found within the reach of where one is foreseen may be that one; each frame of absence
# widens it, since speed changes.
_GATE_RADIUS, _GATE_GROWTH, _MAX_GATE_RADIUS = 0.5, 0.02, 1.0
# Added for somebody who was absent, against one who was there in the frame before.
_COST_PER_ABSENCE, _HIGHEST_COST_OF_ABSENCE = 0.01, 0.1
# Above any cost: who can be paired is paired.
_UNPAIRED = 2.0
# A few joints can agree by chance: judged as if so many more were half a reach off.
_PRIOR_JOINTS = 2.0

# Shares of what differs from the foreseen that go to position and speed at the nth sighting:
# those of a line through all sightings, and from the fifth on fixed ones, so that old ones fade.
_POSITION_GAIN = np.array([1, 1, 5 / 6, 0.7, 0.6])
_SPEED_GAIN = np.array([0, 1, 1 / 2, 0.3, 0.15])
# Per frame: a joint that is not seen falls in with the body; a body that is not seen slows down.
_FALL_IN, _SLOW_DOWN = 0.5, 0.95


@dataclass
class _Tracks:
    """P people who may still be found, by K joints; pixels and pixels a frame."""

    ids: np.ndarray  # (P,)
    at: np.ndarray  # (P, K, 2), NaN for joints never seen
    speed: np.ndarray  # (P, K, 2)
    sightings: np.ndarray  # (P,)
    absent: np.ndarray  # (P,) frames since the last sighting


def track_people(people: Sequence[PoseSequence]) -> list[PoseSequence]:
    """Sort the people of a clip into one sequence for each person.

    Args:
        people: sequences of equal length whose slot i is anybody, as detectors list them.

    Returns:
        Everybody found in any frame, in exactly one sequence each, in the order of first
        appearance; one empty sequence where nobody was found. Who stays away for more than
        `MAX_MISSED_FRAMES` frames, or comes back far from where they were heading, is a new person.
    """
    points = np.stack([person.points for person in people], 1)  # (T, S, 128, 2)
    scores = np.stack([person.scores for person in people], 1)
    owner = _follow(joints_of(people))
    tracked = []
    for one in range(max(1, owner.max(initial=-1) + 1)):
        frames, slots = np.nonzero(owner == one)  # one slot a frame at most
        person = PoseSequence.empty(len(owner), people[0].canvas)
        person.points[frames], person.scores[frames] = points[frames, slots], scores[frames, slots]
        tracked.append(person)
    return tracked


def joints_of(people: Sequence[PoseSequence]) -> np.ndarray:
    """What a person is known by: the visible body points, the middles of both hands and the face.

    Of a body without any visible point the others are taken: unsure joints are better than none.

    Returns:
        (T, S, 21, 2) pixels, NaN where missing, all NaN where a slot is empty.
    """
    height, width = people[0].canvas
    points = np.stack([person.points for person in people], 1) * (width, height)
    scores = np.stack([person.scores for person in people], 1)
    sure = scores[..., skeleton.BODY_SLICE] > skeleton.VISIBLE
    sure |= ~sure.any(-1, keepdims=True)
    middles = []
    for part in (skeleton.LEFT_HAND_SLICE, skeleton.RIGHT_HAND_SLICE, skeleton.FACE_SLICE):
        seen = (scores[..., part] > 0)[..., None]
        total = np.where(seen, points[..., part, :], 0.0).sum(-2)
        count = seen.sum(-2)
        middles.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    body = np.where(sure[..., None], points[..., skeleton.BODY_SLICE, :], np.nan)
    return np.concatenate([body, np.stack(middles, -2)], -2)


def _follow(found: np.ndarray) -> np.ndarray:
    """(T, S) number of the person in each slot of each frame, -1 where the slot is empty.

    Args:
        found: (T, S, K, 2) pixels, see `joints_of`.
    """
    owner = np.full(found.shape[:2], -1)
    nobody = np.zeros(0, dtype=int)
    nowhere = np.zeros((0, *found.shape[2:]))
    tracks = _Tracks(nobody, nowhere, nowhere, nobody, nobody)
    known = 0
    for frame, owners in zip(found, owner, strict=True):
        slots = np.flatnonzero(np.isfinite(frame).any((-1, -2)))
        tracks.at = tracks.at + tracks.speed
        rows, columns = _match(tracks, frame[slots])
        _correct(tracks, rows, frame[slots[columns]])
        owners[slots[columns]] = tracks.ids[rows]
        new = slots[owners[slots] < 0]
        owners[new] = np.arange(known, known + len(new))
        known += len(new)
        tracks = _joined(tracks, owners[new], frame[new])
    return owner


def _match(tracks: _Tracks, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `tracks` and those of `seen` (D, K, 2) that belong together."""
    cost = _distances(tracks.at, seen)
    gate = np.minimum(_GATE_RADIUS + _GATE_GROWTH * tracks.absent, _MAX_GATE_RADIUS)[:, None]
    handicap = np.minimum(_COST_PER_ABSENCE * tracks.absent, _HIGHEST_COST_OF_ABSENCE)[:, None]
    near = cost < gate
    from scipy.optimize import linear_sum_assignment  # a tenth of a second to import

    rows, columns = linear_sum_assignment(np.where(near, cost + handicap - _UNPAIRED, 0.0))
    paired = near[rows, columns]
    return rows[paired], columns[paired]


def _distances(foreseen: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(P, D) mean distance of the joints that both have, in sizes; infinite where there is none.

    Args:
        foreseen: (P, K, 2) pixels, NaN for joints that are not known.
        seen: (D, K, 2) likewise.
    """
    off = foreseen[:, None] - seen[None]
    distance = np.sqrt((off * off).sum(-1))  # (P, D, K)
    size = np.maximum(_sizes(foreseen)[:, None], _sizes(seen)[None])
    both = np.isfinite(distance)
    count = both.sum(-1)
    total = np.where(both, distance, 0.0).sum(-1) / size
    mean = (total + _PRIOR_JOINTS * _GATE_RADIUS / 2) / (count + _PRIOR_JOINTS)
    return np.where(count > 0, mean, np.inf)


def _sizes(joints: np.ndarray) -> np.ndarray:
    """(P,) pixels, at least one: a lone joint has no size."""
    there = np.isfinite(joints)
    low = np.where(there, joints, np.inf).min(1)
    high = np.where(there, joints, -np.inf).max(1)
    return np.maximum(np.hypot(*(high - low).T), 1.0)


def _correct(tracks: _Tracks, rows: np.ndarray, seen: np.ndarray) -> None:
    """Takes in what was seen of those in `rows`; the others are absent."""
    nth = np.minimum(tracks.sightings[rows], len(_SPEED_GAIN) - 1)
    off = seen - tracks.at[rows]  # NaN where not seen now or never before
    compared = np.isfinite(off)
    off = np.where(compared, off, 0.0)
    at = tracks.at[rows] + off * _POSITION_GAIN[nth][:, None, None]
    speed = tracks.speed[rows] + off * _SPEED_GAIN[nth][:, None, None]
    body = np.where(compared, speed, 0.0).sum(1, keepdims=True) / compared.sum(1, keepdims=True)
    tracks.at[rows] = np.where(np.isnan(at), seen, at)
    tracks.speed[rows] = np.where(compared, speed, speed + (body - speed) * _FALL_IN)
    tracks.sightings[rows] += 1

    tracks.absent += 1
    tracks.absent[rows] = 0
    away = tracks.absent > 0
    tracks.speed[away] = tracks.speed[away].mean(1, keepdims=True) * _SLOW_DOWN


def _joined(tracks: _Tracks, ids: np.ndarray, seen: np.ndarray) -> _Tracks:
    """With those seen for the first time, without those gone for good."""
    stay = tracks.absent <= MAX_MISSED_FRAMES
    first = np.ones(len(ids), dtype=int)
    return _Tracks(
        np.concatenate([tracks.ids[stay], ids]),
        np.concatenate([tracks.at[stay], seen]),
        np.concatenate([tracks.speed[stay], np.zeros_like(seen)]),
        np.concatenate([tracks.sightings[stay], first]),
        np.concatenate([tracks.absent[stay], first - 1]),
    )
