"""Video files (MP4, MKV, WebM, MOV, MPEG-TS and others), decoded with PyAV 12 and later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property, partial
from heapq import heappop, heappush
from itertools import chain
from typing import Any, cast

import av
import numpy as np

from ..errors import MediaError
from .frame_clock import FrameClock
from .frame_count import FrameCount
from .frame_shape import FrameConverter, FrameShape
from .video_source import (
    DEFAULT_FPS,
    FrameReader,
    Source,
    VideoInfo,
    is_open_file,
    name_of,
    size_notes,
)

# Titles and comments are not always UTF-8; PyAV 19 replaces what is not by itself.
OPEN_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)
ATTACHED_IMAGE = 0x400  # AV_DISPOSITION_ATTACHED_PIC, such as an album cover
NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS
# Formats (FFmpeg's names) whose headers or time stamps tell the length of the video stream.
TELL_LENGTH = {"mov", "mpegts", "mpeg", "avi"}
TELL_END = {"matroska", "asf", "flv"}  # formats whose header tells where the longest stream ends
REORDERED = 16  # most frames that H.264 and HEVC decode before an earlier one


def open_container(source: Source) -> av.container.InputContainer:
    """Open a media file.

    Raises:
        MediaError: it is missing, empty, or in no format that FFmpeg knows.
    """
    name = name_of(source)
    try:
        if is_open_file(source):
            source.seek(0)
            opened = av.open(source, **OPEN_OPTIONS)
        else:
            opened = av.open(str(source), **OPEN_OPTIONS)
    except (av.error.InvalidDataError, av.error.EOFError) as e:
        raise MediaError(
            f"{name}: not a video, or only the beginning of one (FFmpeg: {e.strerror}). "
            "Download or export it again, or convert it to MP4."
        ) from e
    except (av.error.FFmpegError, OSError, ValueError) as e:
        raise MediaError(
            f"{name}: cannot be opened ({getattr(e, 'strerror', None) or e}). "
            "Check the path and that you may read it."
        ) from e
    if opened.format.name == "tty":  # FFmpeg draws text as a video
        opened.close()
        raise MediaError(f"{name}: a text file, not a video. Choose a video file.")
    return cast("av.container.InputContainer", opened)


class Container:
    """`OpenVideo` of the first video stream of a file that is not a cover image.

    Decodes without frame threads: if PyAV's logging is on (the default in 12, and other packs can
    turn it on), they deadlock when a file is closed before its end.
    """

    # Set until the file is closed.
    _file: av.container.InputContainer
    _stream: av.VideoStream
    _convert: FrameConverter

    def __init__(self, source: Source):
        self._source = source
        self.begin = 0.0  # stored time of the first frame in seconds
        self._announced, self._is_cut = 0.0, False
        self._open()
        try:
            self._step = float(1 / next(iter(frame_rates(self._stream)), DEFAULT_FPS))
            first = next((frame for _, frame in self._decode()), None)
            if first is None:
                raise MediaError(f"{name_of(source)}: holds no frame. Export or download it again.")
            self.begin = self._stamp_of(first) or 0.0
            self._shape = FrameShape.of(name_of(source), first, self._stream)
            self._open()  # the first frame was taken
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        for part in ("_file", "_stream", "_convert"):
            setattr(self, part, None)

    def frames_from(self, start: float) -> Iterator[tuple[float, FrameReader]]:
        """See `OpenVideo`. Starts decoding at the last key frame before `start`."""
        tolerance = float(1 / self.info.fps) / 4  # stored times are rounded, in MKV to 1 ms
        if start > 0:
            self._seek(start)
        frames: Iterator[tuple[float, av.VideoFrame]] = self._decode()
        if start > 0:
            first = next(frames, None)
            if first is None or first[0] > start + tolerance:
                # Without an index (MPEG-TS) a seek may land after its target.
                self._open()
                frames = self._decode()
            else:
                frames = chain([first], frames)
        self._convert = FrameConverter(self.info, self._shape.matrix)
        for time, frame in frames:
            if time >= start - tolerance:
                yield time, partial(self._image, frame)

    def _image(self, frame: av.VideoFrame) -> np.ndarray:
        return self._convert(frame)

    def _open(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()
        self._file = open_container(self._source)
        stream = find_video(self._file)
        if stream is None:
            sound = bool(self._file.streams.audio)
            self._file.close()
            raise MediaError(
                f"{name_of(self._source)}: {'sound only' if sound else 'no video'} in this file. "
                "Choose a file with an image track."
            )
        self._stream = stream

    @cached_property
    def info(self) -> VideoInfo:
        """Metadata; reads the whole file, without decoding, if it does not tell its length."""
        name, notes = name_of(self._source), []
        rates = frame_rates(self._stream)
        if not rates:
            rates = [DEFAULT_FPS]
            notes.append(f"{name} does not say its frame rate; {DEFAULT_FPS} fps assumed.")
        fps, duration = rates[0], self._told_duration()
        if duration is None or duration * fps < 1.5:
            count = self._count()
            fps = count.rate(rates, clock_tick(self._stream))
            frames = count.frames_at(fps)
            duration = float(frames / fps)
        else:
            # A stored frame count may include frames hidden by an edit list.
            frames = max(1, round(duration * fps))
            frames = min(self._stream.frames or frames, frames)
            self._announced = duration
        self._step = float(1 / fps)
        if self._has_no_times and frames > 1:
            notes.append(f"{name} is a bare stream without times; {float(fps):.4g} fps assumed.")
        shape = self._shape
        return VideoInfo(
            width=shape.width,
            height=shape.height,
            fps=fps,
            num_frames=frames,
            duration=duration,
            has_audio=bool(self._file.streams.audio),
            rotation=shape.rotation,
            notes=(*notes, *shape.notes, *size_notes(frames)),
        )

    def _told_duration(self) -> float | None:
        """Length in seconds from the first frame on, where the file tells it."""
        stream, tick = self._stream, clock_tick(self._stream)
        start = float((stream.start_time or 0) * tick)
        if abs(self.begin - start) > self._step / 2:
            return None  # frames at the beginning cannot be decoded, or the index has gaps
        if self._kind in TELL_LENGTH and stream.duration:
            return float(stream.duration * tick)
        if self._kind != "matroska" or start > self._step / 2:
            # Other formats tell the end of the longest stream, and programs disagree on whether
            # the tag of a MKV that begins late counts from its beginning.
            return None
        if tag := re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", "")):
            hours, minutes, seconds = tag.groups()
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        if self._file.duration and len(self._file.streams) == 1:
            return self._file.duration / av.time_base
        return None

    def _count(self) -> FrameCount:
        """Count the frames by reading the file without decoding it."""
        count, early, end = FrameCount(self._step), 0, 0.0
        waiting: list[float] = []  # sorts the packets, which come in decoding order
        try:
            for packet in self._file.demux():
                after = (packet.pts or packet.dts or 0) + (packet.duration or 0)
                end = max(end, float(after * (packet.time_base or 0)))
                if packet.stream.index != self._stream.index:
                    continue
                if not packet.size or packet.is_discard:
                    continue
                stamp = self._stamp_of(packet)
                if stamp is None:
                    count.add(None)
                elif stamp < self.begin - self._step / 2:
                    early += 1
                else:
                    heappush(waiting, stamp)
                    if len(waiting) > REORDERED:
                        count.add(heappop(waiting))
        except (av.error.FFmpegError, OSError):
            pass  # reading the frames reports it
        while waiting:
            count.add(heappop(waiting))
        if self._in_decoding_order:
            # The first frame has the stamp of the packet that completed it, not its own.
            for _ in range(early):
                count.add(None)
        if self._kind in TELL_END and self._file.duration:
            self._is_cut = end < self._file.duration / av.time_base - 1
        self._open()
        return count

    @property
    def _kind(self) -> str:
        """FFmpeg's name of the format."""
        return self._file.format.name.split(",")[0]

    @property
    def _has_no_times(self) -> bool:
        return has_no_times(self._file)

    @property
    def _in_decoding_order(self) -> bool:
        """Whether the file stores times of decoding only; FFmpeg makes its display times up."""
        return self._kind in ("avi", "asf")

    def _stamp_of(self, timed: av.Packet | av.VideoFrame) -> float | None:
        """Stored time in seconds of a packet or frame."""
        if self._has_no_times:
            return None
        ticks = timed.dts if self._in_decoding_order else timed.pts
        return None if ticks is None else float(ticks * clock_tick(self._stream))

    def _seek(self, start: float) -> None:
        reordered = self._in_decoding_order and self._stream.codec_context.has_b_frames
        if self._has_no_times or reordered:
            return  # where a seek lands is not told: decode from the beginning
        offset = round((start + self.begin) / clock_tick(self._stream))
        try:
            self._file.seek(offset, stream=self._stream, backward=True)
        except (av.error.FFmpegError, OSError):
            self._open()  # not seekable: decode from the beginning

    def _decode(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """Frames in display order, with their time in seconds since the first of the stream."""
        stream, tick = self._stream, clock_tick(self._stream)
        clock, reached, damaged = FrameClock(self._step), 0.0, False
        packets = self._file.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                packet, packets, damaged = _flush_packet(stream), iter(()), True
            if packet is None:
                break
            if packet.size:
                after = ((packet.pts or 0) + (packet.duration or 0)) * tick
                reached = max(reached, float(after) - self.begin)
                # Single corrupt packets are skipped; a corrupt last packet means truncation.
                damaged = packet.is_corrupt
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                frames, damaged = [], True
            for frame in frames:
                time = clock.next(self._stamp_of(frame)) - self.begin
                reached = max(reached, time + self._step)
                yield time, frame
        if clock.time is None and damaged:
            raise MediaError(
                f"{name_of(self._source)}: not a video or image, or damaged: no frame of it can be "
                "decoded. Download or export it again, or convert it to MP4."
            )
        if damaged or self._is_cut or reached < self._announced - 1:
            seconds = 0.0 if clock.time is None else clock.time - self.begin + self._step
            raise MediaError(
                f"{name_of(self._source)}: breaks off after {max(seconds, 0):.2f} s; the file "
                "is damaged or cut short. Download or export it again, or set a duration that "
                "ends before."
            )


def _flush_packet(stream: av.VideoStream) -> av.Packet:
    """An empty packet, which makes the decoder output its buffered frames."""
    packet = av.Packet()
    packet.stream, packet.time_base = stream, clock_tick(stream)
    return packet


def clock_tick(stream: av.stream.Stream) -> Fraction:
    """Time base of a stream in seconds; streams that are read always have one."""
    return cast(Fraction, stream.time_base)


def has_no_times(file: av.container.Container) -> bool:
    """Whether the format has no time stamps, such as a bare H.264 stream."""
    return bool(int(file.format.flags) & NO_TIMESTAMPS)


def frame_rates(stream: av.VideoStream) -> list[Fraction]:
    """Frame rates that the file tells or FFmpeg guesses, the most reliable one first.

    A bare stream has an average of 25 in FFmpeg whatever its header says.
    """
    rates = [stream.average_rate, stream.guessed_rate]
    if has_no_times(stream.container):
        rates.reverse()
    return [Fraction(r.numerator, r.denominator) for r in rates if r and r.numerator]


def find_video(file: av.container.InputContainer) -> av.VideoStream | None:
    """The first video stream that is not a cover image."""
    for stream in file.streams.video:
        # PyAV before 14 has no disposition, so a cover counts as a video of one frame.
        if not int(getattr(stream, "disposition", 0)) & ATTACHED_IMAGE:
            return stream
    return None
