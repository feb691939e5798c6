"""Point residuals of a sequence: keypoint features through the point adapter, at the joints."""

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
    """Compute the residuals of the point branch.

    Features of joints in the same cell are averaged; joints without a feature contribute a zero
    vector. As in training, the finest level keeps all cells, while coarser levels keep only cells
    hit by nearest-neighbour downsampling of the mask, so that levels 2 and 3 are mostly empty.

    Args:
        adapter: not modified; any device and dtype.
        features: those of the reference.
        sequence: poses of F+1 frames, the reference first (`pose.sequence.join_sequences`). Joints
            left of or above the image are skipped, those beyond the other edges are clamped.
        size: (H, W) of the image, multiples of 8. The sizes of the levels are rounded up, like the
            outputs of the down blocks.
        strength: scales the residuals; 1 is the paper, 0 adds nothing.

    Returns:
        Residuals by absolute frame, float32 on the CPU.

    Raises:
        NetworkError: features with another number of channels, or an invalid size.
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
    """(h, w) of the down blocks' outputs for an image (H, W); the last one does not downsample."""
    h, w = (side // DOWNSCALE for side in size)
    sizes = []
    for level in range(levels):
        if level < levels - 1:
            h, w = -(-h // 2), -(-w // 2)
        sizes.append((h, w))
    return sizes


@dataclass(frozen=True, eq=False)
class OccupiedCells:
    """Cells of the finest grid that contain a joint, ordered by frame and cell.

    Attributes:
        grid: (h, w).
        key: (M,) int64, frame * h * w + cell, ascending.
        set_of: (M,) int64, row of `sets` with the joints of the cell.
        sets: (U, 18) bool, the distinct combinations of joints; usually about 20 for thousands of
            cells, since most joints are alone in their cell.
    """

    grid: tuple[int, int]
    key: np.ndarray
    set_of: np.ndarray
    sets: np.ndarray


def occupied_cells(sequence: PoseSequence, grid: tuple[int, int]) -> OccupiedCells:
    """Cells of a grid (h, w) that contain visible joints, for every frame."""
    height, width = grid
    # Missing points are NaN and fail the comparison.
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
    """Residuals of one level: bilinear downsampling, at cells that nearest downsampling keeps.

    Args:
        cells: M occupied cells.
        output: (U, C), the adapter's output for each set of joints.
        size: (h, w) of the level, at most the grid.
    """
    (height, width), area = cells.grid, cells.grid[0] * cells.grid[1]
    frame, cell = np.divmod(cells.key, area)
    row = _nearest_target(height, size[0])[cell // width]
    column = _nearest_target(width, size[1])[cell % width]
    is_kept = (row >= 0) & (column >= 0)
    frame, row, column = frame[is_kept], row[is_kept], column[is_kept]

    values = output.new_zeros(len(frame), output.shape[1])
    for y, weight_y in _bilinear_sources(row, height, size[0]):
        for x, weight_x in _bilinear_sources(column, width, size[1]):
            key = (frame * height + y) * width + x
            index = np.searchsorted(cells.key, key).clip(max=len(cells.key) - 1)
            weight = weight_y * weight_x * (cells.key[index] == key)
            used = weight.nonzero()[0]
            source = output[torch.from_numpy(cells.set_of[index[used]])]
            values[torch.from_numpy(used)] += source * torch.from_numpy(weight[used, None]).float()
    return PointLevel(
        values, torch.from_numpy(frame), torch.from_numpy(row * size[1] + column), size
    )


def _empty(output: Tensor, size: tuple[int, int]) -> PointLevel:
    none = torch.empty(0, dtype=torch.int64)
    return PointLevel(output.new_empty(0, output.shape[1]), none, none, size)


def _nearest_target(cells: int, targets: int) -> np.ndarray:
    """(cells,) target index of each cell in nearest-neighbour downsampling, -1 for none."""
    target = np.full(cells, -1, dtype=np.int64)
    target[np.arange(targets) * cells // targets] = np.arange(targets)
    return target


def _bilinear_sources(
    target: np.ndarray, cells: int, targets: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The two cells, with weights, that each target is interpolated from when downsampling.

    The second may be out of range, with weight 0.
    """
    position = (target + 0.5) * (cells / targets) - 0.5
    first = position.astype(np.int64)
    fraction = position - first
    return (first, 1 - fraction), (first + 1, fraction)
