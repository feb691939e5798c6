"""Open weights files without running code in them.

safetensors and PyTorch's zip files are memory-mapped, so tensors take memory only when they are
used.
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
from .programs import read_program
from .weights import Weights

# Keys under which training checkpoints store the weights.
_WRAPPERS = ("state_dict", "model")


def open_weights(path: str | Path) -> Weights:
    """Open a .safetensors, .pth, .pt, .ckpt, .bin or .pth.tar file.

    The format is detected from the content, not the name. `state_dict` wrappers and `module.`
    prefixes are removed, and contents other than tensors are dropped.

    Raises:
        CheckpointError: the file is missing, empty, truncated, not a weights file, or contains
            program code, which is never run.
    """
    path = Path(path)
    head = read_head(path)
    if head[8:9] == b"{":
        tensors, metadata = _open_safetensors(path)
        return Weights(path.name, _check_tensors(tensors, path.name), "safetensors", metadata)
    if head[:2] == b"PK":
        _require_complete_archive(path)
    program = read_program(path, head)
    if program is not None:
        raise CheckpointError(
            f"{path.name}: {program.architecture.summary}, as {program.format}: a program, not "
            "plain weights. It was not run. Pose detectors in this format belong in the "
            "detection folder; use the published weights here."
        )
    if head[:2] == b"PK" or head[:1] == b"\x80":
        zipped = head[:2] == b"PK"
        tensors, left_out = _state_dict(_open_torch(path, zipped), path.name)
        kind = "PyTorch" if zipped else "PyTorch before 1.6"
        return Weights(path.name, _check_tensors(tensors, path.name), kind, left_out=left_out)
    raise CheckpointError(
        f"{path.name}: neither safetensors nor a PyTorch file (it begins with "
        f"{head[:8]!r}). Use the weights as published."
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
        _require_torch_archive(path)
    try:
        if zipped and path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        # The old format cannot be mapped, and torch treats every path *.safetensors as safetensors.
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as e:  # malicious files can raise any exception in the unpickler
        reason = str(e).splitlines() or [type(e).__name__]
        code = re.search(r"GLOBAL ([\w.]+)", str(e))
        if code:
            raise CheckpointError(
                f"{path.name}: contains program code ({code.group(1)}), which was not run. Use a "
                "safetensors file, or one that contains only weights."
            ) from e
        raise CheckpointError(
            f"{path.name}: a damaged or cut-off PyTorch file, or another pickle "
            f"({reason[-1][:200]}). Download it again."
        ) from e


def _require_complete_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path.name}: the file is cut off after {path.stat().st_size:,} bytes; the directory "
            "at its end is missing. Download it again."
        )


def _require_torch_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as e:  # zipfile raises many exception types for damaged archives
        raise CheckpointError(f"{path.name}: a damaged archive ({e}). Download it again.") from e
    names = [member.filename for member in members]
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(
            f"{path.name}: an archive without PyTorch weights (it contains "
            f"{', '.join(names[:3]) or 'nothing'}). Unpack it and use the weights file."
        )
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise CheckpointError(
            f"{path.name}: a compressed archive, which PyTorch never writes and which could unpack "
            "to any size. Use the weights as published."
        )


def _state_dict(content: object, name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the state dict in a loaded object, and the keys of its other contents."""
    outer: list[str] = []
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            outer = [str(key) for key in content if key != wrapper]
            content = content[wrapper]
            break
    inner = content if isinstance(content, Mapping) else {}
    tensors = {k: v for k, v in inner.items() if isinstance(k, str) and isinstance(v, Tensor)}
    return tensors, (*outer, *(str(key) for key in inner if not isinstance(inner[key], Tensor)))


def _check_tensors(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Check that all tensors are dense and backed by the file; remove `module.` prefixes.

    Expanded tensors of a few bytes could claim terabytes, which the first copy would allocate.

    Raises:
        CheckpointError: there are no tensors, or one is not dense or exceeds its storage.
    """
    if not tensors:
        raise CheckpointError(
            f"{name}: it contains no weights, that is, no tensors by name. "
            "Use the weights as published."
        )
    for key, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise CheckpointError(
                f"{name}: {key} is a {tensor.layout} tensor on {tensor.device}, not a dense one. "
                "Use the weights as published."
            )
        nbytes = tensor.numel() * tensor.element_size()
        if nbytes > tensor.untyped_storage().nbytes():
            raise CheckpointError(
                f"{name}: {key} claims {nbytes:,} bytes, but the file holds "
                f"{tensor.untyped_storage().nbytes():,} for it. The file is damaged or "
                "malicious; download the published one."
            )
    if all(key.startswith("module.") for key in tensors):
        return {key[len("module.") :]: tensor for key, tensor in tensors.items()}
    return tensors
