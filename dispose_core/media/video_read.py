"""Reading videos: what they are, their frames one by one, their sound."""

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

# Frames further than this off a constant rate, in periods of it, come unevenly.
UNEVEN = 0.75
# Seconds that a frame may stay; beyond that the file's clock is thought to be wrong.
LONGEST_STILL = 60.0

__all__ = ["VideoInfo", "count_frames", "probe", "read_audio", "read_frames"]


def probe(source: Source) -> VideoInfo:
    """Size, rate and length of a video; decodes its first frame, so that it is known to work.

    Args:
        source: a video file, an open binary file, a folder of images, an animated image.

    Raises:
        MediaError: missing, empty, damaged, not a video, or sound only.
    """
    with _open(source) as video:
        return video.info


def count_frames(info: VideoInfo, start: float = 0.0, duration: float | None = None) -> int:
    """How many frames of the video lie in this range of seconds, as far as `info` tells."""
    left = info.num_frames - math.ceil(start * info.fps - 0.25)
    if duration is not None:
        left = min(left, math.ceil(duration * info.fps - 0.25))
    return max(0, left)


def read_frames(
    source: Source,
    stride: int = 1,
    start: float = 0.0,
    duration: float | None = None,
    max_frames: int | None = None,
    on_frame: Progress = no_progress,
) -> Iterator[np.ndarray]:
    """Every `stride`-th frame from `start` on, upright.

    Frames in between are decoded, since later ones build on them, but neither converted nor
    kept. A frame counts as shown at `start` when it is within a quarter frame of it. Where frames
    come unevenly (phones, screen recordings), the clock decides in place of the count, so that
    at the average rate the motion keeps its speed and the sound fits; the official code counts.

    Args:
        source: see `probe`.
        stride: 1 = every frame. docs/reference_behaviour.md#image-and-video-preparation derives it
            from the frame rate: `prepare.frame_stride`.
        start, duration: seconds; frames in [start, start + duration). None = to the end.
        max_frames: stop after so many frames handed out.
        on_frame: hears (frames handed out, frames expected).

    Yields:
        (H, W, 3) uint8 RGB, each an array of its own.

    Raises:
        MediaError: see `probe`; also a file that breaks off before what was asked for, a range
            without frames, images of different sizes in a folder.
    """
    _check_range(stride, start, duration, max_frames)
    with _open(source) as video:
        period = float(1 / video.info.fps)
        end = math.inf if duration is None else start + duration - period / 4
        expected = _expected(video.info, stride, start, duration, max_frames)
        done = 0
        for image in _by_the_clock(video.frames_from(start), period, stride, start, end):
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
    """The sound that belongs to the frames of `read_frames` with the same start and duration.

    Silence fills in where the sound track begins after the image.

    Returns:
        (channels, n) float32 in -1…1, one or two channels (more are mixed down to two), and the
        sample rate. None where there is no sound, or none in this range.

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
        # A little early: lossy codecs need what comes before to start clean.
        found = _sound(file, max(0.0, start - 0.2), end)
    if start > 0 and (found is None or found[0] > start):  # a seek that landed behind its target
        with open_container(source) as file:
            found = _sound(file, 0.0, end)
    if found is None:
        return None
    begin, samples, rate = found
    first = round((start - begin) * rate)
    samples = np.pad(samples, ((0, 0), (max(0, -first), 0)))[:, max(0, first) :]
    if duration is not None:
        samples = samples[:, : round(duration * rate)]
    return (samples, rate) if samples.shape[1] else None


def _by_the_clock(
    frames: Iterator[tuple[float, FrameReader]],
    period: float,
    stride: int,
    start: float,
    end: float,
) -> Iterator[FrameReader]:
    """What is shown every `stride` periods in [start, end).

    Frames of a constant rate are merely counted: their stored times are rounded, and a rate may
    be a little wrong. A frame that is more than UNEVEN off the count moves it to its own time.
    """
    tick, wanted, shown, origin = -1, 0, None, start
    before, shift = None, 0.0
    for time, image in frames:
        if before is None:
            origin = time if time < start + period else start
        elif not -period < time + shift - before < LONGEST_STILL:
            shift = before + period - time  # joined recordings, each with a clock of its own
        before = time = time + shift
        tick += 1
        if abs(time - origin - tick * period) > UNEVEN * period:
            tick = round((time - origin) / period)
        # Until now the frame before was to be seen.
        for _ in range(wanted, min(tick, math.ceil((min(end, time) - origin) / period)), stride):
            yield shown or image
            wanted += stride
        if time >= end:
            break
        if tick == wanted:
            yield image
            wanted += stride
        shown = image


def _sound(
    file: av.container.InputContainer, start: float, end: float
) -> tuple[float, np.ndarray, int] | None:
    """The sound from about `start` to `end`: where it begins (s), samples, rate.

    Seconds count from the first frame of the image.
    """
    stream, video = file.streams.audio[0], find_video(file)
    clock = video or stream
    zero = float((clock.start_time or 0) * clock_tick(clock))
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
        pass  # a damaged end: the sound up to there, as players do; the frames report it
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
