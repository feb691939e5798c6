"""Compute control hints with encoders managed by ComfyUI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dispose_core.errors import NetworkError
from ...dispose_core.features.keypoint_features import KeypointFeatures
from ...dispose_core.guidance.control_hints import ControlHints
from ...dispose_core.guidance.motion_embedding import encode_motion
from ...dispose_core.guidance.point_residuals import point_residuals
from ...dispose_core.models.latent import DOWNSCALE
from ...dispose_core.motion.motion_field import MotionField
from ...dispose_core.pose.fit import fit_to_image
from ...dispose_core.pose.sequence import PoseSequence
from ...dispose_core.progress import Progress
from .control import NAME
from .memory import bytes_of, require_room
from .model_management import load

if TYPE_CHECKING:
    from .hosted_controlnet import ControlNetworks

_CHUNK = 4  # frames per pass of the motion encoder
_CHANNELS = 96  # upper bound of the channels of its live activations at full size


def make_control_hints(
    networks: ControlNetworks,
    sequence: PoseSequence,
    motion: MotionField | None,
    features: KeypointFeatures | None,
    motion_strength: float,
    points_strength: float,
    on_frame: Progress,
) -> ControlHints:
    """Compute the control hints of a sequence, independent of steps and windows.

    The image size is that of the motion field, else the canvas of the reference pose.

    Args:
        sequence: poses of F+1 frames, the reference first.
        motion: its motion field. Optional; without it motion guidance is off.
        features: keypoint features of the reference. Optional; without them point guidance is off.

    Raises:
        NetworkError: all inputs are missing, or motion and poses differ in length.
        PoseError: motion and poses are of images of different shapes.
    """
    if motion is None and features is None:
        raise NetworkError(
            f"{NAME}: neither a motion field nor keypoint features are connected. Connect at "
            "least one of them, or remove the node."
        )
    if motion is not None and len(motion) != len(sequence):
        raise NetworkError(
            f"{NAME}: the motion field has {len(motion) - 1} driving frames, but driving_pose has "
            f"{len(sequence) - 1}. Make the motion field from the same poses."
        )
    size = sequence.canvas
    if motion is not None:
        size = motion.size
        way_out = "Connect the poses that the motion field was made from."
        (sequence,), _ = fit_to_image(
            [sequence], size, "reference_pose", "the motion field's image", way_out
        )
    encoder = networks.motion.model
    pixels = size[0] * size[1]
    shape = (len(sequence), encoder.out_channels, pixels // DOWNSCALE**2)
    require_room(
        f"hints: {len(sequence)} for images of {size[1]}×{size[0]}",
        (1 + (features is not None)) * bytes_of(shape, encoder.dtype),
        "Use fewer driving poses, or a smaller resolution in Prepare.",
    )
    device = load(networks.motion, _CHUNK * _CHANNELS * pixels * encoder.dtype.itemsize)
    embedding = encode_motion(
        encoder,
        motion,
        size,
        frames=range(len(sequence)),
        flow_strength=motion_strength,
        trajectory_strength=motion_strength,
        chunk=_CHUNK,
        device=device,
        on_frame=on_frame,
    )
    points = None
    if features is not None and points_strength:
        points = point_residuals(
            networks.points, features, sequence, size, strength=points_strength
        )
    return ControlHints(embedding, points)
