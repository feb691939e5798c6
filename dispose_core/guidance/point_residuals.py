"""Point residuals of a clip: keypoint features through the point adapter, put at the joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import NetworkError
from ..features.keypoint_features import KeypointFeatures
from ..models.latent import DOWNSCALE, image_size
from ..models.module_utils import placed
from ..models.point_adapter import PointAdapter
from ..pose import skeleton
from ..pose.sequence import PoseSequence
from .control_hints import PointLevel, PointResiduals


@torch.no_grad()
def point_residuals(
    adapter: PointAdapter,
    features: KeypointFeatures,
    sequence: PoseSequence,
    size: tuple[int, int],
    *,
    strength: float = 1.0,
) -> PointResiduals:
    """The point branch of a clip.

    Joints of one cell are averaged; one that the reference does not show counts with a zero
    vector. A level keeps its cells by the official rule: the finest keeps all, coarser ones the
    few whose cell the nearest-neighbour mask happens to hit, so that levels 2 and 3 are empty in
    most frames. Weights were trained so; it is kept.

    Args:
        adapter: stays as it is; any device and dtype.
        features: the reference's.
        sequence: poses of F+1 frames, the reference first (`pose.sequence.join_sequences`).
            Joints left of or above the image are skipped, those beyond the other edges go to the
            last cell.
        size: (H, W) of the image, multiples of 8. Where they are no multiples of 64 the levels
            are as large as the down blocks' outputs, rounded up.
        strength: scales the residuals; 1 is the paper, 0 adds nothing anywhere.

    Returns:
        Residuals by absolute frame, float32 on the CPU.

    Raises:
        NetworkError: features of another width than the adapter's, or a size without a latent.
    """
    size = image_size(size, "point adapter")
    if features.features.shape[1] != adapter.features:
        raise NetworkError(
            f"point adapter: keypoint features have {features.features.shape[1]} channels, it "
            f"needs {adapter.features}. Make them with SD 1.5 at up block 1."
        )
    sizes = level_sizes(size, len(adapter.model_list))
    cells = occupied_cells(sequence, sizes[0])
    sets = torch.from_numpy(cells.sets).float()
    means = sets @ features.features / sets.sum(1, keepdim=True)
    outputs = placed(adapter, "cpu", torch.float32)(means)
    return PointResiduals(
        tuple(
            _level(cells, output * strength, grid) if strength else _empty(output, grid)
            for output, grid in zip(outputs, sizes, strict=True)
        ),
        len(sequence),
    )


def level_sizes(size: tuple[int, int], levels: int) -> list[tuple[int, int]]:
    """(h, w) of the down blocks' outputs for an image (H, W); the last block does not halve."""
    h, w = (side // DOWNSCALE for side in size)
    sizes = []
    for level in range(levels):
        if level < levels - 1:
            h, w = -(-h // 2), -(-w // 2)
        sizes.append((h, w))
    return sizes


@dataclass(frozen=True, eq=False)
class OccupiedCells:
    """Cells of the finest grid that hold a joint, in the order of frame and cell.

    Attributes:
        grid: (h, w).
        key: (M,) int64, frame * h * w + cell, rising.
        set_of: (M,) int64, the row of `sets` that tells which joints are in the cell.
        sets: (U, 18) bool, each combination of joints that occurs, once: in most clips a joint is
            alone in its cell, so some 20 rows stand for a thousand cells.
    """

    grid: tuple[int, int]
    key: np.ndarray
    set_of: np.ndarray
    sets: np.ndarray


def occupied_cells(sequence: PoseSequence, grid: tuple[int, int]) -> OccupiedCells:
    """The cells (h, w) that the visible joints of each frame fall into."""
    height, width = grid
    # A missing point is NaN, which is not >= 0 either.
    inside = sequence.body_visible & (sequence.body >= 0).all(-1)  # (F+1, 18)
    frame, joint = inside.nonzero()
    last = np.array([width - 1, height - 1])
    x, y = np.minimum(sequence.body[frame, joint] * (width, height), last).astype(np.int64).T
    key, cell_of = np.unique((frame * height + y) * width + x, return_inverse=True)
    joints = np.zeros((len(key), skeleton.N_BODY), dtype=bool)
    joints[cell_of, joint] = True
    sets, set_of = np.unique(joints, axis=0, return_inverse=True)
    return OccupiedCells(grid, key, set_of.reshape(-1), sets)


def _level(cells: OccupiedCells, output: Tensor, size: tuple[int, int]) -> PointLevel:
    """Cells of one level: bilinear from the finest grid, kept where the nearest cell is occupied.

    Args:
        cells: M occupied cells.
        output: (U, C), what each set of joints gives to this level.
        size: (h, w) of the level, at most the grid.
    """
    (height, width), area = cells.grid, cells.grid[0] * cells.grid[1]
    frame, cell = np.divmod(cells.key, area)
    row = _nearest_target(height, size[0])[cell // width]
    column = _nearest_target(width, size[1])[cell % width]
    kept = (row >= 0) & (column >= 0)
    frame, row, column = frame[kept], row[kept], column[kept]

    values = output.new_zeros(len(frame), output.shape[1])
    for y, weight_y in _bilinear_sources(row, height, size[0]):
        for x, weight_x in _bilinear_sources(column, width, size[1]):
            key = (frame * height + y) * width + x
            place = np.searchsorted(cells.key, key).clip(max=len(cells.key) - 1)
            weight = weight_y * weight_x * (cells.key[place] == key)
            used = weight.nonzero()[0]
            source = output[torch.from_numpy(cells.set_of[place[used]])]
            values[torch.from_numpy(used)] += source * torch.from_numpy(weight[used, None]).float()
    return PointLevel(
        values, torch.from_numpy(frame), torch.from_numpy(row * size[1] + column), size
    )


def _empty(output: Tensor, size: tuple[int, int]) -> PointLevel:
    none = torch.empty(0, dtype=torch.int64)
    return PointLevel(output.new_empty(0, output.shape[1]), none, none, size)


def _nearest_target(cells: int, targets: int) -> np.ndarray:
    """(cells,) which of fewer targets takes each cell in nearest resizing, -1 for none."""
    target = np.full(cells, -1, dtype=np.int64)
    target[np.arange(targets) * cells // targets] = np.arange(targets)
    return target


def _bilinear_sources(
    target: np.ndarray, cells: int, targets: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The two cells that each of at most as many targets is interpolated from, with weights.

    The second one may lie behind the last cell; then its weight is 0.
    """
    place = (target + 0.5) * (cells / targets) - 0.5
    first = place.astype(np.int64)
    part = place - first
    return (first, 1 - part), (first + 1, part)
