"""Image folders and animated or single images as video sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import MediaError
from .image import open_image, to_rgb
from .video_source import (
    DEFAULT_FPS,
    FrameReader,
    Source,
    VideoInfo,
    is_open_file,
    name_of,
    size_notes,
)

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
# Magic bytes of formats that FFmpeg cannot decode, only in part, or only without transparency.
MAGIC = re.compile(
    rb"GIF8|RIFF....WEBP|\x89PNG|\xff\xd8\xff|II\*\0|MM\0\*"
    rb"|....ftyp(?:hei[cxms]|hev[cmsx]|mif1|msf1|avi[fs])",
    re.DOTALL,
)
# Other formats hold pages, layers, or the second picture of a stereo camera or phone (MPO).
ANIMATED = {"GIF", "WEBP", "PNG", "AVIF"}
MOTION_JPEG = {".mjpeg", ".mjpg"}  # a row of JPEG files


def looks_like_image(source: Source) -> bool:
    """Whether the file has the magic bytes of an image, animated or not."""
    if is_open_file(source):
        source.seek(0)
        head = source.read(12)
        source.seek(0)
    elif Path(source).suffix.lower() in MOTION_JPEG:
        return False
    else:
        try:
            with open(source, "rb") as file:
                head = file.read(12)
        except OSError:
            return False  # the next attempt to open it raises the error
    return MAGIC.match(head) is not None


class ImageFolder:
    """`OpenVideo` of the images in a folder, in natural order: 2.png before 10.png."""

    def __init__(self, folder: Path):
        self._files = sorted(
            (
                file
                for file in folder.iterdir()
                if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
            ),
            key=_natural,
        )
        if not self._files:
            raise MediaError(
                f"{folder}: holds no images ({', '.join(sorted(SUFFIXES))}). "
                "Choose a folder of frames or a video file."
            )
        first = self._read(self._files[0])
        count = len(self._files)
        self.info = VideoInfo(
            width=first.shape[1],
            height=first.shape[0],
            fps=DEFAULT_FPS,
            num_frames=count,
            duration=float(count / DEFAULT_FPS),
            has_audio=False,
            notes=(
                f"{folder} is a folder of {count} images; {DEFAULT_FPS} fps assumed.",
                *size_notes(count),
            ),
        )

    def __enter__(self) -> ImageFolder:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def frames_from(self, start: float) -> Iterator[tuple[float, FrameReader]]:
        """See `OpenVideo`."""
        for index in _indices_from(start, self.info):
            yield float(index / self.info.fps), partial(self._sized, self._files[index])

    def _sized(self, file: Path) -> np.ndarray:
        image = self._read(file)
        height, width = image.shape[:2]
        if (width, height) != (self.info.width, self.info.height):
            raise MediaError(
                f"{file}: {width}×{height}, but {self._files[0].name} is "
                f"{self.info.width}×{self.info.height}. Make all images of the folder one size."
            )
        return image

    @staticmethod
    def _read(file: Path) -> np.ndarray:
        with open_image(file) as pil_image:
            return _eight_bit(to_rgb(pil_image, str(file)))


class Animation:
    """`OpenVideo` of an animated or single image, read with Pillow."""

    def __init__(self, source: Source):
        self._name = name_of(source)
        self._image = open_image(source)
        first = self._frame(0)
        animated = self._image.format in ANIMATED
        count = getattr(self._image, "n_frames", 1) if animated else 1
        times = _animation_times(self._image, count)
        self._times: Sequence[float] = times
        notes = size_notes(count)
        if times[-1]:
            fps = Fraction(count * 1000, times[-1])
        else:
            fps = DEFAULT_FPS
            self._times = [float(1000 * index / fps) for index in range(count + 1)]
            if count > 1:
                notes = (f"{self._name} does not say its frame rate; {fps} fps assumed.", *notes)
        self.info = VideoInfo(
            width=first.shape[1],
            height=first.shape[0],
            fps=fps,
            num_frames=count,
            duration=float(count / fps),
            has_audio=False,
            notes=notes,
        )

    def __enter__(self) -> Animation:
        return self

    def __exit__(self, *error: object) -> None:
        self._image.close()

    def frames_from(self, start: float) -> Iterator[tuple[float, FrameReader]]:
        """See `OpenVideo`."""
        tolerance = float(1 / self.info.fps) / 4  # as in `Container`
        for index in range(self.info.num_frames):
            time = self._times[index] / 1000
            if time >= start - tolerance:
                yield time, partial(self._frame, index)

    def _frame(self, index: int) -> np.ndarray:
        return _eight_bit(to_rgb(self._image, self._name, frame=index))


def _animation_times(image: Image.Image, count: int) -> list[int]:
    """Start times of all frames and the end time of the last, in milliseconds; 0 if unknown."""
    times = [0]
    for index in range(count):
        image.seek(index)
        image.load()  # WebP frames must be decoded to get their duration
        times.append(times[-1] + round(image.info.get("duration") or 0))
    image.seek(0)
    return times


def _indices_from(start: float, info: VideoInfo) -> range:
    # A start up to a quarter frame after a frame includes it, as in `Container`.
    return range(max(0, int(np.ceil(start * info.fps - 0.25))), info.num_frames)


def _eight_bit(rgb: np.ndarray) -> np.ndarray:
    return rgb if rgb.dtype == np.uint8 else np.round(rgb / 257).astype(np.uint8)


def _natural(file: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.findall(r"\d+|\D+", file.name.lower())
    return [(int(p), "") if p.isdecimal() else (0, p) for p in parts], file.name
