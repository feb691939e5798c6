"""What every kind of video offers the reader, whatever it is stored as."""

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

# A file, a folder of images, or an open binary file such as ComfyUI hands out.
Source = str | os.PathLike[str] | BinaryIO

# Makes a frame's (H, W, 3) uint8 RGB array when called.
FrameReader = Callable[[], np.ndarray]

# Assumed where a video does not say how fast it plays.
DEFAULT_FPS = Fraction(24)


@dataclass(frozen=True)
class VideoInfo:
    """What a video is before it is read."""

    width: int  # as shown, after `rotation`
    height: int
    fps: Fraction  # average
    num_frames: int  # some files do not count theirs: then duration × fps
    duration: float  # seconds
    has_audio: bool
    rotation: int = 0  # degrees clockwise that reading turns the stored frames by
    notes: tuple[str, ...] = ()  # what a user would want to be told, a sentence each


class OpenVideo(Protocol):
    """A video being read; a context manager that closes the file."""

    info: VideoInfo

    def frames_from(self, start: float) -> Iterator[tuple[float, FrameReader]]:
        """Every frame from `start` on: its time in seconds, and what makes its RGB array.

        The array costs a conversion, so it is made only for frames that are wanted.
        """

    def __enter__(self) -> OpenVideo: ...

    def __exit__(self, *error: object) -> None: ...


def is_open_file(source: Source) -> TypeIs[BinaryIO]:
    """Whether the source is an open file, not the path of one."""
    return hasattr(source, "read")


def name_of(source: Source) -> str:
    """How messages call the source."""
    return str(source) if isinstance(source, (str, Path)) else "video from memory"


def size_notes(num_frames: int) -> tuple[str, ...]:
    """What to say about a clip of so many frames."""
    return ("One frame only: nothing in it moves.",) if num_frames == 1 else ()
