"""Weights from a file that may be anything: opened without running what is in it.

safetensors and PyTorch's zip files are mapped into memory, not read: a tensor costs memory when it
is used, and files larger than memory can be looked into.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .errors import CheckpointError

# Beginnings of what people save by mistake in place of weights.
_STRANGERS = (
    (b"<", "a web page, as is saved when a download asks for a login or fails"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for"),
    (b"GGUF", "a GGUF file"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
)


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors of a file by key.

    Attributes:
        name: the file's, for messages.
        tensors: on the CPU, mapped from the file where its format allows.
    """

    name: str
    tensors: dict[str, Tensor]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {key: tuple(tensor.shape) for key, tensor in self.tensors.items()}

    def below(self, prefix: str) -> Weights:
        """Those whose key begins with `prefix`, which is taken off."""
        return Weights(
            self.name,
            {k[len(prefix) :]: v for k, v in self.tensors.items() if k.startswith(prefix)},
        )


def open_weights(path: str | Path) -> Weights:
    """The tensors of a .safetensors, .pth, .pt, .ckpt, .bin or .pth.tar file.

    The content decides what it is, not the name. A `state_dict` inside is unpacked, a `module.`
    before every key taken off, and anything that is no tensor left out.

    Raises:
        CheckpointError: missing, empty, cut off, no weights file, or one with program code in it,
            which is refused and never run.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as e:
        raise CheckpointError(
            f"{path}: cannot be read ({e.strerror or e}). Check the path and its permissions."
        ) from e
    if not size:
        raise CheckpointError(f"{path.name}: the file is empty. Download it again.")
    for beginning, what in _STRANGERS:
        if head.lstrip().startswith(beginning):
            raise CheckpointError(f"{path.name}: this is {what}. Download the weights again.")
    if head[8:9] == b"{":
        found: object = _open_safetensors(path)
    elif head[:2] == b"PK" or head[:1] == b"\x80":
        found = _open_torch(path, size, zipped=head[:2] == b"PK")
    else:
        raise CheckpointError(
            f"{path.name}: neither safetensors nor a PyTorch file (it begins with "
            f"{head[:8]!r}). Use the weights as they are published."
        )
    return Weights(path.name, _tensors(found, path.name))


def _open_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, ValueError, KeyError, RuntimeError, OSError) as e:
        raise CheckpointError(
            f"{path.name}: a damaged or cut-off safetensors file ({e}). Download it again."
        ) from e


def _open_torch(path: Path, size: int, zipped: bool) -> object:
    if zipped:
        if not zipfile.is_zipfile(path):
            raise CheckpointError(
                f"{path.name}: the file is cut off after {size:,} bytes, its table of contents "
                "at the end is missing. Download it again."
            )
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


def _refuse_other_archives(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as e:
        raise CheckpointError(f"{path.name}: a damaged archive ({e}). Download it again.") from e
    if any(name.endswith("constants.pkl") for name in names):
        raise CheckpointError(
            f"{path.name}: a TorchScript program, not plain weights. It was not run. "
            "Use the weights as they are published."
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(
            f"{path.name}: an archive without PyTorch weights in it (it holds "
            f"{', '.join(names[:3]) or 'nothing'}). Unpack it and use the weights file."
        )


def _tensors(found: object, name: str) -> dict[str, Tensor]:
    """The flat state dict in what was read."""
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    tensors = (
        {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, Tensor)}
        if isinstance(found, Mapping)
        else {}
    )
    if not tensors:
        raise CheckpointError(
            f"{name}: no weights in it ({type(found).__name__} without tensors by name). "
            "Use the weights as they are published."
        )
    if all(key.startswith("module.") for key in tensors):
        tensors = {key[len("module.") :]: tensor for key, tensor in tensors.items()}
    return tensors
