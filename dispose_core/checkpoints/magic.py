"""The first bytes of a weights file: what people save in place of one is told from them.

A page that asks for a login, a pointer to the real file, half a download: each gets a message of
its own before anything tries to read it.
"""

from __future__ import annotations

import string
from pathlib import Path

from ..errors import CheckpointError

HEAD = 64

# Beginnings of what is no weights file.
_UNEXPECTED_MAGIC = (
    (b"<", "a web page, as is saved when a download asks for a login or fails"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for"),
    (b"GGUF", "a GGUF file; quantised weights are not supported"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file, as Keras writes"),
)

# What browsers and download programs append to the name while they work.
_HALF = (".part", ".crdownload", ".download", ".incomplete", ".aria2", ".opdownload", ".tmp")

_PRINTABLE = frozenset(string.printable.encode())


def read_head(path: Path) -> bytes:
    """The first `HEAD` bytes of what may be a weights file.

    Raises:
        CheckpointError: missing, a folder, empty, half a download, or something that is plainly
            no weights file.
    """
    partial = _unfinished(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except IsADirectoryError as e:
        raise _is_folder(path) from e
    except OSError as e:
        if path.is_dir():  # what Windows answers with "permission denied"
            raise _is_folder(path) from e
        hint = f" {partial.name} is there: its download is not finished." if partial else ""
        raise CheckpointError(
            f"{path}: cannot be read ({e.strerror or e}).{hint} Check the path and its permissions."
        ) from e
    except ValueError as e:  # a name with a zero byte
        raise CheckpointError(f"{path!s:.200}: not the name of a file ({e}).") from e
    if partial is not None and (partial.suffix == ".aria2" or not head):
        # aria2 makes the file in its full size first, so that it looks whole.
        raise CheckpointError(
            f"{path.name}: {partial.name} lies beside it: its download is not finished. "
            "Resume the download, or delete both and download again."
        )
    if path.suffix.lower() in _HALF:
        raise CheckpointError(
            f"{path.name}: by its name half a download. Let the download finish, or start it again."
        )
    if not head:
        raise CheckpointError(f"{path.name}: the file is empty. Download it again.")
    if not any(head):
        raise CheckpointError(
            f"{path.name}: begins with nothing but zeros, as does a file that a download has made "
            "room for and not filled. Download it again."
        )
    for beginning, what in _UNEXPECTED_MAGIC:
        if head.lstrip().startswith(beginning):
            raise CheckpointError(f"{path.name}: this is {what}. Download the weights again.")
    if _PRINTABLE.issuperset(head):
        start = head.decode("ascii").split("\n")[0].strip()
        raise CheckpointError(
            f"{path.name}: this is text or JSON, not weights (it begins with {start[:40]!r}); "
            "often it is the answer of a server that refused the download. Download it again."
        )
    return head


def _is_folder(path: Path) -> CheckpointError:
    return CheckpointError(f"{path}: cannot be read, it is a folder. Choose a file in it.")


def _unfinished(path: Path) -> Path | None:
    """The file beside this one that shows that its download goes on or broke off."""
    for ending in _HALF:
        beside = path.with_name(path.name + ending) if path.name else path
        try:
            if beside != path and beside.is_file():
                return beside
        except (OSError, ValueError):
            return None
    return None
