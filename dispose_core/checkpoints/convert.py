"""Weights of any layout as a safetensors file, written tensor by tensor.

safetensors' own writer wants every tensor at once; a file of 3 GB would be in memory as a whole,
converted. The format is a header and the numbers, so they are written as they come.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..media.atomic_write import atomic_write
from ..progress import Progress, no_progress
from .registry import UNKNOWN, Architecture, recognize
from .state_dict import open_weights
from .weights import Weights

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

# safetensors' names; widest first, so that every tensor begins at a multiple of its item's size.
_NAMES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int16: "I16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ORDER = {dtype: i for i, dtype in enumerate(_NAMES)}


def convert_file(
    source: str | Path,
    output: str | Path,
    dtype: torch.dtype | None = None,
    on_tensor: Progress = no_progress,
) -> Architecture:
    """Write weights that the pack recognizes as safetensors, with the keys that loaders expect.

    A `state_dict` and a `module.` around the weights and everything beside them are left behind.

    Args:
        output: a .safetensors file, written whole or not at all.
        dtype: for the numbers that are floating point; None keeps each as it is.

    Raises:
        CheckpointError: weights that are not recognized, not complete, or with numbers that
            `dtype` cannot hold, or an output that is the input itself.
        MediaError: the output cannot be written.
    """
    source, output = Path(source), Path(output)
    if output.suffix.lower() != ".safetensors":
        raise CheckpointError(f"{output.name}: name the output *.safetensors, which it will be.")
    weights = open_weights(source)
    if output.exists() and output.samefile(source):
        raise CheckpointError(f"{output}: is the input itself. Choose another name for the output.")
    architecture = _known_and_complete(weights)
    with atomic_write(output) as temporary:
        with temporary.open("wb") as file:
            _write(file, weights, dtype, on_tensor)
        _same_keys(open_weights(temporary), weights)
    return architecture


def _known_and_complete(weights: Weights) -> Architecture:
    architecture = recognize(weights.shapes)
    if architecture is UNKNOWN:
        raise CheckpointError(
            f"{weights.name}: {architecture.summary} (its first tensor is "
            f"{next(iter(weights.tensors))}). "
            "Only files that `inspect` can name are converted."
        )
    diff = architecture.compare(weights)
    if diff is not None and not diff:
        raise CheckpointError(
            f"{weights.name}: {architecture.summary}, and not complete. {diff.faults()}. "
            "Use the file as it was published, or download it again."
        )
    return architecture


def _write(
    file: BinaryIO, weights: Weights, dtype: torch.dtype | None, on_tensor: Progress
) -> None:
    stored = {key: _stored_as(t.dtype, dtype) for key, t in weights.tensors.items()}
    for key, kind in stored.items():
        if kind not in _NAMES:
            raise CheckpointError(
                f"{weights.name}: {key} is of type {kind}, which safetensors has no name for. "
                "Use the weights as they are published."
            )
    keys = sorted(stored, key=lambda key: (_ORDER[stored[key]], key))
    header: dict[str, object] = {"__metadata__": {**weights.metadata, "format": "pt"}}
    end = 0
    for key in keys:
        start, end = end, end + weights.tensors[key].numel() * stored[key].itemsize
        header[key] = {
            "dtype": _NAMES[stored[key]],
            "shape": list(weights.tensors[key].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for done, key in enumerate(keys, 1):
        file.write(_bytes(weights.tensors[key], stored[key], f"{weights.name}: {key}"))
        on_tensor(done, len(keys))


def _stored_as(found: torch.dtype, wanted: torch.dtype | None) -> torch.dtype:
    return wanted if wanted is not None and found.is_floating_point else found


def _bytes(tensor: Tensor, dtype: torch.dtype, name: str) -> memoryview:
    converted = tensor.detach().to(dtype).contiguous()
    if tensor.numel() and dtype.is_floating_point and dtype.itemsize < tensor.dtype.itemsize:
        low, high = (value.item() for value in tensor.aminmax())
        largest = torch.finfo(dtype).max
        if largest < max(-low, high) < float("inf"):
            raise CheckpointError(
                f"{name} holds values up to {max(-low, high):.3g}, more than {largest:.3g}, the "
                f"largest number of {str(dtype)[6:]}. Convert to bf16 or fp32."
            )
    return converted.flatten().view(torch.uint8).numpy().data


def _same_keys(written: Weights, weights: Weights) -> None:
    if written.shapes != weights.shapes:
        raise CheckpointError(
            f"{weights.name}: the converted file could not be read back as it was written. "
            "Check the disk and try again."
        )
