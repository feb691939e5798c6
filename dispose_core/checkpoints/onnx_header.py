"""Read the inputs and outputs of an ONNX file without a runtime.

OpenCV does not report the input size, and wrong or incomplete files are detected before their
weights are loaded. Only the required fields of the format are parsed.
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
# Limits the parsing time of malicious files; a detector has a few thousand fields.
_MAX_FIELDS = 500_000

Shape = tuple["int | None", ...]
Value = int | tuple[int, int]  # a number, or the (start, end) of its bytes


@dataclass(frozen=True)
class TensorInfo:
    """An input or output; dynamic dimensions of `shape` are None."""

    name: str
    shape: Shape
    is_float: bool


@dataclass(frozen=True)
class OnnxHeader:
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


def read_header(path: Path) -> OnnxHeader:
    """Read the inputs and outputs of a model, without weights that are listed as inputs.

    Raises:
        CheckpointError: the file is not an ONNX file or is truncated.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).header()
    except _FormatError as e:
        raise CheckpointError(
            f"{path.name}: a damaged or cut-off ONNX file of {path.stat().st_size:,} bytes ({e}). "
            "Download it again."
        ) from e
    except (OSError, ValueError) as e:
        raise CheckpointError(f"{path}: cannot be read ({e}). Check the path.") from e


class _FormatError(Exception):
    """The bytes violate the format."""


class _Reader:
    """Parser of protobuf messages, each given by its (start, end) in the file."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.n_fields = 0

    def header(self) -> OnnxHeader:
        graph = None
        for field, value in self._fields(0, len(self.data)):
            if field == _MODEL_GRAPH:
                graph = value
        if not isinstance(graph, tuple):
            raise _FormatError("it contains no graph")
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
                shape = [self._dimension(dim) for dim in dims]
        return TensorInfo(self._text(value, _VALUE_NAME), tuple(shape), element == _FLOAT)

    def _dimension(self, dim: object) -> int | None:
        values = [v for number, v in self._children(dim) if number == _DIM_VALUE]
        # Negative values are stored as unsigned integers above 2^31.
        size = values[0] if values else None
        return size if isinstance(size, int) and 0 < size < 2**31 else None

    def _text(self, message: object, number: int) -> str:
        try:
            start, end = self._child(message, number)
        except _FormatError:
            return ""
        return self.data[start:end].decode(errors="replace")

    def _child(self, message: object, number: int) -> tuple[int, int]:
        for field, value in self._children(message):
            if field == number and isinstance(value, tuple):
                return value
        raise _FormatError(f"field {number} is missing")

    def _children(self, message: object) -> Iterator[tuple[int, Value]]:
        if not isinstance(message, tuple):
            raise _FormatError("a number instead of a message")
        return self._fields(*message)

    def _fields(self, at: int, end: int) -> Iterator[tuple[int, Value]]:
        """Yield (field number, value) of a message; see `Value`."""
        while at < end:
            self.n_fields += 1
            if self.n_fields > _MAX_FIELDS:
                raise _FormatError(f"more than {_MAX_FIELDS:,} fields")
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
                raise _FormatError(f"an unknown field type at byte {at:,}")
            if at + length > end:
                raise _FormatError(f"byte {at + length:,} is missing")
            yield field, (at, at + length)
            at += length

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise _FormatError(f"byte {at:,} is missing")
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise _FormatError(f"an invalid number at byte {at:,}")
