"""Video files (MP4, MKV, WebM, MOV, MPEG-TS and others), decoded with PyAV 12 and later."""

from __future__ import annotations

import gc
import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import chain, pairwise
from typing import SupportsBytes, cast

import av
import numpy as np
from av.filter import Graph

from ..errors import MediaError
from .video_source import (
    DEFAULT_FPS,
    FrameReader,
    Source,
    VideoInfo,
    is_open_file,
    name_of,
    size_notes,
)

# Conversion with libavfilter gives the same colours in every PyAV; before 17 `to_ndarray` used
# BT.601 for BT.709. The flags keep full chroma resolution.
SCALE_FLAGS = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
# (a, b, c, d) of x' = a·x + c·y, y' = b·x + d·y, in 16.16 fixed point.
Matrix = tuple[int, int, int, int]
ATTACHED_IMAGE = 0x400  # AV_DISPOSITION_ATTACHED_PIC, such as an album cover


def open_container(source: Source) -> av.container.InputContainer:
    """Open a media file.

    Raises:
        MediaError: it is missing, empty, or in no format that FFmpeg knows.
    """
    name = name_of(source)
    try:
        if is_open_file(source):
            source.seek(0)
            return cast("av.container.InputContainer", av.open(source))
        return av.open(str(source))
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


class Container:
    """`OpenVideo` of the first video stream of a file that is not a cover image.

    Decodes without frame threads: if PyAV's logging is on (the default in 12, and other packs can
    turn it on), they deadlock when a file is closed before its end.
    """

    # Set until the file is closed.
    _file: av.container.InputContainer
    _stream: av.VideoStream
    _convert: _Converter

    def __init__(self, source: Source):
        self._source = source
        self._open()
        try:
            self.info = self._probe()
            self._open()  # probing took the first frame
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        for part in ("_file", "_stream", "_convert"):
            setattr(self, part, None)
        # PyAV's objects form reference cycles, and the garbage collector counts objects, not
        # bytes: about 100 MB of frame buffers would stay allocated.
        gc.collect()

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
        self._convert = _Converter(self.info, self._matrix)
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

    def _probe(self) -> VideoInfo:
        name, stream = name_of(self._source), self._stream
        first = next((frame for _, frame in self._decode()), None)
        if first is None:
            raise MediaError(f"{name}: holds no frame. Export or download it again.")
        notes = []
        fps = stream.average_rate or stream.guessed_rate
        if not fps:
            fps = DEFAULT_FPS
            notes.append(f"{name} does not say its frame rate; {fps} fps assumed.")
        duration = 0.0
        if stream.duration:
            duration = float(stream.duration * clock_tick(stream))
        elif tag := re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", "")):
            # In MKV and WebM the file's duration is that of the longest track, often the audio.
            hours, minutes, seconds = tag.groups()
            duration = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        elif self._file.duration:
            duration = self._file.duration / av.time_base
        frames = stream.frames or 1
        if duration:
            # A stored frame count may include frames hidden by an edit list.
            playable = max(1, round(duration * fps))
            frames = min(stream.frames or playable, playable)
        self._matrix = _display_matrix(first)
        rotation = _rotation(self._matrix)
        if rotation:
            notes.append(f"{name} is stored lying down: turned by {rotation}°.")
        height, width = first.height, first.width
        if rotation % 180:
            height, width = width, height
        return VideoInfo(
            width=width,
            height=height,
            fps=Fraction(fps),
            num_frames=frames,
            duration=duration or float(frames / fps),
            has_audio=bool(self._file.streams.audio),
            rotation=rotation,
            notes=(*notes, *size_notes(frames)),
        )

    def _seek(self, start: float) -> None:
        offset = round(start / clock_tick(self._stream)) + (self._stream.start_time or 0)
        try:
            self._file.seek(offset, stream=self._stream, backward=True)
        except (av.error.FFmpegError, OSError):
            self._open()  # not seekable: decode from the beginning

    def _decode(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """Frames in display order, with their time in seconds since the start of the stream."""
        stream, tick = self._stream, clock_tick(self._stream)
        begin = float((stream.start_time or 0) * tick)
        step = float(1 / (stream.average_rate or stream.guessed_rate or DEFAULT_FPS))
        time, reached, damaged = -step, 0.0, False
        packets = self._file.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                packet, packets, damaged = _flush_packet(stream), iter(()), True
            if packet is None:
                break
            if packet.size:
                # Single corrupt packets are skipped; a corrupt last packet means truncation.
                damaged = packet.is_corrupt
                after = ((packet.pts or 0) + (packet.duration or 0)) * tick
                reached = max(reached, float(after) - begin)
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                frames, damaged = [], True
            for frame in frames:
                time = time + step if frame.time is None else frame.time - begin
                yield time, frame
        announced = float((stream.duration or 0) * tick)
        if damaged or reached < announced - 1:
            raise MediaError(
                f"{name_of(self._source)}: breaks off after {max(time + step, 0):.2f} s; the file "
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


def find_video(file: av.container.InputContainer) -> av.VideoStream | None:
    """The first video stream that is not a cover image."""
    for stream in file.streams.video:
        # PyAV before 14 has no disposition, so a cover counts as a video of one frame.
        if not int(getattr(stream, "disposition", 0)) & ATTACHED_IMAGE:
            return stream
    return None


def scaler(frame: av.VideoFrame, pixels: str, scale: str) -> Graph:
    """Filter graph that converts frames like `frame` to the pixel format `pixels`."""
    graph = Graph()
    nodes = [
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format.name,  # type: ignore[arg-type]  # the stubs forget names
            time_base=frame.time_base or Fraction(1, 1000),
        ),
        graph.add("scale", scale),
        graph.add("format", pixels),
        graph.add("buffersink"),
    ]
    for left, right in pairwise(nodes):
        left.link_to(right)
    graph.configure()
    return graph


class _Converter:
    """Converts frames to upright RGB arrays of the size of the first frame."""

    def __init__(self, info: VideoInfo, matrix: Matrix | None):
        turned = bool(info.rotation % 180)
        width, height = (info.height, info.width) if turned else (info.width, info.height)
        self._scale = f"{width}:{height}:{SCALE_FLAGS}"
        self._matrix = matrix
        self._graph: Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        if self._graph is None:
            self._graph = scaler(frame, "rgb24", self._scale)
        self._graph.push(frame)
        return _upright(self._graph.pull().to_ndarray(), self._matrix)


def _display_matrix(frame: av.VideoFrame) -> Matrix | None:
    """Display matrix of the stream; it keeps the frame alive, so it is read only once."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(cast(SupportsBytes, data)))
    return a, b, c, d


def _rotation(matrix: Matrix | None) -> int:
    """Clockwise rotation in degrees from stored to displayed frames, without mirroring."""
    if matrix is None:
        return 0
    a, b, _, d = matrix
    if abs(b) > abs(a):
        return 90 if b > 0 else 270
    return 180 if a < 0 and d < 0 else 0


def _upright(image: np.ndarray, matrix: Matrix | None) -> np.ndarray:
    """Apply the display matrix: quarter turns and mirroring."""
    if matrix is None:
        return image
    a, b, c, d = matrix
    if abs(b) > abs(a):  # transposed
        image, a, d = image.swapaxes(0, 1), c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
