"""Driving videos as VIDEO or IMAGE batch, for the Prepare node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from comfy_api.latest import Input
from torch import Tensor

from ..dispose_core.errors import MediaError
from ..dispose_core.media.video_read import count_frames, probe, read_audio, read_frames
from ..dispose_core.progress import Progress
from .tensors import audio_to_core, frames_to_core

Audio = tuple[np.ndarray, int] | None


@dataclass(frozen=True)
class Stretch:
    """A time range in seconds; duration None = to the end."""

    start: float
    duration: float | None

    def within(self, start: float, duration: float) -> Stretch:
        """Convert from an outer range, given by `start` and `duration` (0 = to the end)."""
        left = duration - self.start if duration else None
        if left is not None and left <= 0:
            raise MediaError(
                f"driving_video: trimmed to {duration:g} s, but start is {self.start:g} s. "
                "Choose an earlier start."
            )
        lengths = [length for length in (left, self.duration) if length is not None]
        return Stretch(start + self.start, min(lengths, default=None))


def driving_source(
    video: Input.Video | None, images: Tensor | None, fps: float, stretch: Stretch
) -> FileSource | ImageSource | None:
    """The connected one of both inputs, None if neither is.

    Raises:
        MediaError: both are connected, or the range has no frame.
    """
    if video is not None and images is not None:
        raise MediaError(
            "driving_video and driving_images are both connected, but only one can be used. "
            "Disconnect one of them."
        )
    if video is not None:
        return _video_source(video, stretch)
    return None if images is None else ImageSource(images, fps, stretch)


def _video_source(video: Input.Video, stretch: Stretch) -> FileSource | ImageSource:
    # Newer ComfyUI trims, crops and resizes lazily: a trim is a time range of the file, other
    # operations are applied only when the images are requested.
    pending = getattr(video, "has_pending_frame_edits", lambda: False)()
    made_of_images = type(video).get_stream_source is Input.Video.get_stream_source
    if pending or made_of_images:
        parts = video.get_components()
        return ImageSource(parts.images, parts.frame_rate, stretch, audio_to_core(parts.audio))
    window = getattr(video, "get_active_trim_window", lambda: (0.0, 0.0))()
    return FileSource(video.get_stream_source(), stretch.within(*window))


class FileSource:
    """A video file, read frame by frame."""

    def __init__(self, source, stretch: Stretch):
        self.source, self.stretch = source, stretch
        info = probe(source)
        self.fps, self.size, self.notes = info.fps, (info.height, info.width), info.notes
        self.count = count_frames(info, stretch.start, stretch.duration)

    def frames(self, stride: int, most: int | None, on_frame: Progress) -> Iterator[np.ndarray]:
        start, duration = self.stretch.start, self.stretch.duration
        return read_frames(self.source, stride, start, duration, most, on_frame)

    def audio(self, seconds: float) -> Audio:
        """Audio from the start of the range on."""
        return read_audio(self.source, self.stretch.start, seconds)


class ImageSource:
    """Images in memory with a frame rate."""

    notes: tuple[str, ...] = ()

    def __init__(
        self, images: Tensor, fps: float | Fraction, stretch: Stretch, sound: Audio = None
    ):
        self.fps = Fraction(fps).limit_denominator(1001)
        self.stretch, self.sound = stretch, sound
        first = round(stretch.start * self.fps)
        count = len(images) if stretch.duration is None else round(stretch.duration * self.fps)
        self.images = images[first : first + max(1, count)]
        self.count, self.size = len(self.images), tuple(images.shape[1:3])
        if not self.count:
            raise MediaError(
                f"driving clip: {len(images)} images at {float(fps):g} fps last "
                f"{len(images) / fps:.2f} s, but start is {stretch.start:g} s. "
                "Choose an earlier start."
            )

    def frames(self, stride: int, most: int | None, on_frame: Progress) -> Iterator[np.ndarray]:
        chosen = self.images[::stride][:most]
        for done, frame in enumerate(frames_to_core(chosen), 1):
            on_frame(done, len(chosen))
            yield frame

    def audio(self, seconds: float) -> Audio:
        """Audio from the start of the range on."""
        if self.sound is None:
            return None
        samples, rate = self.sound
        first = round(self.stretch.start * rate)
        return samples[:, first : first + round(seconds * rate)], rate
