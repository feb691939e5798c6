"""Exchange flow and trajectory maps with other programs as .npz.

Written files hold flow and trajectory (F+1, 2, H, W) float32, (dx, dy) in pixels; valid (F+1,)
bool; size (2,) H, W. Frame 0 is the reference; frame n+1 belongs to driving pose n. The reader uses
flow, valid and size and never unpickles.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from ..errors import MediaError
from ..media.atomic_write import atomic_write
from ..pose.skeleton import N_BODY
from ..progress import Progress, no_progress
from .motion_field import MotionField, check_first_frame
from .trajectory import TrajectoryPoints

CHUNK = 4  # frames written at a time
LEVEL = 1  # fastest deflate: a sixth to a third of the size for 0.08 s per frame of 576×1024

# Errors besides OSError that a damaged archive or array header can raise.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, ValueError, SyntaxError, TypeError, KeyError),
    *(RuntimeError, MemoryError, NotImplementedError, tokenize.TokenError),
)


def save_flow(
    field: MotionField,
    path: str | Path,
    size: tuple[int, int] | None = None,
    on_frame: Progress = no_progress,
) -> None:
    """Write flow and trajectory maps, a few frames at a time.

    Args:
        size: (H, W) of flow and maps; the image's when None.
        on_frame: called as frames are written, twice per frame; may raise to cancel, which leaves
            no file.

    Raises:
        MediaError: the folder cannot be written, or the disk is full.
    """
    size, count = size or field.size, len(field)
    small = {"valid": field.valid.numpy(), "size": np.array(size, dtype=np.int64)}
    with (
        atomic_write(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive,
    ):
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        # A zip archive can have only one member open for writing.
        for half, (name, part) in enumerate(
            (("flow", field.flow), ("trajectory", field.trajectory))
        ):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": (count, 2, *size)}
                np.lib.format.write_array_header_1_0(member, header)
                for first in range(0, count, CHUNK):
                    chunk = part(slice(first, first + CHUNK), size).numpy()
                    member.write(np.ascontiguousarray(chunk, dtype="<f4").data)
                    on_frame(half * count + min(first + CHUNK, count), 2 * count)


def load_flow(path: str | Path) -> MotionField:
    """Read a motion field from flow at image size, without trajectories.

    Raises:
        MediaError: the file is missing, damaged, or holds no flow.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            missing = [name for name in ("flow", "valid", "size") if name not in file]
            if missing:
                has = ", ".join(sorted(file)) or "nothing"
                raise _wrong(path, f"there is no '{missing[0]}' in it, only {has}")
            flow, valid, size = (file[name] for name in ("flow", "valid", "size"))
    except OSError as e:
        raise MediaError(
            f"motion field {path}: cannot be read ({e.strerror or e}). Check the path."
        ) from e
    except _DAMAGE as e:
        raise _wrong(path, f"damaged, cut off or not an .npz file ({e or type(e).__name__})") from e
    if size.dtype.kind not in "iu" or size.shape != (2,) or (size < 1).any():
        raise _wrong(path, f"'size' is {size.dtype} {size.tolist()}, needed H, W of 1 or more")
    if valid.dtype != np.bool_ or valid.ndim != 1:
        raise _wrong(path, f"'valid' is {valid.dtype} {valid.shape}, needed bool (frames,)")
    needed = (len(valid), 2, *size.tolist())
    if flow.dtype.kind != "f" or flow.shape != needed:
        raise _wrong(path, f"'flow' is {flow.dtype} {flow.shape}, needed float32 {needed}")
    with np.errstate(over="ignore"):
        grid = torch.from_numpy(flow.astype(np.float32, order="C"))
    if not grid.isfinite().all():
        raise _wrong(path, "'flow' has values that are not finite numbers")
    check_first_frame(grid, path)
    still = torch.zeros(len(valid), N_BODY, 2, dtype=torch.float64)
    points = TrajectoryPoints(still, still, torch.zeros(len(valid), N_BODY, dtype=torch.bool))
    report = [f"{path.name}: flow at full size, without trajectories"]
    height, width = size.tolist()
    return MotionField(grid, points, (height, width), torch.from_numpy(valid), report=report)


def _wrong(path: Path, what: str) -> MediaError:
    return MediaError(f"motion field {path}: {what}. Make the motion field again.")
