"""Check the first bytes of a weights file before it is opened.

Incomplete downloads and files saved by mistake, such as login pages and Git LFS pointers, are
reported by kind.
"""

from __future__ import annotations

import string
from pathlib import Path

from ..errors import CheckpointError

HEAD = 64  # bytes

# Signatures of other file types.
_UNEXPECTED_MAGIC = (
    (b"<", "a web page, often saved when a download fails or requires a login"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"GGUF", "a GGUF file; quantised weights are not supported"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file, such as Keras saves"),
)

# Suffixes of unfinished downloads.
_PARTIAL = (".part", ".crdownload", ".download", ".incomplete", ".aria2", ".opdownload", ".tmp")

_PRINTABLE = frozenset(string.printable.encode())


def read_head(path: Path) -> bytes:
    """Read the first `HEAD` bytes of a weights file.

    Raises:
        CheckpointError: the path is missing or a folder, or the file is empty, an incomplete
            download or of another type.
    """
    partial = _download_marker(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except IsADirectoryError as e:
        raise _folder_error(path) from e
    except OSError as e:
        if path.is_dir():  # Windows raises PermissionError for folders
            raise _folder_error(path) from e
        hint = f" {partial.name} exists: the download is not finished." if partial else ""
        raise CheckpointError(
            f"{path}: cannot be read ({e.strerror or e}).{hint} Check the path and its permissions."
        ) from e
    except ValueError as e:  # the name contains a null byte
        raise CheckpointError(f"{path!s:.200}: not a valid file name ({e}).") from e
    if partial is not None and (partial.suffix == ".aria2" or not head):
        # aria2 allocates the file at its full size, so an incomplete file looks complete.
        raise CheckpointError(
            f"{path.name}: {partial.name} exists: the download is not finished. "
            "Resume the download, or delete both and download again."
        )
    if path.suffix.lower() in _PARTIAL:
        raise CheckpointError(
            f"{path.name}: the suffix marks an unfinished download. Let it finish, or start again."
        )
    if not head:
        raise CheckpointError(f"{path.name}: the file is empty. Download it again.")
    if not any(head):
        raise CheckpointError(
            f"{path.name}: the file begins with nothing but zeros. It was probably allocated by a "
            "download that did not finish. Download it again."
        )
    for magic, kind in _UNEXPECTED_MAGIC:
        if head.lstrip().startswith(magic):
            raise CheckpointError(f"{path.name}: this is {kind}. Download the weights again.")
    if _PRINTABLE.issuperset(head):
        start = head.decode("ascii").split("\n")[0].strip()
        raise CheckpointError(
            f"{path.name}: this is text or JSON, not weights (it begins with {start[:40]!r}); "
            "often a server's reply that refused the download. Download it again."
        )
    return head


def _folder_error(path: Path) -> CheckpointError:
    return CheckpointError(f"{path}: cannot be read because it is a folder. Choose a file in it.")


def _download_marker(path: Path) -> Path | None:
    """Return the file that a download program keeps next to an unfinished one, if any."""
    for suffix in _PARTIAL:
        marker = path.with_name(path.name + suffix) if path.name else path
        try:
            if marker != path and marker.is_file():
                return marker
        except (OSError, ValueError):
            return None
    return None
