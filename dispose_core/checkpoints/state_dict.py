"""Weights from a file that may be anything: opened without running what is in it.

safetensors and PyTorch's zip files are mapped into memory, not read: a tensor costs memory when it
is used, and files larger than memory can be looked into.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from ..errors import CheckpointError
from .magic import read_head
from .torchscript_onnx import read_program
from .weights import Weights

# Where checkpoints of training keep the weights.
_WRAPPERS = ("state_dict", "model")


def open_weights(path: str | Path) -> Weights:
    """The tensors of a .safetensors, .pth, .pt, .ckpt, .bin or .pth.tar file.

    The content decides what it is, not the name. A `state_dict` inside is unpacked, a `module.`
    before every key taken off, and anything that is no tensor left out.

    Raises:
        CheckpointError: missing, empty, cut off, no weights file, or one with program code in it,
            which is refused and never run.
    """
    path = Path(path)
    head = read_head(path)
    if head[8:9] == b"{":
        tensors, metadata = _open_safetensors(path)
        return Weights(path.name, _checked(tensors, path.name), "safetensors", metadata)
    if head[:2] == b"PK":
        _refuse_cut_archive(path)
    program = read_program(path, head)
    if program is not None:
        raise CheckpointError(
            f"{path.name}: {program.architecture.summary}, as {program.format}: a program, not "
            "plain weights. It was not run. Pose detectors of this format belong into the "
            "detection folder; here use the weights as they are published."
        )
    if head[:2] == b"PK" or head[:1] == b"\x80":
        zipped = head[:2] == b"PK"
        tensors, left_out = _state_dict(_open_torch(path, zipped), path.name)
        kind = "PyTorch" if zipped else "PyTorch before 1.6"
        return Weights(path.name, _checked(tensors, path.name), kind, left_out=left_out)
    raise CheckpointError(
        f"{path.name}: neither safetensors nor a PyTorch file (it begins with "
        f"{head[:8]!r}). Use the weights as they are published."
    )


def _open_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
        return load_file(path, device="cpu"), metadata
    except Exception as e:  # the library raises SafetensorError, KeyError, OSError, MemoryError …
        reason = str(e) if isinstance(e, SafetensorError) else f"{type(e).__name__}: {e}"
        raise CheckpointError(
            f"{path.name}: a damaged or cut-off safetensors file ({reason[:200]}). "
            "Download it again."
        ) from e


def _open_torch(path: Path, zipped: bool) -> object:
    if zipped:
        _refuse_other_archives(path)
    try:
        if zipped and path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        # The old format cannot be mapped; and by a path that ends so, torch would go by the name.
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as e:  # a hostile file may raise anything on its way through the unpickler
        reason = str(e).splitlines() or [type(e).__name__]
        code = re.search(r"GLOBAL ([\w.]+)", str(e))
        if code:
            raise CheckpointError(
                f"{path.name}: wants program code ({code.group(1)}) run to be read. It was "
                "refused and nothing of it was run. Use a safetensors file, or one that holds "
                "nothing but weights."
            ) from e
        raise CheckpointError(
            f"{path.name}: a damaged or cut-off PyTorch file, or a pickle that is none "
            f"({reason[-1][:200]}). Download it again."
        ) from e


def _refuse_cut_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path.name}: the file is cut off after {path.stat().st_size:,} bytes, its table of "
            "contents at the end is missing. Download it again."
        )


def _refuse_other_archives(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as e:  # zipfile meets hostile archives with errors of many kinds
        raise CheckpointError(f"{path.name}: a damaged archive ({e}). Download it again.") from e
    names = [member.filename for member in members]
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(
            f"{path.name}: an archive without PyTorch weights in it (it holds "
            f"{', '.join(names[:3]) or 'nothing'}). Unpack it and use the weights file."
        )
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise CheckpointError(
            f"{path.name}: a compressed archive, which PyTorch never writes. Unpacked it may be "
            "of any size. Use the weights as they are published."
        )


def _state_dict(found: object, name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The flat state dict in what was read, and the names of what else there was."""
    outer: list[str] = []
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            outer = [str(key) for key in found if key != wrapper]
            found = found[wrapper]
            break
    inner = found if isinstance(found, Mapping) else {}
    tensors = {k: v for k, v in inner.items() if isinstance(k, str) and isinstance(v, Tensor)}
    return tensors, (*outer, *(str(key) for key in inner if not isinstance(inner[key], Tensor)))


def _checked(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors without a `module.` before every key; each has its numbers in the file.

    Raises:
        CheckpointError: no tensor, tensors without numbers, or that claim more numbers than there
            are: a few bytes may stand for terabytes, which the first copy would fill memory with.
    """
    if not tensors:
        raise CheckpointError(
            f"{name}: no weights in it, that is no tensors by name. "
            "Use the weights as they are published."
        )
    for key, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise CheckpointError(
                f"{name}: {key} is a {tensor.layout} tensor on {tensor.device}, not plain numbers. "
                "Use the weights as they are published."
            )
        claimed = tensor.numel() * tensor.element_size()
        if claimed > tensor.untyped_storage().nbytes():
            raise CheckpointError(
                f"{name}: {key} claims {claimed:,} bytes and the file holds "
                f"{tensor.untyped_storage().nbytes():,} for it. The file is damaged or made to "
                "fill the memory; download it again."
            )
    if all(key.startswith("module.") for key in tensors):
        return {key[len("module.") :]: tensor for key, tensor in tensors.items()}
    return tensors
