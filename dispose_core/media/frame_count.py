"""Number and rate of the frames of a video, from their time stamps."""

from __future__ import annotations

import math
from fractions import Fraction

from .frame_clock import FrameClock

HIGHEST_RATE = 240  # estimates above are the resolution of the time stamps, not a frame rate


class FrameCount:
    """Frames counted so far, from their stamps in display order."""

    def __init__(self, step: float):
        self._clock = FrameClock(step)
        self._number, self._begin = 0, 0.0
        self._shortest, self._longest = math.inf, 0.0  # times between two frames

    def add(self, stamp: float | None) -> None:
        """Count a frame with this stamp."""
        before = self._clock.time
        time = self._clock.next(stamp)
        if before is None:
            self._begin = time
        else:
            self._shortest = min(self._shortest, time - before)
            self._longest = max(self._longest, time - before)
        self._number += 1

    def rate(self, told: list[Fraction], tick: Fraction) -> Fraction:
        """The frame rate of those that are `told` which the stamps confirm, else their own.

        Formats without a frame rate have an estimate from their first frames, which is kept if the
        frames come at uneven times.
        """
        if self._number < 2:
            return told[0]
        mean = self._span / (self._number - 1)
        for rate in told:
            # Stamps are rounded to ticks.
            if abs(float(rate) * mean - 1) < 0.005 + float(tick) / self._span:
                return rate
        even = self._longest - self._shortest < mean / 2 + float(tick)
        if even or told[0] > HIGHEST_RATE:
            return Fraction(1 / mean).limit_denominator(1001)
        return told[0]

    def frames_at(self, fps: Fraction) -> int:
        """Number of frames at this rate; more than are stored if some are shown for longer."""
        return round(self._span * fps) + 1

    @property
    def _span(self) -> float:
        """Seconds from the first frame to the last."""
        return 0.0 if self._clock.time is None else self._clock.time - self._begin
