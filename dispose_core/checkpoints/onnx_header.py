"""What an ONNX file takes and gives, read from the file itself without a runtime.

OpenCV does not tell the input's size, and a wrong or half-downloaded file is best recognised
before its weights are loaded. Only the few fields of the format that say so are looked at.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 5, 11, 12
_VALUE_NAME, _VALUE_TYPE, _TENSOR_NAME = 1, 2, 8
_TYPE_TENSOR, _TENSOR_ELEMENT, _TENSOR_SHAPE = 1, 1, 2
_SHAPE_DIM, _DIM_VALUE = 1, 1
_FLOAT = 1

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZE = {_FIXED64: 8, _FIXED32: 4}
# A detector has a few thousand; a file made to keep us busy has more.
_MOST_FIELDS = 500_000

Shape = tuple["int | None", ...]
Value = int | tuple[int, int]  # a number, or where its bytes start and end


@dataclass(frozen=True)
class TensorInfo:
    """An input or output; a side is None where the file leaves it open."""

    name: str
    shape: Shape
    is_float: bool


@dataclass(frozen=True)
class OnnxHeader:
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


def read_header(path: Path) -> OnnxHeader:
    """The inputs and outputs of a model; weights that are listed as inputs are left out.

    Raises:
        CheckpointError: no ONNX file, or cut off.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).header()
    except _Damaged as e:
        raise CheckpointError(
            f"{path.name}: a damaged or cut-off ONNX file of {path.stat().st_size:,} bytes ({e}). "
            "Download it again."
        ) from e
    except (OSError, ValueError) as e:
        raise CheckpointError(f"{path}: cannot be read ({e}). Check the path.") from e


class _Damaged(Exception):
    """The bytes are not what the format says they are."""


class _Reader:
    """Walks the messages of a protobuf file; a message is given by where it starts and ends."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.seen = 0

    def header(self) -> OnnxHeader:
        graph = None
        for field, value in self._fields(0, len(self.data)):
            if field == _MODEL_GRAPH:
                graph = value
        if not isinstance(graph, tuple):
            raise _Damaged("there is no graph in it")
        inputs, outputs, weights = [], [], set()
        for field, value in self._fields(*graph):
            if field == _GRAPH_INPUT:
                inputs.append(self._tensor(value))
            elif field == _GRAPH_OUTPUT:
                outputs.append(self._tensor(value))
            elif field == _GRAPH_INITIALIZER:
                weights.add(self._text(value, _TENSOR_NAME))
        return OnnxHeader(tuple(i for i in inputs if i.name not in weights), tuple(outputs))

    def _tensor(self, value: object) -> TensorInfo:
        element: Value = 0
        shape: list[int | None] = []
        tensor = self._child(self._child(value, _VALUE_TYPE), _TYPE_TENSOR)
        for field, part in self._fields(*tensor):
            if field == _TENSOR_ELEMENT:
                element = part
            elif field == _TENSOR_SHAPE:
                dims = [dim for number, dim in self._children(part) if number == _SHAPE_DIM]
                shape = [self._side(dim) for dim in dims]
        return TensorInfo(self._text(value, _VALUE_NAME), tuple(shape), element == _FLOAT)

    def _side(self, dim: object) -> int | None:
        sides = [v for number, v in self._children(dim) if number == _DIM_VALUE]
        # Written as unsigned: what is negative comes out huge.
        side = sides[0] if sides else None
        return side if isinstance(side, int) and 0 < side < 2**31 else None

    def _text(self, message: object, wanted: int) -> str:
        try:
            start, end = self._child(message, wanted)
        except _Damaged:
            return ""
        return self.data[start:end].decode(errors="replace")

    def _child(self, message: object, wanted: int) -> tuple[int, int]:
        for field, value in self._children(message):
            if field == wanted and isinstance(value, tuple):
                return value
        raise _Damaged(f"field {wanted} is missing")

    def _children(self, message: object) -> Iterator[tuple[int, Value]]:
        if not isinstance(message, tuple):
            raise _Damaged("a number where a message belongs")
        return self._fields(*message)

    def _fields(self, at: int, end: int) -> Iterator[tuple[int, Value]]:
        """(field number, number or (start, end) of its bytes) of a message."""
        while at < end:
            self.seen += 1
            if self.seen > _MOST_FIELDS:
                raise _Damaged(f"more than {_MOST_FIELDS:,} parts")
            tag, at = self._varint(at, end)
            field, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                value, at = self._varint(at, end)
                yield field, value
                continue
            if kind == _BYTES:
                length, at = self._varint(at, end)
            elif kind in _FIXED_SIZE:
                length = _FIXED_SIZE[kind]
            else:
                raise _Damaged(f"an unknown kind of field at byte {at:,}")
            if at + length > end:
                raise _Damaged(f"byte {at + length:,} is missing")
            yield field, (at, at + length)
            at += length

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise _Damaged(f"byte {at:,} is missing")
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise _Damaged(f"an endless number at byte {at:,}")
