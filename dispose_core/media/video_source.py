"""Common interface of video sources."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import TypeIs

# A file, a folder of images, or an open binary file, as from ComfyUI.
Source = str | os.PathLike[str] | BinaryIO

# Returns a frame's (H, W, 3) uint8 RGB array when called.
FrameReader = Callable[[], np.ndarray]

# Frame rate of videos without one.
DEFAULT_FPS = Fraction(24)


@dataclass(frozen=True)
class VideoInfo:
    """Metadata of a video."""

    width: int  # as displayed, with square pixels and after `rotation`
    height: int
    fps: Fraction  # average
    num_frames: int  # at `fps`; files that do not tell their length are counted
    duration: float  # seconds from the first frame to the end of the last
    has_audio: bool
    rotation: int = 0  # clockwise rotation in degrees applied to stored frames
    notes: tuple[str, ...] = ()  # notes for the user, one sentence each


class OpenVideo(Protocol):
    """An open video; a context manager that closes the file."""

    @property
    def info(self) -> VideoInfo:
        """Metadata."""

    def frames_from(self, start: float) -> Iterator[tuple[float, FrameReader]]:
        """Every frame from `start` on: its time in seconds, and a function that returns its array.

        The conversion to RGB happens only when the function is called.
        """

    def __enter__(self) -> OpenVideo: ...

    def __exit__(self, *error: object) -> None: ...


def is_open_file(source: Source) -> TypeIs[BinaryIO]:
    """Whether the source is an open file, not the path of one."""
    return hasattr(source, "read")


def name_of(source: Source) -> str:
    """Name of a source for messages."""
    return str(source) if isinstance(source, (str, Path)) else "video from memory"


def size_notes(num_frames: int) -> tuple[str, ...]:
    """Notes on an unusual number of frames, for reports."""
    return ("One frame only: nothing in it moves.",) if num_frames == 1 else ()
