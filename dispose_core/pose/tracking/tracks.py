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
# that old detections fade. The mean offset of the body is known better than that of one joint, and
# bodies speed up and slow down as a whole, so it counts for more.
_JOINT_POSITION = np.array([1, 5 / 6, 0.7, 0.6])
_JOINT_SPEED = np.array([1, 1 / 2, 0.3, 0.1])
_BODY_POSITION = np.array([1, 0.9, 0.9, 0.9])
_BODY_SPEED = np.array([1, 0.6, 0.6, 0.6])
# The mean offset of few joints is doubtful: it counts as if so many more joints had none.
_DOUBT = 0.5
# Per frame: a missing joint adopts the body's velocity; a missing body slows down.
_FALL_IN, _SLOW_DOWN = 0.5, 0.95
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

    def __getitem__(self, which: int | np.ndarray) -> Detections:
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
    sizes: np.ndarray  # (P,) box diagonals; they grow at once and shrink slowly
    statures: np.ndarray  # (P,) slow average, see `appearance.statures`; NaN where unknown
    corrections: np.ndarray  # (P,) detections after the first
    absent: np.ndarray  # (P,) frames since the last detection

    @classmethod
    def begin(cls, ids: np.ndarray, detections: Detections) -> Tracks:
        """One track for each detection."""
        none = np.zeros(len(ids), dtype=int)
        return cls(
            ids,
            detections.points,
            np.zeros_like(detections.points),
            detections.found,
            detections.found,
            np.ones_like(detections.found) * _FIRST_ERROR * detections.sizes[:, None],
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
        if not len(added) and stay.all():
            return self
        return Tracks(
            *(np.concatenate([getattr(self, f)[stay], getattr(added, f)]) for f in _FIELDS)
        )

    def predict(self) -> None:
        """Advance all positions by one frame."""
        self.points = self.points + self.speed

    def precision(self) -> np.ndarray:
        """(P, K) weights of the joints, about 1 on average: steady joints count for more."""
        expected = self.error + _LEAST_ERROR * self.sizes[:, None]
        return expected.mean(1, keepdims=True) / expected

    def correct(self, rows: np.ndarray, detections: Detections) -> None:
        """Update the tracks in `rows` with one detection each; all other tracks count as absent."""
        self.absent += 1
        self.absent[rows] = 0
        missed = self.absent > 0
        if missed.any():
            self.speed[missed] = self.speed[missed].mean(1, keepdims=True) * _SLOW_DOWN
        if not len(rows):
            return
        found, points = np.zeros_like(self.known), self.points.copy()
        found[rows], points[rows] = detections.found, detections.points
        compared = found * self.known
        residual = (points - self.points) * compared[..., None]
        nth = np.minimum(self.corrections, len(_JOINT_SPEED) - 1)
        self._move(residual, compared, nth)

        calm = np.where(missed, 0.0, _FALL_IN)[:, None]
        body = (self.speed * compared[..., None]).sum(1) / np.maximum(compared.sum(1), 1)[:, None]
        self.speed += (body[:, None] - self.speed) * (calm * (1 - compared))[..., None]
        fresh = found - compared
        self.points += (points - self.points) * fresh[..., None]
        self.known = self.known + fresh

        off = np.sqrt((residual * residual).sum(-1))
        self.error += (off - self.error) * (_LEARN_ERROR * compared)
        learn = np.where(missed, 0.0, _LEARN_SEEN)[:, None]
        self.seen = self.seen + (found - self.seen) * learn
        size = self.sizes[rows]
        self.sizes[rows] = np.maximum(detections.sizes, size + _SHRINK * (detections.sizes - size))
        stature = self.statures[rows]
        change = _SHRINK * (detections.statures - stature)
        first = np.where(np.isnan(stature), detections.statures, stature)
        self.statures[rows] = np.where(np.isnan(change), first, stature + change)
        self.corrections[rows] += 1

    def _move(self, residual: np.ndarray, compared: np.ndarray, nth: np.ndarray) -> None:
        """Correct positions and speeds by the offsets (P, K, 2) of the joints compared (P, K)."""
        weight = self.precision() * compared
        total = np.einsum("pkc,pk->pc", residual, weight)
        body = total / (weight.sum(1) + _DOUBT)[:, None]
        body = body[:, None] * compared[..., None]
        own = residual - body
        joint, whole = _JOINT_POSITION[nth][:, None, None], _BODY_POSITION[nth][:, None, None]
        self.points += own * joint + body * whole
        joint, whole = _JOINT_SPEED[nth][:, None, None], _BODY_SPEED[nth][:, None, None]
        self.speed += own * joint + body * whole


_FIELDS = [field.name for field in fields(Tracks)]
