"""Identify ONNX files, TorchScript files and MediaPipe's wheel without running them.

They contain programs with their weights. Pose detectors are published in these formats and are
easily confused with plain weights.
"""

from __future__ import annotations

import pickletools
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CheckpointError
from .registry import (
    DWPOSE_PROGRAM,
    MEDIAPIPE_WHEEL,
    ONNX,
    TORCHSCRIPT,
    YOLOX_PROGRAM,
    Architecture,
)

# A member of MediaPipe's wheel that no other archive has.
_MEDIAPIPE_MEMBER = "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"
# Bytes of a TorchScript file that are searched for names.
_MAX_PICKLE_BYTES = 64 << 20

Shape = tuple["int | None", ...]


@dataclass(frozen=True)
class Program:
    """A program, or an archive of programs.

    Attributes:
        format: "ONNX", "TorchScript" or "wheel".
        inputs, outputs: shapes by name, with None for dynamic dimensions; only for ONNX.
        words: names in the program; only for TorchScript.
    """

    format: str
    inputs: dict[str, Shape] = field(default_factory=dict)
    outputs: dict[str, Shape] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    @property
    def architecture(self) -> Architecture:
        """The detector that matches the names and sizes.

        See docs/reference_behaviour.md#person-detector, 2.2.
        """
        if self.format == "wheel":
            return MEDIAPIPE_WHEEL
        shapes = list(self.outputs.values())
        if "simcc_x" in self.outputs or [shape[1:2] for shape in shapes] == [(133,), (133,)]:
            return DWPOSE_PROGRAM
        if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][-1] == 85:
            return YOLOX_PROGRAM
        if {"dark5", "cls_preds"} & self.words:
            return YOLOX_PROGRAM
        if {"cls_x", "cls_y"} <= self.words:
            return DWPOSE_PROGRAM
        return ONNX if self.format == "ONNX" else TORCHSCRIPT


def read_program(path: Path, head: bytes) -> Program | None:
    """Read the program in a file that begins with `head`; return None if there is none.

    Raises:
        CheckpointError: the file is damaged or truncated.
    """
    if head[:2] == b"PK":
        return _read_archive(path)
    # An ONNX file begins with its format version, which is well below 64.
    if head[:1] == b"\x08" and 1 <= head[1] <= 64:
        return _read_onnx(path)
    return None


def _read_onnx(path: Path) -> Program:
    from .onnx_header import read_header

    header = read_header(path)
    return Program(
        "ONNX",
        {tensor.name: tensor.shape for tensor in header.inputs},
        {tensor.name: tensor.shape for tensor in header.outputs},
    )


def _read_archive(path: Path) -> Program | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if _MEDIAPIPE_MEMBER in names:
                return Program("wheel")
            pickles = [name for name in names if name.endswith("data.pkl")]
            if not pickles or not any(name.endswith("constants.pkl") for name in names):
                return None
            with archive.open(pickles[0]) as file:
                data = file.read(_MAX_PICKLE_BYTES)
        words = {word for _, word, _ in pickletools.genops(data) if isinstance(word, str)}
    except Exception as e:  # zipfile and pickletools raise many exception types for damaged files
        raise CheckpointError(
            f"{path.name}: a damaged or cut-off archive ({e}). Download it again."
        ) from e
    return Program("TorchScript", words=frozenset(words))
