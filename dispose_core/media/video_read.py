"""Read videos: metadata, frames and audio."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import av
import numpy as np

from ..errors import MediaError
from ..progress import Progress, no_progress
from .image_sequence import Animation, ImageFolder, looks_like_image
from .video_container import Container, clock_tick, find_video, open_container
from .video_source import FrameReader, OpenVideo, Source, VideoInfo, is_open_file, name_of

# Deviation from a constant frame rate, in periods, beyond which timestamps are used.
UNEVEN = 0.75

__all__ = ["VideoInfo", "count_frames", "probe", "read_audio", "read_frames"]


def probe(source: Source) -> VideoInfo:
    """Size, frame rate and length of a video; decodes the first frame to check that it works.

    Args:
        source: a video file, an open binary file, a folder of images, an animated image.

    Raises:
        MediaError: missing, empty, damaged, not a video, or audio only.
    """
    with _open(source) as video:
        return video.info


def count_frames(info: VideoInfo, start: float = 0.0, duration: float | None = None) -> int:
    """Number of frames in this range of seconds, according to `info`."""
    count = info.num_frames - math.ceil(start * info.fps - 0.25)
    if duration is not None:
        count = min(count, math.ceil(duration * info.fps - 0.25))
    return max(0, count)


def read_frames(
    source: Source,
    stride: int = 1,
    start: float = 0.0,
    duration: float | None = None,
    max_frames: int | None = None,
    on_frame: Progress = no_progress,
) -> Iterator[np.ndarray]:
    """Read every `stride`-th frame from `start` on, upright.

    Skipped frames are decoded, but not converted. A frame counts as shown at `start` if it is
    within a quarter frame of it. For variable frame rates (phones, screen recordings) frames are
    selected by time instead of by count, so that the motion keeps its speed and the audio stays in
    sync; the official code counts.

    Args:
        source: see `probe`.
        stride: 1 = every frame; see docs/reference_behaviour.md#image-and-video-preparation and
            `prepare.frame_stride`.
        start, duration: seconds; frames in [start, start + duration). None = to the end.
        max_frames: largest number of frames.
        on_frame: called with (frames read, frames expected).

    Yields:
        (H, W, 3) uint8 RGB, each a new array.

    Raises:
        MediaError: see `probe`; also a file that ends early, a range without frames, images of
            different sizes in a folder.
    """
    _check_range(stride, start, duration, max_frames)
    with _open(source) as video:
        period = float(1 / video.info.fps)
        end = math.inf if duration is None else start + duration - period / 4
        expected = _expected(video.info, stride, start, duration, max_frames)
        done = 0
        for image in _sample_by_time(video.frames_from(start), period, stride, start, end):
            done += 1
            frame = image()
            on_frame(done, max(done, expected))
            yield frame
            if done == max_frames:
                break
        if not done:
            raise MediaError(
                f"{name_of(source)}: no frame between {start:g} s and "
                f"{'the end' if duration is None else f'{start + duration:g} s'}; it lasts "
                f"{video.info.duration:.2f} s. Choose an earlier start or a longer duration."
            )


def read_audio(
    source: Source, start: float = 0.0, duration: float | None = None
) -> tuple[np.ndarray, int] | None:
    """Audio that matches the frames of `read_frames` with the same start and duration.

    Padded with silence if the audio track starts after the video.

    Returns:
        (channels, n) float32 in -1…1, one or two channels (more are downmixed to two), and the
        sample rate. None if there is no audio in this range.

    Raises:
        MediaError: the file cannot be opened.
    """
    _check_range(1, start, duration, None)
    if _is_folder(source) or looks_like_image(source):
        return None
    end = math.inf if duration is None else start + duration
    with open_container(source) as file:
        if not file.streams.audio:
            return None
        has_video = find_video(file) is not None
        zero = float((file.streams.audio[0].start_time or 0) * clock_tick(file.streams.audio[0]))
    if has_video:
        with Container(source) as video:
            zero = video.begin
    with open_container(source) as file:
        # Start a little early, since lossy codecs need preceding packets.
        track = _decode_audio(file, zero, max(0.0, start - 0.2), end)
    if start > 0 and (track is None or track[0] > start):  # the seek landed after its target
        with open_container(source) as file:
            track = _decode_audio(file, zero, 0.0, end)
    if track is None:
        return None
    begin, samples, rate = track
    first = round((start - begin) * rate)
    samples = np.pad(samples, ((0, 0), (max(0, -first), 0)))[:, max(0, first) :]
    if duration is not None:
        samples = samples[:, : round(duration * rate)]
    return (samples, rate) if samples.shape[1] else None


def _sample_by_time(
    frames: Iterator[tuple[float, FrameReader]],
    period: float,
    stride: int,
    start: float,
    end: float,
) -> Iterator[FrameReader]:
    """The frame displayed at every `stride`-th period in [start, end).

    Frames of a constant rate are counted, since timestamps are rounded and rates may be slightly
    off. A frame that deviates by more than UNEVEN periods resets the count to its timestamp.
    """
    tick, next_tick, previous_image, origin = -1, 0, None, start
    for time, image in frames:
        if previous_image is None:
            origin = time if time < start + period else start
        tick += 1
        if abs(time - origin - tick * period) > UNEVEN * period:
            tick = round((time - origin) / period)
        # The previous frame was displayed until now.
        for _ in range(next_tick, min(tick, math.ceil((min(end, time) - origin) / period)), stride):
            yield previous_image or image
            next_tick += stride
        if time >= end:
            break
        if tick == next_tick:
            yield image
            next_tick += stride
        previous_image = image


def _decode_audio(
    file: av.container.InputContainer, zero: float, start: float, end: float
) -> tuple[float, np.ndarray, int] | None:
    """Audio from about `start` to `end`: its start time in seconds, samples, sample rate.

    Seconds count from `zero`, the stored time of the first video frame.
    """
    stream = file.streams.audio[0]
    rate = stream.codec_context.sample_rate
    begin, resampler, chunks = 0.0, None, []
    try:
        if start > 0:
            offset = round((start + zero) / clock_tick(stream))
            file.seek(offset, stream=stream, backward=True)
        for frame in file.decode(stream):
            time = 0.0 if frame.time is None else frame.time - zero
            if time >= end:
                break
            if resampler is None:
                begin = time
                layout = "mono" if len(frame.layout.channels) == 1 else "stereo"
                resampler = av.AudioResampler("fltp", layout, rate)
            chunks += [part.to_ndarray() for part in resampler.resample(frame)]
    except (av.error.FFmpegError, OSError):
        pass  # damaged end: keep the audio before it; reading the frames reports the error
    if not chunks:
        return None
    return begin, np.concatenate(chunks, axis=1), rate


def _open(source: Source) -> OpenVideo:
    if _is_folder(source):
        return ImageFolder(Path(source))
    if looks_like_image(source):
        return Animation(source)
    if not is_open_file(source) and os.path.isfile(source) and not os.path.getsize(source):
        raise MediaError(f"{source}: the file is empty (0 bytes). Download or export it again.")
    return Container(source)


def _is_folder(source: Source) -> TypeGuard[str | os.PathLike[str]]:
    return not is_open_file(source) and os.path.isdir(source)


def _expected(
    info: VideoInfo, stride: int, start: float, duration: float | None, limit: int | None
) -> int:
    frames = math.ceil(max(1, count_frames(info, start, duration)) / stride)
    return frames if limit is None else min(frames, limit)


def _check_range(stride: int, start: float, duration: float | None, limit: int | None) -> None:
    for name, value, least in (
        ("stride", stride, 1),
        ("start", start, 0),
        ("max_frames", limit, 1),
    ):
        if value is not None and not value >= least:
            raise MediaError(f"{name} is {value}; it must be at least {least}.")
    if duration is not None and not duration > 0:
        raise MediaError(f"duration is {duration:g} s; it must be more than 0.")
