"""How everything moves: joint motion, dense motion fields, and what they look like.

Exported is what needs torch alone. `visualize` draws with OpenCV, and skinning and preview are
larger: import those modules where they are used.
"""

from .densify import DenseMotion, Densifier, motion_field
from .field import MotionField, resize_flow
from .sparse import picture_on_grid, sparse_flow
from .trajectory import TrajectoryPoints, trajectory_maps, trajectory_points

__all__ = [
    "DenseMotion",
    "Densifier",
    "MotionField",
    "TrajectoryPoints",
    "motion_field",
    "picture_on_grid",
    "resize_flow",
    "sparse_flow",
    "trajectory_maps",
    "trajectory_points",
]
