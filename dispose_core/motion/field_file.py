"""A motion field as an .npz file, written and read without ever holding a clip at full size.

For other programs, at the size asked for (np.load reads it):
    flow (F+1, 2, H, W) and trajectory (F+1, 2, H, W) float32, (dx, dy) in pixels;
    valid (F+1,) bool; size (2,) H, W. Entry n+1 belongs to pose n of the driving list.
For ourselves, small: grid, start, end, visible, layer, subject, resample, report and picture_size,
the parts of `MotionField` by their names, text as UTF-8 bytes. `load_field` needs these or, from
other programs, flow, valid and size.

Nothing in a file is ever unpickled, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import torch

from ..errors import MediaError
from ..media.atomic_write import atomic_write
from ..pose.skeleton import N_BODY
from ..progress import Progress
from .motion_field import MotionField
from .trajectory import TrajectoryPoints

# Entries written at a time.
CHUNK = 4
# Deflate at its fastest: a sixth to a third of the size for 0.08 s an entry of 576×1024.
LEVEL = 1
# What deflate can do at best; a member that claims more is damaged or made to fill the memory.
BEST_DEFLATE = 1032
LARGEST_SIDE = 16384
# Maps on the grid that not every densifier gives.
OPTIONAL = ("layer", "subject")

# What reading a damaged archive or array header can raise, beside OSError.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    SyntaxError,
    TypeError,
    RuntimeError,
    MemoryError,
    tokenize.TokenError,
)


def save_field(
    field: MotionField, path: str | Path, size: tuple[int, int], on_entry: Progress
) -> None:
    """See `MotionField.save`."""
    points = field.trajectories
    small = {
        "valid": field.valid.numpy(),
        "size": np.array(size, dtype=np.int64),
        "picture_size": np.array(field.size, dtype=np.int64),
        "grid": field.grid.numpy(),
        "start": points.start.numpy(),
        "end": points.end.numpy(),
        "visible": points.visible.numpy(),
        "resample": np.array(field.resample.encode()),
        "report": np.array([line.encode() for line in field.report], dtype=np.bytes_),
    }
    for name in OPTIONAL:
        if (part := getattr(field, name)) is not None:
            small[name] = part.float().numpy()
    count = len(field)
    with (
        atomic_write(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive,
    ):
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        # One after the other: a zip archive has one open member at a time.
        for half, (name, part) in enumerate(
            (("flow", field.frames), ("trajectory", field.trajectory))
        ):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": (count, 2, *size)}
                np.lib.format.write_array_header_1_0(member, header)
                for first in range(0, count, CHUNK):
                    chunk = part(slice(first, first + CHUNK), size).numpy()
                    member.write(np.ascontiguousarray(chunk, dtype="<f4").data)
                    done = min(first + CHUNK, count)
                    on_entry(half * count + done, 2 * count)


def load_field(path: str | Path) -> MotionField:
    """See `MotionField.load`."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_field(_Archive(archive, path))
    except OSError as e:
        raise MediaError(
            f"motion field {path}: cannot be read ({e.strerror or e}). Check the path."
        ) from e
    except _DAMAGE as e:
        raise MediaError(
            f"motion field {path}: damaged, cut off or not an .npz file ({e or type(e).__name__}). "
            "Make the motion field again."
        ) from e


class _Archive:
    """The arrays of an .npz, each checked before memory is spent on it."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive = archive
        self.path = path
        self.file_size = path.stat().st_size
        self.names = {name.removesuffix(".npy") for name in archive.namelist()}

    def wrong(self, what: str) -> MediaError:
        return MediaError(f"motion field {self.path}: {what}. Make the motion field again.")

    def read(self, name: str, dtype: type, shape: tuple[int | None, ...]) -> np.ndarray:
        """One array, as `dtype`.

        Args:
            dtype: what it becomes; in the file any width and byte order of that kind will do.
            shape: the shape it must have; None for any length.
        """
        if name not in self.names:
            has = ", ".join(sorted(self.names)) or "nothing"
            raise self.wrong(f"there is no '{name}' in it, only {has}")
        info = self.archive.getinfo(f"{name}.npy")
        with self.archive.open(info) as member:
            found, columns_first, stored = _read_header(member)
            fits = len(found) == len(shape) and all(
                f == s or s is None for f, s in zip(found, shape, strict=True)
            )
            kind = np.dtype(dtype).kind
            if not fits or stored.kind not in ("iu" if kind == "i" else kind):
                wanted = ", ".join("any" if s is None else str(s) for s in shape)
                raise self.wrong(
                    f"'{name}' is {stored} {found}, needed {np.dtype(dtype)} ({wanted})"
                )
            # Python's integers do not overflow, however large the claim.
            claimed = stored.itemsize * math.prod(found)
            packed = min(info.compress_size, self.file_size)
            if claimed > info.file_size or info.file_size > BEST_DEFLATE * packed + 1024:
                raise self.wrong(
                    f"'{name}' claims {claimed / 1e6:.1f} MB, which cannot be in the "
                    f"{packed / 1e6:.1f} MB the file has for it"
                )
            array = np.empty(found[::-1] if columns_first else found, stored)
            _fill(array, member)
        with np.errstate(over="ignore"):
            array = (array.T if columns_first else array).astype(dtype, order="C", copy=False)
        if kind == "f" and not all(np.isfinite(part).all() for part in array):
            raise self.wrong(f"'{name}' has values that are not finite numbers")
        return array

    def read_size(self, name: str) -> tuple[int, int]:
        height, width = self.read(name, np.int64, (2,)).tolist()
        if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE):
            raise self.wrong(f"'{name}' is {height}, {width} (H, W), needed 1…{LARGEST_SIDE} each")
        return height, width


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(member)
    raise ValueError(f"array format {version}")


def _fill(array: np.ndarray, member: IO[bytes]) -> None:
    """Reads exactly the array; the archive's own check sum is compared at the member's end."""
    rest = memoryview(array.reshape(-1).view(np.uint8))
    while rest:
        count = member.readinto(rest[: 1 << 24])
        if not count:
            raise EOFError("an array is shorter than its header says")
        rest = rest[count:]
    if member.read(1):
        raise ValueError("an array is longer than its header says")


def _read_field(file: _Archive) -> MotionField:
    valid = file.read("valid", np.bool_, (None,))
    count = len(valid)
    if "grid" in file.names:
        grid = file.read("grid", np.float32, (count, 2, None, None))
        size = file.read_size("picture_size")
        start = file.read("start", np.float64, (count, N_BODY, 2))
        end = file.read("end", np.float64, (count, N_BODY, 2))
        visible = file.read("visible", np.bool_, (count, N_BODY))
        resample = file.read("resample", np.bytes_, ()).item().decode()
        report = [line.decode() for line in file.read("report", np.bytes_, (None,)).tolist()]
    else:
        size = file.read_size("size")
        grid = file.read("flow", np.float32, (count, 2, *size))
        start = end = np.zeros((count, N_BODY, 2))
        visible = np.zeros((count, N_BODY), dtype=np.bool_)
        resample = "bilinear"
        report = [f"{file.path.name}: flow of another program, without trajectories"]
    layer, subject = (
        torch.from_numpy(file.read(name, np.float32, grid.shape[2:]))
        if name in file.names
        else None
        for name in OPTIONAL
    )
    if resample not in ("bilinear", "nearest"):
        raise file.wrong(f"'resample' is {resample!r}, needed 'bilinear' or 'nearest'")
    if not grid.size or grid[0].any():
        raise file.wrong("entry 0, the reference itself, is missing or moves")
    points = TrajectoryPoints(*(torch.from_numpy(a) for a in (start, end, visible)))
    return MotionField(
        torch.from_numpy(grid),
        points,
        size,
        torch.from_numpy(valid),
        layer,
        subject,
        resample,
        report,
    )
