"""Tiny clips whose every frame tells its own number."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest


def grey(number: int) -> np.ndarray:
    """Frame `number`: plain grey, 8 levels brighter than the one before."""
    return np.full((32, 48, 3), 20 + 8 * number, np.uint8)


def numbers(frames) -> list[int]:
    """Which frames these are."""
    return [round((float(frame.mean()) - 20) / 8) for frame in frames]


@pytest.fixture
def encode(tmp_path):
    """encode("a.mkv", count, gop=4) -> path of a clip with a key frame every `gop` frames.

    Its time stamps begin at frame `first`. `b_frames` are encoded between two others; `muxer` has
    options of the container, and `tag` fields of the encoder.
    """

    def make(
        name: str,
        count: int,
        gop: int = 4,
        fps: int | Fraction = 24,
        first: int = 0,
        width: int = 48,
        codec: str = "libx264",
        b_frames: int | None = None,
        muxer: dict[str, str] | None = None,
        **tag: object,
    ):
        path = tmp_path / name
        options = {"crf": "10"} if codec.startswith("lib") else {"qmin": "2", "qmax": "2"}
        # Without a strategy x264 makes all the B-frames that are asked for.
        options |= {} if b_frames is None else {"bf": str(b_frames), "b_strategy": "0"}
        with av.open(str(path), "w", options=muxer or {}) as file:
            stream = file.add_stream(codec, rate=fps, options=options | {"g": str(gop)})
            stream.width, stream.height, stream.pix_fmt = width, 32, "yuv420p"
            for field, value in tag.items():
                setattr(stream.codec_context, field, value)
            for number in range(count):
                image = np.resize(grey(number), (32, width, 3))
                frame = av.VideoFrame.from_ndarray(image, "rgb24")
                frame.pts, frame.time_base = first + number, 1 / Fraction(fps)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def encode_at(tmp_path):
    """encode_at("a.mkv", [0, 40, 140]) -> path of a clip with a frame at each of these ms."""

    def make(name: str, times: list[int]):
        path = tmp_path / name
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=25, options={"crf": "10", "bf": "2"})
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            for number, time in enumerate(times):
                frame = av.VideoFrame.from_ndarray(grey(number), "rgb24")
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        return path

    return make
