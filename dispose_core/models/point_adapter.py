"""The point adapter: keypoint features at the joints' positions to ControlNet residuals.

See docs/reference_behaviour.md#point-adapter. Each joint puts the reference's feature vector into
its cell of a coarse grid, and small MLPs map occupied cells to residuals of the ControlNet's
levels. All other cells are zero and skipped. It runs once on the CPU, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from .module_utils import shape_of

CHANNELS = (320, 640, 1280, 1280)  # of the released weights, one level per down block


class PointMLP(nn.Module):
    def __init__(self, features: int, hidden: int, channels: int):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


class PointAdapter(nn.Module):
    """One MLP per level; parameter names are those of the released file below `point_adapter.`."""

    def __init__(self, channels: Sequence[int] = CHANNELS, features: int = 1280, hidden: int = 128):
        super().__init__()
        self.model_list = nn.ModuleList(PointMLP(features, hidden, c) for c in channels)

    @classmethod
    def shaped_like(cls, shapes: Mapping[str, Sequence[int]]) -> PointAdapter:
        """Create an adapter for weights of these shapes (keys as in `state_dict`), without loading.

        Raises:
            NetworkError: they are not of a point adapter.
        """
        name = "point adapter"
        hidden, features = shape_of(shapes, "model_list.0.mlp.0.weight", 2, name)
        levels = 1
        while f"model_list.{levels}.mlp.2.weight" in shapes:
            levels += 1
        keys = (f"model_list.{level}.mlp.2.weight" for level in range(levels))
        channels = [shape_of(shapes, key, 2, name)[0] for key in keys]
        return cls(channels, features, hidden)

    @property
    def features(self) -> int:
        """Number of channels of the keypoint features."""
        first = cast(PointMLP, self.model_list[0])
        return cast(nn.Linear, first.mlp[0]).in_features

    def forward(self, cells: Tensor) -> list[Tensor]:
        """Map cell vectors (U, E) to each level: (U, C_l) each."""
        return [level(cells) for level in self.model_list]
