"""One-Euro filter of the two points that span a person's region.

Without it the region trembles, and with it all landmarks. Unlike `gap_filling.one_euro` it runs
while the frames arrive, since the next region depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Number = TypeVar("Number", float, np.ndarray)

# In hertz. The constants count in frames of MediaPipe's assumed rate, whatever the video's is.
_FRAME_RATE = 30.0
_MIN_CUTOFF, _SPEED_COEFFICIENT, _SPEED_CUTOFF = 0.01, 10.0, 1.0


@dataclass(frozen=True)
class SteadyPoints:
    """Two points of a person in one frame, and the state of their filter.

    Attributes:
        points: (2, 2) filtered positions in pixels.
        raw: (2, 2) unfiltered positions.
        speed: (2, 2) filtered speed in diameters of the region per second.
    """

    points: np.ndarray
    raw: np.ndarray
    speed: np.ndarray

    @classmethod
    def start(cls, raw: np.ndarray) -> SteadyPoints:
        return cls(raw, raw, np.zeros_like(raw))

    def follow(self, raw: np.ndarray) -> SteadyPoints:
        """Filter the positions in the next frame."""
        diameter = max(2 * float(np.linalg.norm(raw[1] - raw[0])), 1e-6)
        step = (raw - self.raw) / diameter * _FRAME_RATE
        speed = self.speed + _rate(_SPEED_CUTOFF) * (step - self.speed)
        rate = _rate(_MIN_CUTOFF + _SPEED_COEFFICIENT * np.abs(speed))
        return SteadyPoints(self.points + rate * (raw - self.points), raw, speed)


def _rate(cutoff: Number) -> Number:
    """Weight of a new value in a first-order low-pass filter with a cutoff frequency."""
    return 1 / (1 + _FRAME_RATE / (2 * np.pi * cutoff))
