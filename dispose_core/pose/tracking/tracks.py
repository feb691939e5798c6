"""What is known of every person followed: where the joints are, how they move, how the body looks.

Positions follow an alpha-beta filter, in which the body as a whole is trusted more than a single
joint. Three slow averages describe the person beyond position and speed: how well each joint can
be foretold, how often it is found, and the size of the body.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from .appearance import box_diagonals, statures

# A person who reappears after more frames is a new track; two seconds at 24 fps.
MAX_MISSED_FRAMES = 48

# Filter gains at the nth correction: of a line fitted to all detections so far, then fixed, so
# that old detections fade. Columns: of a joint's offset, and in addition of the body's mean offset,
# for the position; then the same for the speed. The mean is known better than one joint, and bodies
# speed up and slow down as a whole.
_GAINS = np.array(
    [[1, 0, 1, 0], [5 / 6, 0.07, 0.5, 0.1], [0.7, 0.2, 0.3, 0.3], [0.6, 0.3, 0.1, 0.5]]
)
# The mean offset of few joints is doubtful: it counts as if so many more joints had none.
_DOUBT = 0.5
# Per frame: a missing joint adopts the body's velocity; a missing body slows down.
_FALL_IN, _SLOW_DOWN = 0.5, 0.95
# Offsets of single joints beyond this many body sizes are cut.
_LONGEST_LEAP = 0.5
# Per detection, of the slow averages.
_LEARN_ERROR, _LEARN_SEEN, _SHRINK = 0.2, 0.2, 0.1
# In body sizes: error expected of a new track, and the smallest error that makes a difference.
_FIRST_ERROR, _LEAST_ERROR = 0.04, 0.01


@dataclass(frozen=True)
class Detections:
    """What is found in one frame: D bodies of K joints.

    Attributes:
        points: (D, K, 2) pixels, 0 where a joint is missing.
        found: (D, K) 1.0 for joints found, otherwise 0.0.
        sizes: (D,) pixels, diagonals of the boxes around the joints.
        statures: (D,) see `appearance.statures`; NaN where unknown.
    """

    points: np.ndarray
    found: np.ndarray
    sizes: np.ndarray
    statures: np.ndarray

    @classmethod
    def of(cls, joints: np.ndarray) -> Detections:
        """Measure joints (..., K, 2) in pixels, NaN where missing."""
        found = np.isfinite(joints).all(-1)
        points = np.where(found[..., None], joints, 0.0)
        return cls(points, found.astype(np.float64), box_diagonals(joints), statures(joints))

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, which) -> Detections:
        parts = (self.points, self.found, self.sizes, self.statures)
        return Detections(*(part[which] for part in parts))


@dataclass
class Tracks:
    """State of P active tracks with K joints each, in pixels and pixels per frame."""

    ids: np.ndarray  # (P,)
    points: np.ndarray  # (P, K, 2), 0 for joints never found
    speed: np.ndarray  # (P, K, 2)
    known: np.ndarray  # (P, K) 1.0 for joints ever found
    seen: np.ndarray  # (P, K) how often each joint is found lately, 0 to 1
    error: np.ndarray  # (P, K) how far predictions are off lately
    weights: np.ndarray  # (P, K) of joints in comparisons, see `_weights`
    sizes: np.ndarray  # (P,) box diagonals; they grow at once and shrink slowly
    statures: np.ndarray  # (P,) slow average, see `appearance.statures`; NaN where unknown
    corrections: np.ndarray  # (P,) detections after the first
    absent: np.ndarray  # (P,) frames since the last detection

    @classmethod
    def begin(cls, ids: np.ndarray, detections: Detections) -> Tracks:
        """One track for each detection."""
        none = np.zeros(len(ids), dtype=int)
        error = np.ones_like(detections.found) * _FIRST_ERROR * detections.sizes[:, None]
        return cls(
            ids,
            detections.points,
            np.zeros_like(detections.points),
            detections.found,
            detections.found,
            error,
            _weights(error, detections.sizes, detections.found),
            detections.sizes,
            detections.statures,
            none,
            none,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def copy(self) -> Tracks:
        return Tracks(*(getattr(self, name).copy() for name in _FIELDS))

    def renewed(self, added: Tracks) -> Tracks:
        """Add tracks, and drop those that have been absent too long."""
        stay = self.absent <= MAX_MISSED_FRAMES
        return Tracks(
            *(np.concatenate([getattr(self, f)[stay], getattr(added, f)]) for f in _FIELDS)
        )

    def predict(self) -> None:
        """Advance all positions by one frame."""
        self.points = self.points + self.speed

    def correct(self, rows: np.ndarray, detections: Detections) -> None:
        """Update the tracks in `rows` with one detection each; all other tracks count as absent."""
        self.absent += 1
        self.absent[rows] = 0
        missed = np.flatnonzero(self.absent)
        if len(missed):
            self.speed[missed] = self.speed[missed].mean(1, keepdims=True) * _SLOW_DOWN
        if len(missed) == len(self):
            return
        found, points = np.zeros_like(self.known), self.points.copy()
        found[rows], points[rows] = detections.found, detections.points
        compared = found * self.known
        offset = (points - self.points) * compared[..., None]
        distance = np.sqrt(np.einsum("pkc,pkc->pk", offset, offset))
        self._move(offset, distance, compared)

        present = np.zeros((len(self), 1))
        present[rows] = 1.0
        total = np.einsum("pkc,pk->pc", self.speed, compared)
        body = total / np.maximum(compared.sum(1), 1.0)[:, None]
        unseen = _FALL_IN * (present - compared)
        self.speed += (body[:, None] - self.speed) * unseen[..., None]
        fresh = found - compared
        self.points += (points - self.points) * fresh[..., None]
        self.known = self.known + fresh
        self.error += (distance - self.error) * (_LEARN_ERROR * compared)
        self.seen = self.seen + (found - self.seen) * (_LEARN_SEEN * present)

        size, stature = self.sizes[rows], self.statures[rows]
        self.sizes[rows] = np.maximum(detections.sizes, size + _SHRINK * (detections.sizes - size))
        change = stature + _SHRINK * (detections.statures - stature)
        only = np.fmax(stature, detections.statures)
        self.statures[rows] = np.where(np.isnan(change), only, change)
        self.weights = _weights(self.error, self.sizes, self.known)
        self.corrections[rows] += 1

    def _move(self, offset: np.ndarray, distance: np.ndarray, compared: np.ndarray) -> None:
        """Correct positions and speeds by the offsets of the joints that can be compared.

        Args:
            offset: (P, K, 2) pixels from the prediction to the detection.
            distance: (P, K) its length.
            compared: (P, K) 1.0 where the offset is known, otherwise the offset is 0.
        """
        # One joint that leaps across the image must not drag the body with it.
        leap = np.maximum(distance / (_LONGEST_LEAP * self.sizes)[:, None], 1.0)
        offset = offset / leap[..., None]
        weight = self.weights * compared
        total = np.einsum("pkc,pk->pc", offset, weight)
        body = total / (weight.sum(1) + _DOUBT)[:, None]
        body = body[:, None] * compared[..., None]
        nth = np.minimum(self.corrections, len(_GAINS) - 1)
        gains = _GAINS[nth][..., None, None]  # (P, 4, 1, 1)
        self.points += offset * gains[:, 0] + body * gains[:, 1]
        self.speed += offset * gains[:, 2] + body * gains[:, 3]


_FIELDS = [field.name for field in fields(Tracks)]


def _weights(error: np.ndarray, sizes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(P, K) weights of known joints, about 1 on average: steady joints count for more."""
    expected = error + (_LEAST_ERROR * sizes)[:, None]
    return known * expected.sum(1)[:, None] / (expected.shape[1] * expected)
