"""Tiny detectors as ONNX and TorchScript files: what YOLOX and DWPose's network take and give.

They find what is bright. ONNX is written as protobuf by hand, so that no package is needed for it.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

PERSON_SIZE, POSE_SIZE = (64, 64), (64, 48)  # (H, W)
_STRIDES = (8, 16, 32)
_POINTS = 133
# How far below 0 black is in the normalised crop, and white above it, on the mean of the channels.
_BLACK, _CONTRAST = 1.99, 4.43


def person_weights() -> dict[str, np.ndarray]:
    """A cell of 8×8 pixels that is all white holds a person of twice its size; others nobody."""
    weight, bias = np.zeros((85, 3, 1, 1), np.float32), np.zeros(85, np.float32)
    weight[4], bias[4] = 2 / (3 * 255), -1.0  # objectness: the grey of the letterbox is nobody
    bias[:4] = 0.5, 0.5, np.log(2), np.log(2)
    bias[5] = 0.9  # the score of class 0, person
    return {"w": weight, "b": bias}


def pose_weights(height: int, width: int) -> dict[str, np.ndarray]:
    """Every point is where the image is brightest; white has score 1, less for later points."""
    sure = np.linspace(1.0, 0.5, _POINTS, dtype=np.float32)
    mix = np.broadcast_to(sure[:, None] / 3 / _CONTRAST, (_POINTS, 3)).astype(np.float32)
    return {
        "mix": mix.reshape(_POINTS, 3, 1, 1),
        "bias": sure * np.float32(_BLACK / _CONTRAST),
        "to_x": np.repeat(np.eye(width, dtype=np.float32), 2, axis=1),
        "to_y": np.repeat(np.eye(height, dtype=np.float32), 2, axis=1),
    }


class TinyPerson(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for name, value in person_weights().items():
            setattr(self, name, nn.Parameter(torch.from_numpy(value)))

    def forward(self, images: Tensor) -> Tensor:
        levels = []
        for stride in _STRIDES:
            # Only the finest level is bright enough: the others see a shadow of it.
            cells = F.avg_pool2d(images, stride) * (8.0 / stride)
            levels.append(F.conv2d(cells, self.w, self.b).flatten(2))
        return torch.cat(levels, 2).transpose(1, 2)


class TinyPose(nn.Module):
    """`batch`: as if traced with so many people; any other number then fails."""

    def __init__(self, height: int, width: int, batch: int = -1) -> None:
        super().__init__()
        self.batch, self.height, self.width = batch, height, width
        weights = pose_weights(height, width)
        sure = weights["bias"].reshape(1, _POINTS, 1) / np.float32(_BLACK)
        for name, value in (("sure", sure), ("to_x", weights["to_x"]), ("to_y", weights["to_y"])):
            setattr(self, name, nn.Parameter(torch.from_numpy(value)))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        # The maximum first: it is the same for all points but for a factor.
        grey = crops.mean(1, keepdim=True) + _BLACK
        columns = (grey.amax(2) * self.sure).reshape(self.batch, 133, self.width)
        rows = (grey.amax(3) * self.sure).reshape(self.batch, 133, self.height)
        return columns @ self.to_x, rows @ self.to_y


def write_torchscript(path: Path, module: nn.Module, example: Tensor) -> Path:
    """Traced, as the published files are."""
    with warnings.catch_warnings():  # torch deprecates the format that is being tested
        warnings.simplefilter("ignore")
        torch.jit.trace(module.eval(), example).save(str(path))
    return path


def person_torchscript(path: Path) -> Path:
    return write_torchscript(path, TinyPerson(), torch.zeros(1, 3, *PERSON_SIZE))


def pose_torchscript(path: Path, size: tuple[int, int] = POSE_SIZE, batch: int = -1) -> Path:
    return write_torchscript(path, TinyPose(*size, batch), torch.zeros(abs(batch), 3, *size))


def person_onnx(path: Path, size: tuple[int, int] = PERSON_SIZE, batch: int | str = 1) -> Path:
    """The same as `TinyPerson`; one side of `batch` may be a name, which leaves it open."""
    nodes, levels = [], []
    for stride in _STRIDES:
        cells = (size[0] // stride) * (size[1] // stride)
        nodes += [
            node("AveragePool", ["images"], f"p{stride}", kernel_shape=[stride] * 2,
                 strides=[stride] * 2),
            node("Mul", [f"p{stride}", f"m{stride}"], f"s{stride}"),
            node("Conv", [f"s{stride}", "w", "b"], f"c{stride}", kernel_shape=[1, 1]),
            node("Reshape", [f"c{stride}", f"n{stride}"], f"r{stride}"),
        ]  # fmt: skip
        levels.append((f"r{stride}", cells))
    names = [name for name, _ in levels]
    nodes.append(node("Concat", names, "all", axis=2))
    nodes.append(node("Transpose", ["all"], "output", perm=[0, 2, 1]))
    weights: dict[str, np.ndarray] = person_weights()
    for stride, (_, cells) in zip(_STRIDES, levels, strict=True):
        weights[f"n{stride}"] = np.array([0, 85, cells])
        weights[f"m{stride}"] = np.array([8.0 / stride], np.float32)
    total = sum(cells for _, cells in levels)
    return write_onnx(
        path, nodes, weights, [("images", (batch, 3, *size))], [("output", (batch, total, 85))]
    )


def pose_onnx(path: Path, size: tuple[int, int] = POSE_SIZE, batch: int | str = "batch") -> Path:
    """The same as `TinyPose`."""
    height, width = size
    nodes = [
        node("Conv", ["input", "mix", "bias"], "seen", kernel_shape=[1, 1]),
        node("MaxPool", ["seen"], "cols", kernel_shape=[height, 1], strides=[1, 1]),
        node("MaxPool", ["seen"], "lines", kernel_shape=[1, width], strides=[1, 1]),
        node("Reshape", ["cols", "as_x"], "flat_x"),
        node("Reshape", ["lines", "as_y"], "flat_y"),
        node("MatMul", ["flat_x", "to_x"], "simcc_x"),
        node("MatMul", ["flat_y", "to_y"], "simcc_y"),
    ]
    weights = pose_weights(height, width)
    weights["as_x"], weights["as_y"] = np.array([0, 133, width]), np.array([0, 133, height])
    outputs = [("simcc_x", (batch, 133, 2 * width)), ("simcc_y", (batch, 133, 2 * height))]
    return write_onnx(path, nodes, weights, [("input", (batch, 3, *size))], outputs)


def write_onnx(
    path: Path,
    nodes: Sequence[bytes],
    weights: dict[str, np.ndarray],
    inputs: Sequence[tuple[str, Sequence[int | str]]],
    outputs: Sequence[tuple[str, Sequence[int | str]]],
    element: int = 1,
) -> Path:
    """A ModelProto of opset 11; field numbers are those of onnx.proto."""
    graph = b"".join(
        [
            *(_bytes(1, part) for part in nodes),
            _bytes(2, b"tiny"),
            *(_bytes(5, _tensor(name, value)) for name, value in weights.items()),
            *(_bytes(11, _value(*part, element)) for part in inputs),
            *(_bytes(12, _value(*part, element)) for part in outputs),
        ]
    )
    opset = _bytes(1, b"") + _number(2, 11)
    path.write_bytes(_number(1, 6) + _bytes(7, graph) + _bytes(8, opset))
    return path


def node(kind: str, inputs: Sequence[str], output: str, **attributes: int | list[int]) -> bytes:
    """A NodeProto with attributes that are whole numbers or lists of them."""
    parts = [_bytes(1, name.encode()) for name in inputs]
    parts += [_bytes(2, output.encode()), _bytes(3, output.encode()), _bytes(4, kind.encode())]
    for name, value in attributes.items():
        if isinstance(value, int):
            body = _number(3, value) + _number(20, 2)
        else:
            body = b"".join(_number(8, item) for item in value) + _number(20, 7)
        parts.append(_bytes(5, _bytes(1, name.encode()) + body))
    return b"".join(parts)


def _tensor(name: str, value: np.ndarray) -> bytes:
    kind = {"float32": 1, "int64": 7}[value.dtype.name]
    dims = b"".join(_number(1, side) for side in value.shape)
    return dims + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, value.tobytes())


def _value(name: str, shape: Sequence[int | str], element: int) -> bytes:
    dims = b"".join(
        _bytes(1, _number(1, side) if isinstance(side, int) else _bytes(2, side.encode()))
        for side in shape
    )
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, element) + _bytes(2, dims)))


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return struct.pack("B", low | 0x80) + _varint(rest) if rest else struct.pack("B", low)
