"""The `Densifier` protocol: joint motion in, dense flow on the densifier's own grid out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

from ...pose.sequence import PoseSequence
from ...progress import Progress


@dataclass(frozen=True, eq=False)
class DenseMotion:
    """Result of a densifier (fields as in `MotionField`)."""

    grid: Tensor  # (F+1, 2, h, w) pixels of the grid
    layer: Tensor | None = None  # (h, w)
    subject: Tensor | None = None  # (h, w) 0…1
    resample: Literal["bilinear", "nearest"] = "bilinear"
    report: list[str] = field(default_factory=list)


class Densifier(Protocol):
    """Turns joint motion into dense flow."""

    def __call__(self, image: Tensor, sequence: PoseSequence, on_frame: Progress) -> DenseMotion:
        """Compute the flow from frame 0 to every frame.

        Args:
            image: (3, H, W) reference, 0…1.
            sequence: F+1 poses of one person, frame 0 the reference; fractions of the image.

        Returns:
            Flow that the caller may modify; frames without a pose are set to zero.
        """
        ...
