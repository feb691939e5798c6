"""Size, orientation and colours of decoded video frames: from stored to upright RGB arrays."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import SupportsBytes, cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer

from .video_source import VideoInfo

# Conversion with libavfilter gives the same colours in every PyAV; before 17 `to_ndarray` used
# BT.601 for BT.709. The flags keep full chroma resolution.
SCALE_FLAGS = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
# (a, b, c, d) of x' = a·x + c·y, y' = b·x + d·y, in 16.16 fixed point.
Matrix = tuple[int, int, int, int]
SQUEEZED = 8  # larger pixel aspect ratios are errors
HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics in H.273
ONE = 1 << 16  # in a display matrix
# Display matrices without mirroring by FFmpeg's angle, which counts against the clock.
QUARTER_TURNS: dict[int, Matrix] = {
    90: (0, -ONE, ONE, 0),
    180: (-ONE, 0, 0, -ONE),
    270: (0, ONE, -ONE, 0),
}


@dataclass(frozen=True)
class FrameShape:
    """Size and orientation of the frames as displayed."""

    width: int
    height: int
    rotation: int
    matrix: Matrix | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, name: str, first: av.VideoFrame, stream: av.VideoStream) -> FrameShape:
        """From the first frame and the header of its stream."""
        width, height, aspect = first.width, first.height, _pixel_aspect(stream)
        notes = []
        if not 1 / SQUEEZED <= aspect <= SQUEEZED:
            notes.append(f"{name} says that its pixels are {_ratio(aspect)}: read as square.")
            aspect = Fraction(1)
        width = round(width * aspect)
        if width != first.width:
            notes.append(
                f"{name} is stored at {first.width}×{height} with pixels of {_ratio(aspect)}: "
                f"read at {width}×{height} with square pixels."
            )
        matrix = _display_matrix(first)
        rotation = _rotation(matrix)
        if rotation:
            notes.append(f"{name} is stored lying down: turned by {rotation}°.")
        if rotation % 180:
            height, width = width, height
        if transfer := HDR.get(int(stream.codec_context.color_trc or 0)):
            notes.append(
                f"{name} is HDR ({transfer}) and is read without tone mapping, so its colours look "
                "flat. If people are not found, convert it to SDR first."
            )
        return cls(width, height, rotation, matrix, tuple(notes))


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


class FrameConverter:
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


def _pixel_aspect(stream: av.VideoStream) -> Fraction:
    """Width of a stored pixel in relation to its height; 1 if the file does not tell it."""
    aspect = stream.sample_aspect_ratio
    if not aspect or not aspect.numerator or not aspect.denominator:
        return Fraction(1)
    return Fraction(aspect.numerator, aspect.denominator)


def _ratio(aspect: Fraction) -> str:
    return f"{aspect.numerator}:{aspect.denominator}"


def _display_matrix(frame: av.VideoFrame) -> Matrix | None:
    """Display matrix of the stream.

    Read past `frame.side_data`: frame and side data would refer to each other, and the garbage
    collector, which counts objects and not bytes, would leave them and the decoder's buffers.
    """
    try:
        data = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    except ValueError:  # PyAV does not know one kind of side data, and then tells none of it
        return QUARTER_TURNS.get(round(getattr(frame, "rotation", 0)) % 360)
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
