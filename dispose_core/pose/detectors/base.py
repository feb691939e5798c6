"""The protocols of pose detectors, and validation of input frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from ...errors import PoseError
from ...progress import Progress, no_progress
from ..sequence import PoseSequence


class PoseDetector(Protocol):
    """Detects the people of a video; each backend is one file or folder of `detectors/`.

    Attributes:
        name: key in `DETECTORS`.
    """

    name: str

    def detect(
        self,
        frames: Iterable[np.ndarray],
        total: int | None = None,
        on_frame: Progress = no_progress,
    ) -> list[PoseSequence]:
        """Detect the people of a video, or of a still image passed as one frame.

        Frames are consumed one at a time, so that a video can be streamed.

        Args:
            frames: (H, W, 3) uint8 RGB, all of one size.
            total: number of frames, if known; used only for `on_frame`.
            on_frame: called as (done, total) after each frame, with total = done when unknown.

        Returns:
            One sequence per person of the fullest frame, at least one, all with every frame; empty
            where nobody was detected. Backends that process frames independently list people in any
            order: a slot may change its person between frames.

        Raises:
            PoseError: there is no frame, or a frame is not an image or differs in size.
        """
        ...


class PersonMask(Protocol):
    """Outline of a person in one frame."""

    def on_canvas(self, size: tuple[int, int]) -> np.ndarray:
        """Probability that a pixel shows the person, (H, W) float32 0…1, for the frame's `size`."""
        ...


class MaskDetector(PoseDetector, Protocol):
    """A detector that also gives the outlines of people."""

    def detect_masks(
        self,
        frames: Iterable[np.ndarray],
        total: int | None = None,
        on_frame: Progress = no_progress,
    ) -> tuple[list[PoseSequence], list[list[PersonMask | None]]]:
        """Detect the people of a video with their outlines; see `detect`.

        Returns:
            The poses as `detect` returns them, and for each frame the outlines of the people in the
            same order; None where a person is absent. A list may be shorter than that of the poses.
        """
        ...


def checked_frames(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield frames as contiguous arrays after checking that all are images of one size.

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
