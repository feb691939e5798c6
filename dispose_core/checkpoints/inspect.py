"""Identify a model file and check its completeness without loading it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CheckpointError
from .magic import read_head
from .programs import Program, read_program
from .registry import Architecture, recognize
from .state_dict import open_weights
from .state_dict_diff import StateDictDiff
from .weights import Weights


@dataclass(frozen=True)
class Inspection:
    """Properties of a model file.

    Attributes:
        size: bytes.
        dtypes: number of tensors by type.
        complete: whether the tensors match the pack's network; None if the pack has none for it.
        faults: description of the differences.
        missing, unexpected, misshapen: keys; see `StateDictDiff`.
    """

    name: str
    size: int
    format: str
    architecture: Architecture
    first_tensor: str | None = None
    tensors: int = 0
    parameters: int = 0
    dtypes: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    inputs: dict[str, tuple] = field(default_factory=dict)
    outputs: dict[str, tuple] = field(default_factory=dict)
    complete: bool | None = None
    faults: str = ""
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()


def inspect_file(path: str | Path) -> Inspection:
    """Inspect a weights file, ONNX model or TorchScript program without running it.

    Only the headers are read, except for files of PyTorch before 1.6, such as CMP's.

    Raises:
        CheckpointError: the file is not a model file, is damaged, or contains program code.
    """
    path = Path(path)
    head = read_head(path)
    program = None if head[8:9] == b"{" else read_program(path, head)
    size = path.stat().st_size
    if program is not None:
        return _of_program(path.name, size, program)
    return of_weights(open_weights(path), size)


def of_weights(weights: Weights, size: int) -> Inspection:
    """Inspect opened weights; see `inspect_file`."""
    architecture = recognize(weights.shapes)
    faults, complete, diff = "", None, StateDictDiff()
    try:
        result = architecture.compare(weights)
    except CheckpointError as e:
        faults, complete = str(e), False
    else:
        if result is not None:
            complete, faults, diff = bool(result), result.faults(), result
    return Inspection(
        name=weights.name,
        size=size,
        format=weights.format,
        architecture=architecture,
        first_tensor=next(iter(weights.tensors)),
        tensors=len(weights.tensors),
        parameters=sum(tensor.numel() for tensor in weights.tensors.values()),
        dtypes=dict(Counter(str(t.dtype).removeprefix("torch.") for t in weights.tensors.values())),
        metadata=weights.metadata,
        left_out=weights.left_out,
        complete=complete,
        faults=faults,
        missing=diff.missing,
        unexpected=diff.unexpected,
        misshapen=diff.misshapen,
    )


def _of_program(name: str, size: int, program: Program) -> Inspection:
    return Inspection(
        name=name,
        size=size,
        format=program.format,
        architecture=program.architecture,
        inputs=program.inputs,
        outputs=program.outputs,
    )
