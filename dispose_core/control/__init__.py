"""How guidance enters the frozen model: encoders that run once a clip, networks of every step.

Exported is what needs torch alone. `hybrid_controlnet` and `unet` stand on diffusers, which takes
seconds to import: import those modules where they are used, or load them with `checkpoints`.
"""

from .hints import ControlHints, PointLevel, PointResiduals
from .motion_encoder import MotionEncoder, encode_motion
from .point_adapter import PointAdapter, point_residuals
from .pose_net import PoseNet, encode_poses

__all__ = [
    "ControlHints",
    "MotionEncoder",
    "PointAdapter",
    "PointLevel",
    "PointResiduals",
    "PoseNet",
    "encode_motion",
    "encode_poses",
    "point_residuals",
]
