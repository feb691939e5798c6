"""Small files for the views in the browser, in ComfyUI's temp folder, which it empties itself.

A file is named after its content: the same image is written once, whoever shows it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import folder_paths

from ...dispose_core.media.atomic_write import atomic_write

SUBFOLDER = "dispose"
# When all files of the folder are larger together, the ones unused for longest are removed.
MOST_BYTES = 256 * 2**20


def write_temp(data: bytes, extension: str) -> str:
    """Keeps a file until ComfyUI ends or newer ones need the space.

    Returns:
        its name; it is in the subfolder `SUBFOLDER` of the temp folder.

    Raises:
        MediaError: the folder cannot be written, or the disk is full.
    """
    folder = _folder()
    path = folder / (hashlib.blake2b(data, digest_size=12).hexdigest() + extension)
    try:
        os.utime(path)  # it is in use again
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
        except OSError:  # another run has just removed it
            continue
        files.append((state.st_mtime_ns, state.st_size, Path(entry.path)))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= MOST_BYTES:
            return
        if path != keep:
            try:
                path.unlink()
            except OSError:  # being sent to a browser; the next call removes it
                continue
            total -= size
