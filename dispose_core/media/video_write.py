"""Write widely playable MP4 files: H.264, 4:2:0, BT.709, index at the start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
import numpy as np

from ..errors import MediaError
from .atomic_write import atomic_write
from .frame_shape import SCALE_FLAGS, scaler

BT709 = 1  # code of BT.709 in H.273, for primaries, transfer and matrix
LIMITED_RANGE = 1
SUFFIXES = {".mp4", ".mov", ".mkv"}
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float | Fraction,
    audio: tuple[np.ndarray, int] | None = None,
    crf: int = 18,
) -> tuple[str, ...]:
    """Encode frames to a video file, written atomically.

    4:2:0 video needs even sides; the last row or column of an odd image is repeated.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size.
        fps: frames per second.
        audio: samples (channels, n) float32 and their rate, from the first frame on; cut to the
            length of the video. One or two channels.
        crf: quality, 0 (lossless) … 51; 18 is visually lossless.

    Returns:
        Notes on deviations from the request, one sentence each.

    Raises:
        MediaError: no frames, different sizes, an unsuitable name, or the file cannot be written.
            An existing file at `path` is then unchanged.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise MediaError(f"{path}: not a video name. Use {', '.join(sorted(SUFFIXES))}.")
    if not fps > 0:
        raise MediaError(f"{path}: fps is {fps}; it must be more than 0.")
    rate = Fraction(fps).limit_denominator(1001)
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{path}: there are no frames to write.")
    codec, options, notes = _codec(crf)
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        notes += (
            f"{width}×{height} became {width + width % 2}×{height + height % 2}: "
            "H.264 needs even sides.",
        )
    with atomic_write(path) as temporary:
        try:
            with av.open(str(temporary), "w", options=_muxer_options(path)) as file:
                added = file.add_stream(codec, rate=rate, options=options)
                stream = cast("av.VideoStream", added)
                stream.width, stream.height = width + width % 2, height + height % 2
                stream.pix_fmt = "yuv420p"
                _tag_bt709(stream.codec_context)
                sound = None if audio is None else _AudioTrack(file, *audio)
                for index, frame in enumerate(_convert_frames(path, chain([first], frames), rate)):
                    file.mux(stream.encode(frame))
                    if sound is not None:
                        # Interleaved with the video; otherwise the muxer buffers all of it.
                        sound.write_until((index + 1) / rate)
                file.mux(stream.encode(None))
                if sound is not None:
                    sound.finish()
        except av.error.FFmpegError as e:
            if isinstance(e, OSError):
                raise  # a disk error, handled by `atomic_write`
            raise MediaError(
                f"{path}: {width}×{height} at {float(rate):g} fps cannot be encoded "
                f"({e.strerror}). Use a common size and frame rate."
            ) from e
    return notes


def _codec(crf: int) -> tuple[str, dict[str, str], tuple[str, ...]]:
    if "libx264" in av.codecs_available:
        return "libx264", {"crf": str(crf)}, ()
    quality = str(max(1, round(crf / 6)))  # mpeg4's scale runs from 1 to 31
    note = "This PyAV has no H.264 encoder: written as MPEG-4 part 2, which browsers do not play."
    return "mpeg4", {"flags": "+qscale", "global_quality": str(118 * int(quality))}, (note,)


def _muxer_options(path: str | Path) -> dict[str, str]:
    # Index at the start, so that browsers can play before the download is complete.
    return {} if Path(path).suffix.lower() == ".mkv" else {"movflags": "+faststart"}


def _tag_bt709(codec: av.VideoCodecContext) -> None:
    codec.color_primaries = codec.color_trc = codec.colorspace = BT709
    codec.color_range = LIMITED_RANGE


def _convert_frames(
    path: str | Path, frames: Iterable[np.ndarray], rate: Fraction
) -> Iterator[av.VideoFrame]:
    """Convert frames to BT.709 4:2:0 with even sides and timestamps."""
    graph, shape = None, None
    for index, image in enumerate(frames):
        shape = shape or image.shape
        if image.shape != shape:
            raise MediaError(
                f"{path}: frame {index} is {image.shape[1]}×{image.shape[0]}, the first one "
                f"{shape[1]}×{shape[0]}. All frames of a video have one size."
            )
        odd = [(0, side % 2) for side in shape[:2]]
        image = np.pad(image, (*odd, (0, 0)), mode="edge")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        rgb.pts, rgb.time_base = index, 1 / rate
        if graph is None:
            graph = scaler(rgb, "yuv420p", f"out_color_matrix=bt709:out_range=tv:{SCALE_FLAGS}")
        graph.push(rgb)
        frame = cast("av.VideoFrame", graph.pull())
        frame.pts, frame.time_base = index, 1 / rate
        yield frame


class _AudioTrack:
    FRAME = 1024  # samples per AAC frame

    def __init__(self, file: av.container.OutputContainer, samples: np.ndarray, rate: int):
        channels = samples.shape[0]
        if channels not in (1, 2):
            raise MediaError(f"sound has {channels} channels; mix it down to one or two.")
        self._layout = "mono" if channels == 1 else "stereo"
        self._file, self._samples, self._rate = file, samples, rate
        self._stream = file.add_stream("aac", rate=rate if rate in AAC_RATES else 48000)
        self._stream.codec_context.layout = self._layout
        self._resampler = av.AudioResampler("fltp", self._layout, self._stream.codec_context.rate)
        self._done = 0

    def write_until(self, seconds: Fraction) -> None:
        end = min(int(seconds * self._rate), self._samples.shape[1])
        while self._done < end:
            stop = min(self._done + self.FRAME, end)
            part = np.ascontiguousarray(self._samples[:, self._done : stop], dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(part, "fltp", self._layout)
            frame.sample_rate, frame.pts = self._rate, self._done
            frame.time_base = Fraction(1, self._rate)
            for resampled in self._resampler.resample(frame):
                self._file.mux(self._stream.encode(resampled))
            self._done = stop

    def finish(self) -> None:
        for resampled in self._resampler.resample(None):
            self._file.mux(self._stream.encode(resampled))
        self._file.mux(self._stream.encode(None))
