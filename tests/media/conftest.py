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

    Its time stamps begin at frame `first`.
    """

    def make(name: str, count: int, gop: int = 4, fps: int = 24, first: int = 0, width: int = 48):
        path = tmp_path / name
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=fps, options={"g": str(gop), "crf": "10"})
            stream.width, stream.height, stream.pix_fmt = width, 32, "yuv420p"
            for number in range(count):
                image = np.resize(grey(number), (32, width, 3))
                frame = av.VideoFrame.from_ndarray(image, "rgb24")
                frame.pts, frame.time_base = first + number, Fraction(1, fps)
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
