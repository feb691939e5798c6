"""Times of video frames whose stored time stamps may be missing, repeated or wrong."""

from __future__ import annotations

# Longest display time of a frame in seconds; longer gaps are treated as timestamp errors.
LONGEST_STILL = 60.0
# A stamp that lies this much before the last frame, in seconds, belongs to a new recording.
NEW_RECORDING = 1.0


class FrameClock:
    """Gives every frame of a stream, in display order, a later time than the one before.

    A decoder outputs frames in display order, so a stamp that is missing, repeated or earlier than
    the last one is replaced by the time one step later. If the stamps start over, as in recordings
    that were joined, they are shifted to continue.
    """

    def __init__(self, step: float):
        """`step`: seconds between two frames at the stream's frame rate."""
        self._step = step
        self._shift = 0.0
        self._previous_shift: float | None = None
        self.time: float | None = None  # of the last frame

    def next(self, stamp: float | None) -> float:
        """Time in seconds of the next frame, which is stamped so."""
        self.time = self._time_of(stamp)
        return self.time

    def _time_of(self, stamp: float | None) -> float:
        if self.time is None:
            return stamp or 0.0
        due = self.time + self._step
        if stamp is None:
            return due
        if self._previous_shift is not None:
            # After a single wrong stamp the old ones go on.
            if self.time < stamp + self._previous_shift <= due + self._step:
                self._shift = self._previous_shift
            self._previous_shift = None
        time = stamp + self._shift
        if not self.time - NEW_RECORDING < time < self.time + LONGEST_STILL:
            self._previous_shift, self._shift = self._shift, due - stamp
        return time if self.time < time < self.time + LONGEST_STILL else due
