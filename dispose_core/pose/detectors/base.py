"""What a pose detector is, and the check of the frames it is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from ...errors import PoseError
from ...progress import Progress, no_progress
from ..sequence import PoseSequence


class PoseDetector(Protocol):
    """Finds the people of a clip; a backend is one file of `detectors/`.

    Attributes:
        name: as in `DETECTORS`.
    """

    name: str

    def detect(
        self,
        frames: Iterable[np.ndarray],
        total: int | None = None,
        on_frame: Progress = no_progress,
    ) -> list[PoseSequence]:
        """People of a clip, or of a still image as a clip of one frame.

        Frames are taken one at a time, so that a video can be streamed through.

        Args:
            frames: (H, W, 3) uint8 RGB, all of one size.
            total: how many there are, when known; only `on_frame` needs it.
            on_frame: called as (done, total) after each frame, with total = done when unknown.

        Returns:
            As many sequences as the fullest frame has people, at least one, all with a frame
            for every frame; empty ones where nobody was found. Backends that look at each frame
            alone list its people in any order: slot 0 need not be the same person all the time.

        Raises:
            PoseError: there is no frame, or one that is no image or of another size.
        """
        ...


def checked_frames(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames as backends need them: images of one size, contiguous, at least one.

    Raises:
        PoseError: see `PoseDetector.detect`.
    """
    shape = None
    for i, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise PoseError(
                f"frame {i}: {frame.dtype} of shape {frame.shape}, needed uint8 (H, W, 3). "
                "Convert the image to 8-bit RGB."
            )
        if frame.shape != shape:
            raise PoseError(
                f"frame {i} is {frame.shape[1]}×{frame.shape[0]}, the first is "
                f"{shape[1]}×{shape[0]}. Bring all frames to one size."
            )
        yield np.ascontiguousarray(frame)
    if shape is None:
        raise PoseError("pose detection: no frame in the clip. Use one with at least one frame.")
