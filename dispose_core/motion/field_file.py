"""Motion field files: safetensors with the flow packed on the densifier's grid.

Only grid points that move in some frame are stored, as 16-bit steps with one scale per frame, so
the error of a value is at most 1/65534 of the frame's largest displacement.

    moving (P,) int32      flat indices into the (h, w) grid
    flow (F+1, 2, P) int16, scale (F+1,) float32: grid pixels = flow · scale
    start, end, visible    `TrajectoryPoints`
    valid (F+1,), and where the densifier knows them layer and subject (h, w)

The metadata holds format, version, grid and size as "H W", resample, and the report as JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, cast

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..checkpoints.state_dict import open_weights
from ..errors import CheckpointError, MediaError
from ..media.atomic_write import atomic_write
from ..pose.skeleton import N_BODY
from ..progress import Progress, no_progress
from .flow_npz import load_flow
from .motion_field import MotionField, check_first_frame
from .trajectory import TrajectoryPoints

FORMAT, VERSION = "dispose motion field", "1"
STEPS = 32767  # of int16
LARGEST_SIDE = 16384
LARGEST_GRID = 1 << 26  # points; a grid is at most the size of an image
_OPTIONAL = ("layer", "subject")


def save_field(field: MotionField, path: str | Path, on_frame: Progress = no_progress) -> None:
    """Write a motion field for `load_field`.

    Args:
        on_frame: called after each frame is packed; may raise to cancel, which leaves no file.

    Raises:
        MediaError: the folder cannot be written, or the disk is full.
    """
    count, grid = len(field), field.grid.flatten(2)
    moves = torch.zeros(grid.shape[-1], dtype=torch.bool)
    for frame in grid:  # frame by frame to save memory
        moves |= frame.any(0)
    moving = moves.nonzero()[:, 0]
    packed = torch.empty(count, 2, len(moving), dtype=torch.int16)
    scale = torch.zeros(count)
    for n, frame in enumerate(grid):
        values = frame[:, moving]
        scale[n] = values.abs().max() / STEPS if values.numel() else 0
        if scale[n]:
            packed[n] = (values / scale[n]).round()
        else:
            packed[n] = 0
        on_frame(n + 1, count)
    points = field.trajectories
    tensors = {
        "moving": moving.int(),
        "flow": packed,
        "scale": scale,
        "start": points.start,
        "end": points.end,
        "visible": points.visible,
        "valid": field.valid,
    }
    for name in _OPTIONAL:
        if (part := getattr(field, name)) is not None:
            tensors[name] = part.float()
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "grid": "{} {}".format(*field.grid.shape[-2:]),
        "size": "{} {}".format(*field.size),
        "resample": field.resample,
        "report": json.dumps(field.report),
    }
    with atomic_write(path) as temporary:
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(tensors, temporary, metadata=metadata)


def load_field(path: str | Path) -> MotionField:
    """Read a motion field from `save_field`, or the flow of an .npz (`flow_npz.load_flow`).

    Raises:
        MediaError: the file is missing, damaged, or holds no motion field.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return load_flow(path)
    try:
        tensors = open_weights(path).tensors  # validates damaged files
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except CheckpointError as e:
        raise MediaError(f"motion field {e}") from e
    except Exception as e:  # weights of another format, which have no metadata
        raise _wrong(path, f"not a safetensors file ({e})") from e
    if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
        raise _wrong(path, "not a motion field of this version of the pack")
    return _unpack(path, tensors, metadata)


def _unpack(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> MotionField:
    grid_size, size = _size(path, metadata, "grid"), _size(path, metadata, "size")
    if grid_size[0] * grid_size[1] > LARGEST_GRID:
        raise _wrong(path, f"its grid is {grid_size[0]}×{grid_size[1]}")
    count = len(tensors["valid"]) if "valid" in tensors else 0
    points = tensors["moving"].numel() if "moving" in tensors else 0
    shapes = {
        "moving": (torch.int32, (points,)),
        "flow": (torch.int16, (count, 2, points)),
        "scale": (torch.float32, (count,)),
        "start": (torch.float64, (count, N_BODY, 2)),
        "end": (torch.float64, (count, N_BODY, 2)),
        "visible": (torch.bool, (count, N_BODY)),
        "valid": (torch.bool, (count,)),
        **{name: (torch.float32, grid_size) for name in _OPTIONAL if name in tensors},
    }
    for name, (dtype, shape) in shapes.items():
        tensor = tensors.get(name)
        if tensor is None or tensor.dtype != dtype or tuple(tensor.shape) != shape:
            what = "missing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)}"
            raise _wrong(path, f"'{name}' is {what}, needed {dtype} {shape}")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise _wrong(path, f"'{name}' has values that are not finite numbers")
    moving = tensors["moving"].long()
    if points and not 0 <= int(moving.min()) <= int(moving.max()) < grid_size[0] * grid_size[1]:
        raise _wrong(path, "'moving' has points outside the grid")
    resample = metadata.get("resample")
    if resample not in ("bilinear", "nearest"):
        raise _wrong(path, f"'resample' is {resample!r}, needed 'bilinear' or 'nearest'")
    try:
        report = [str(line) for line in json.loads(metadata.get("report", "[]"))]
    except (ValueError, TypeError) as e:
        raise _wrong(path, f"its report cannot be read ({e})") from e
    grid = torch.zeros(count, 2, grid_size[0] * grid_size[1])
    for n in range(count):
        grid[n][:, moving] = tensors["flow"][n] * tensors["scale"][n]
    start, end, visible = (tensors[name].clone() for name in ("start", "end", "visible"))
    layer, subject = (tensors[name].clone() if name in tensors else None for name in _OPTIONAL)
    field = MotionField(
        grid.unflatten(2, grid_size),
        TrajectoryPoints(start, end, visible),
        size,
        tensors["valid"].clone(),
        layer,
        subject,
        cast(Literal["bilinear", "nearest"], resample),
        report,
    )
    check_first_frame(field.grid, path)
    return field


def _size(path: Path, metadata: dict[str, str], name: str) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in metadata[name].split())
    except (KeyError, ValueError) as e:
        raise _wrong(path, f"its {name} is not given") from e
    if not (1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE):
        raise _wrong(path, f"its {name} is {height}×{width}, needed 1…{LARGEST_SIDE} each")
    return height, width


def _wrong(path: Path, what: str) -> MediaError:
    return MediaError(f"motion field {path}: {what}. Make the motion field again.")
