"""Atomic file writes: readers never see an incomplete file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import MediaError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Context that yields a temporary file beside `path` and renames it to `path` on success.

    The temporary file keeps the extension, since writers derive the format from it. After an error
    it is removed, and an existing file at `path` is unchanged.

    Raises:
        MediaError: the folder cannot be created or written, or the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp creates files that only their owner can read.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as e:
        raise MediaError(
            f"{path}: cannot be written ({e.strerror or e}). "
            "Choose a folder you may write to on a disk with free space."
        ) from e
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
