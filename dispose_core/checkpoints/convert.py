"""Convert weights to a safetensors file, one tensor at a time.

safetensors' own writer takes all tensors at once and would hold a converted 3 GB file in memory.
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

# safetensors' type names. Tensors are written widest type first, which keeps them aligned.
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
    """Convert a weights file that the pack recognizes to safetensors.

    `state_dict` wrappers, `module.` prefixes and contents other than tensors are dropped.

    Args:
        output: path of the .safetensors file; it is replaced only once it is complete.
        dtype: type of the floating-point tensors; None keeps the types of the file.
        on_tensor: called with the number of tensors written and the total.

    Raises:
        CheckpointError: the weights are not recognized, incomplete, or too large for `dtype`, or
            the output is the input file.
        MediaError: the output cannot be written.
    """
    source, output = Path(source), Path(output)
    if output.suffix.lower() != ".safetensors":
        raise CheckpointError(f"{output.name}: the name of the output must end in .safetensors.")
    weights = open_weights(source)
    if output.exists() and output.samefile(source):
        raise CheckpointError(f"{output}: the output is the input file. Choose another name.")
    architecture = _require_complete(weights)
    with atomic_write(output) as temporary:
        with temporary.open("wb") as file:
            _write(file, weights, dtype, on_tensor)
        _verify(open_weights(temporary), weights)
    return architecture


def _require_complete(weights: Weights) -> Architecture:
    architecture = recognize(weights.shapes)
    if architecture is UNKNOWN:
        raise CheckpointError(
            f"{weights.name}: {architecture.summary} (its first tensor is "
            f"{next(iter(weights.tensors))}). "
            "Only files that `inspect` recognizes can be converted."
        )
    diff = architecture.compare(weights)
    if diff is not None and not diff:
        raise CheckpointError(
            f"{weights.name}: {architecture.summary}, but incomplete. {diff.faults()}. "
            "Use the file as it was published, or download it again."
        )
    return architecture


def _write(
    file: BinaryIO, weights: Weights, dtype: torch.dtype | None, on_tensor: Progress
) -> None:
    dtypes = {key: _target_dtype(t.dtype, dtype) for key, t in weights.tensors.items()}
    for key, kind in dtypes.items():
        if kind not in _NAMES:
            raise CheckpointError(
                f"{weights.name}: {key} has type {kind}, which safetensors does not support. "
                "Use the weights as published."
            )
    keys = sorted(dtypes, key=lambda key: (_ORDER[dtypes[key]], key))
    header: dict[str, object] = {"__metadata__": {**weights.metadata, "format": "pt"}}
    end = 0
    for key in keys:
        start, end = end, end + weights.tensors[key].numel() * dtypes[key].itemsize
        header[key] = {
            "dtype": _NAMES[dtypes[key]],
            "shape": list(weights.tensors[key].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for done, key in enumerate(keys, 1):
        file.write(_bytes(weights.tensors[key], dtypes[key], f"{weights.name}: {key}"))
        on_tensor(done, len(keys))


def _target_dtype(stored: torch.dtype, dtype: torch.dtype | None) -> torch.dtype:
    return dtype if dtype is not None and stored.is_floating_point else stored


def _bytes(tensor: Tensor, dtype: torch.dtype, name: str) -> memoryview:
    converted = tensor.detach().to(dtype).contiguous()
    if tensor.numel() and dtype.is_floating_point and dtype.itemsize < tensor.dtype.itemsize:
        low, high = (value.item() for value in tensor.aminmax())
        largest = torch.finfo(dtype).max
        if largest < max(-low, high) < float("inf"):
            raise CheckpointError(
                f"{name} holds values up to {max(-low, high):.3g}, but {str(dtype)[6:]} only "
                f"reaches {largest:.3g}. Convert to bf16 or fp32."
            )
    return converted.flatten().view(torch.uint8).numpy().data


def _verify(copy: Weights, weights: Weights) -> None:
    if copy.shapes != weights.shapes:
        raise CheckpointError(
            f"{weights.name}: the converted file differs when it is read back. "
            "Check the disk and try again."
        )
