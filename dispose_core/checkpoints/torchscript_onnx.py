"""What ONNX and TorchScript files are, told from their names and sizes and never by running them.

Both hold a program with its weights. Pose detectors are published so, and people put them where
plain weights are wanted, and the other way round.
"""

from __future__ import annotations

import pickletools
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CheckpointError
from .registry import DWPOSE_PROGRAM, ONNX, TORCHSCRIPT, YOLOX_PROGRAM, Architecture

# Names that a TorchScript file says of itself are looked for in this much of it at most.
_LARGEST_PICKLE = 64 << 20

Shape = tuple["int | None", ...]


@dataclass(frozen=True)
class Program:
    """A file that computes.

    Attributes:
        format: "ONNX" or "TorchScript".
        inputs, outputs: shapes by name, None for a side that is free. TorchScript does not tell.
        words: the names in it, of TorchScript only.
    """

    format: str
    inputs: dict[str, Shape] = field(default_factory=dict)
    outputs: dict[str, Shape] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    @property
    def architecture(self) -> Architecture:
        """The detector it is, as far as its names and sizes show.

        See docs/reference_behaviour.md#person-detector, 2.2.
        """
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
    """The program in a file that begins with `head`; None where there is none.

    Raises:
        CheckpointError: an ONNX or TorchScript file that is damaged or cut off.
    """
    if head[:2] == b"PK":
        return _read_torchscript(path)
    # An ONNX file begins with the version of its format, which is far from 64.
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


def _read_torchscript(path: Path) -> Program | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            pickles = [name for name in names if name.endswith("data.pkl")]
            if not pickles or not any(name.endswith("constants.pkl") for name in names):
                return None
            with archive.open(pickles[0]) as file:
                data = file.read(_LARGEST_PICKLE)
        words = {word for _, word, _ in pickletools.genops(data) if isinstance(word, str)}
    except Exception as e:  # zipfile and pickletools meet damage with errors of many kinds
        raise CheckpointError(
            f"{path.name}: a damaged or cut-off archive ({e}). Download it again."
        ) from e
    return Program("TorchScript", words=frozenset(words))
