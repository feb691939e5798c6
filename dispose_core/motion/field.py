"""`MotionField`: dense motion of a clip on the densifier's own grid, handed out in pieces.

A clip of full-size flow is never held whole: a stage asks for the entries and the size it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor


@dataclass(frozen=True, eq=False)
class TrajectoryPoints:
    """Joint motion from the entry before to each entry (SPEC 5.1); entry 0 shows none.

    Attributes:
        start: (F+1, 18, 2) x, y at the entry before, fractions of the picture.
        end: (F+1, 18, 2) x, y at the entry, fractions.
        visible: (F+1, 18) bool: joints that leave a mark in the trajectory map.
    """

    start: Tensor
    end: Tensor
    visible: Tensor


@dataclass(frozen=True, eq=False)
class MotionField:
    """Flow from the reference picture to each entry of a clip; all tensors on the CPU.

    Attributes:
        grid: (F+1, 2, h, w) float32, (dx, dy) in pixels of this h×w grid; entry 0 is zero.
        trajectories: joint motion, materialised as blurred maps by `trajectory`.
        size: (H, W) of the picture.
        valid: (F+1,) bool: entries that have a pose; the flow of others is zero.
        layer: (h, w) drawing order of the grid's points where known, larger is nearer.
        resample: how the grid is enlarged (SPEC 6: CMP's is nearest).
        report: what was decided on the way, a line each.
    """

    grid: Tensor
    trajectories: TrajectoryPoints
    size: tuple[int, int]
    valid: Tensor
    layer: Tensor | None = None
    resample: Literal["bilinear", "nearest"] = "bilinear"
    report: list[str] = field(default_factory=list)
