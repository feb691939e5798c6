"""Multi-person tracking: people listed in any order per frame -> one sequence per person.

Each joint is predicted at constant velocity, and detections are assigned to predictions by
minimum total distance (linear assignment). Velocity and gait phase tell apart people who cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import skeleton
from ..sequence import PoseSequence

# A person who reappears after more frames is a new track; two seconds at 24 fps.
MAX_MISSED_FRAMES = 48

# Distances are in units of the person's size, the diagonal of the box around the known joints.
# The gating radius around a prediction grows with each missed frame, since velocity changes.
_GATE_RADIUS, _GATE_GROWTH, _MAX_GATE_RADIUS = 0.5, 0.02, 1.0
# Cost added per missed frame, so that recently seen tracks are preferred.
_COST_PER_ABSENCE, _HIGHEST_COST_OF_ABSENCE = 0.01, 0.1
# Larger than any cost, so that the assignment pairs as many as possible.
_UNPAIRED = 2.0
# Prior against chance agreement of few joints: this many extra joints at half the gating radius.
_PRIOR_JOINTS = 2.0

# Alpha-beta filter gains for position and velocity at the nth detection: those of a straight
# line fitted to all detections, then fixed from the fifth on, so that old detections fade.
_POSITION_GAIN = np.array([1, 1, 5 / 6, 0.7, 0.6])
_SPEED_GAIN = np.array([0, 1, 1 / 2, 0.3, 0.15])
# Per frame: a missing joint adopts the body's velocity; a missing body slows down.
_FALL_IN, _SLOW_DOWN = 0.5, 0.95


@dataclass
class _Tracks:
    """State of P active tracks with K joints each, in pixels and pixels per frame."""

    ids: np.ndarray  # (P,)
    positions: np.ndarray  # (P, K, 2), NaN for joints never detected
    speed: np.ndarray  # (P, K, 2)
    num_detections: np.ndarray  # (P,)
    absent: np.ndarray  # (P,) frames since the last detection


def track_people(people: Sequence[PoseSequence]) -> list[PoseSequence]:
    """Sort the people of a video into one sequence per person.

    Args:
        people: sequences of equal length in which a slot may change its person between frames.

    Returns:
        One sequence per detected person, in order of first appearance; one empty sequence if nobody
        is detected. A person absent for more than `MAX_MISSED_FRAMES` frames, or who reappears far
        from the predicted position, starts a new sequence.
    """
    points = np.stack([person.points for person in people], 1)  # (T, S, 134, 2)
    scores = np.stack([person.scores for person in people], 1)
    owner = _follow(joints_of(people))
    tracked = []
    for track in range(max(1, owner.max(initial=-1) + 1)):
        frames, slots = np.nonzero(owner == track)  # at most one slot per frame
        person = PoseSequence.empty(len(owner), people[0].canvas)
        person.points[frames], person.scores[frames] = points[frames, slots], scores[frames, slots]
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


def _follow(detections: np.ndarray) -> np.ndarray:
    """(T, S) track number of each slot in each frame, -1 where the slot is empty.

    Args:
        detections: (T, S, K, 2) pixels, see `joints_of`.
    """
    owner = np.full(detections.shape[:2], -1)
    nobody = np.zeros(0, dtype=int)
    nowhere = np.zeros((0, *detections.shape[2:]))
    tracks = _Tracks(nobody, nowhere, nowhere, nobody, nobody)
    known = 0
    for frame, owners in zip(detections, owner, strict=True):
        slots = np.flatnonzero(np.isfinite(frame).any((-1, -2)))
        tracks.positions = tracks.positions + tracks.speed
        rows, columns = _match(tracks, frame[slots])
        _correct(tracks, rows, frame[slots[columns]])
        owners[slots[columns]] = tracks.ids[rows]
        new = slots[owners[slots] < 0]
        owners[new] = np.arange(known, known + len(new))
        known += len(new)
        tracks = _update_tracks(tracks, owners[new], frame[new])
    return owner


def _match(tracks: _Tracks, detections: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Assign detections (D, K, 2) to tracks; returns matching rows of `tracks` and `detections`."""
    cost = _distances(tracks.positions, detections)
    gate = np.minimum(_GATE_RADIUS + _GATE_GROWTH * tracks.absent, _MAX_GATE_RADIUS)[:, None]
    handicap = np.minimum(_COST_PER_ABSENCE * tracks.absent, _HIGHEST_COST_OF_ABSENCE)[:, None]
    gated = cost < gate
    from scipy.optimize import linear_sum_assignment  # a tenth of a second to import

    rows, columns = linear_sum_assignment(np.where(gated, cost + handicap - _UNPAIRED, 0.0))
    paired = gated[rows, columns]
    return rows[paired], columns[paired]


def _distances(predicted: np.ndarray, detections: np.ndarray) -> np.ndarray:
    """(P, D) mean distance of the shared joints in person sizes; inf where none is shared.

    Args:
        predicted: (P, K, 2) pixels, NaN for unknown joints.
        detections: (D, K, 2) likewise.
    """
    offset = predicted[:, None] - detections[None]
    distance = np.sqrt((offset * offset).sum(-1))  # (P, D, K)
    size = np.maximum(_sizes(predicted)[:, None], _sizes(detections)[None])
    both = np.isfinite(distance)
    count = both.sum(-1)
    total = np.where(both, distance, 0.0).sum(-1) / size
    mean = (total + _PRIOR_JOINTS * _GATE_RADIUS / 2) / (count + _PRIOR_JOINTS)
    return np.where(count > 0, mean, np.inf)


def _sizes(joints: np.ndarray) -> np.ndarray:
    """(P,) box diagonals in pixels, at least one, since a single joint has no extent."""
    known = np.isfinite(joints)
    low = np.where(known, joints, np.inf).min(1)
    high = np.where(known, joints, -np.inf).max(1)
    return np.maximum(np.hypot(*(high - low).T), 1.0)


def _correct(tracks: _Tracks, rows: np.ndarray, detections: np.ndarray) -> None:
    """Update the tracks in `rows` with their detections; all other tracks count as absent."""
    nth = np.minimum(tracks.num_detections[rows], len(_SPEED_GAIN) - 1)
    residual = detections - tracks.positions[rows]  # NaN unless detected now and before
    compared = np.isfinite(residual)
    residual = np.where(compared, residual, 0.0)
    positions = tracks.positions[rows] + residual * _POSITION_GAIN[nth][:, None, None]
    speed = tracks.speed[rows] + residual * _SPEED_GAIN[nth][:, None, None]
    body = np.where(compared, speed, 0.0).sum(1, keepdims=True) / compared.sum(1, keepdims=True)
    tracks.positions[rows] = np.where(np.isnan(positions), detections, positions)
    tracks.speed[rows] = np.where(compared, speed, speed + (body - speed) * _FALL_IN)
    tracks.num_detections[rows] += 1

    tracks.absent += 1
    tracks.absent[rows] = 0
    missed = tracks.absent > 0
    tracks.speed[missed] = tracks.speed[missed].mean(1, keepdims=True) * _SLOW_DOWN


def _update_tracks(tracks: _Tracks, ids: np.ndarray, detections: np.ndarray) -> _Tracks:
    """Add tracks for new detections and drop those that have been absent too long."""
    stay = tracks.absent <= MAX_MISSED_FRAMES
    first = np.ones(len(ids), dtype=int)
    return _Tracks(
        np.concatenate([tracks.ids[stay], ids]),
        np.concatenate([tracks.positions[stay], detections]),
        np.concatenate([tracks.speed[stay], np.zeros_like(detections)]),
        np.concatenate([tracks.num_detections[stay], first]),
        np.concatenate([tracks.absent[stay], first - 1]),
    )
