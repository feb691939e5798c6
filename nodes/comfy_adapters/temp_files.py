"""Small files for the views in the browser, in ComfyUI's temp folder, which ComfyUI empties.

Files are named after their content, so that each is written only once.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import folder_paths

from ...dispose_core.media.atomic_write import atomic_write

SUBFOLDER = "dispose"
# Size limit of the folder; the least recently used files are removed beyond it.
MOST_BYTES = 256 * 2**20


def write_temp(data: bytes, extension: str) -> str:
    """Write a file that is kept until ComfyUI ends or newer files need the space.

    Returns:
        Its name in the subfolder `SUBFOLDER` of the temp folder.

    Raises:
        MediaError: the folder cannot be written, or the disk is full.
    """
    folder = _folder()
    path = folder / (hashlib.blake2b(data, digest_size=12).hexdigest() + extension)
    try:
        os.utime(path)  # mark as used
    except OSError:
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    _make_room(folder, keep=path)
    return path.name


def _folder() -> Path:
    return Path(folder_paths.get_temp_directory()) / SUBFOLDER


def _make_room(folder: Path, keep: Path) -> None:
    files = []
    for entry in os.scandir(folder):
        try:
            state = entry.stat()
        except OSError:  # removed by a concurrent run
            continue
        files.append((state.st_mtime_ns, state.st_size, Path(entry.path)))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= MOST_BYTES:
            return
        if path != keep:
            try:
                path.unlink()
            except OSError:  # open while being sent to a browser; retried in the next call
                continue
            total -= size
