"""`PipelineInputs`: inputs of the sampler, checked for consistency."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..errors import NetworkError
from ..features.keypoint_features import KeypointFeatures
from ..guidance.control_hints import ControlHints
from ..guidance.motion_embedding import MotionSource
from ..media.resize import MULTIPLE
from ..models.latent import DOWNSCALE
from ..pose.sequence import PoseSequence
from .skeletons import SkeletonImages


@dataclass(frozen=True, eq=False)
class PipelineInputs:
    """Inputs for F driving frames; parts have F+1 frames, frame 0 is the reference.

    A missing part has strength 0. Parts are neither modified nor moved.

    Attributes:
        image: (3, H, W), 0…1, the resized reference; sides are multiples of 64.
        pose_images: (F+1, 3, H, W), 0…1, skeleton images, the reference's first; a tensor, or an
            object that returns tensors for slices.
        motion: motion field, or hints encoded before with their own strengths and points. Optional;
            without it motion guidance is off.
        poses: of the F+1 frames (`pose.sequence.join_sequences`); required with `features`.
        features: keypoint features of the reference.

    Raises:
        NetworkError: an invalid size, no driving frames, or parts of different length; the message
            names them.
    """

    image: Tensor
    pose_images: Tensor | SkeletonImages | None = None
    motion: MotionSource | ControlHints | None = None
    poses: PoseSequence | None = None
    features: KeypointFeatures | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.image.shape)
        if (
            len(shape) != 3
            or shape[0] != 3
            or not min(shape)
            or any(s % MULTIPLE for s in shape[1:])
        ):
            raise NetworkError(
                f"reference image: shape {shape}, needed (3, H, W) with sides that are multiples "
                f"of {MULTIPLE}. Let Prepare fit the image."
            )
        if not self.image.isfinite().all():
            raise NetworkError("reference image: values that are not finite. Load it again.")
        if self.features is not None and self.poses is None:
            raise NetworkError(
                "keypoint features without poses: their positions in each frame are unknown. "
                "Give the poses of the clip too, the reference's first."
            )
        self._check_length()
        self._check_sizes()

    def __len__(self) -> int:
        return next(iter(self._lengths().values()))

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        height, width = self.image.shape[-2:]
        return int(height), int(width)

    def _lengths(self) -> dict[str, int]:
        parts = {
            "pose images": self.pose_images,
            "motion": self.motion,
            "poses": self.poses,
        }
        return {name: len(part) for name, part in parts.items() if part is not None}

    def _check_length(self) -> None:
        lengths = self._lengths()
        if not lengths:
            raise NetworkError(
                "nothing to animate with: pose images, motion and poses are all missing. "
                "Give at least the pose images."
            )
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        if len(set(lengths.values())) > 1:
            raise NetworkError(
                f"parts of different clips: {listed} frames. All need one frame for the "
                "reference, first, and one for each driving frame; the one that is short by one "
                "probably lacks the reference."
            )
        if len(self) < 2:
            raise NetworkError(
                f"no driving frames: {listed} frames, and the first is the reference's. "
                "Give at least one driving frame."
            )

    def _check_sizes(self) -> None:
        if self.pose_images is not None:
            actual, expected = tuple(self.pose_images.shape), (len(self), 3, *self.size)
            if actual != expected:
                raise NetworkError(
                    f"pose images: shape {actual}, needed {expected}. Draw them at the size of the "
                    "reference image."
                )
        if isinstance(self.motion, ControlHints):
            latent_size = tuple(self.motion.motion.shape[-2:])
            needed = tuple(side // DOWNSCALE for side in self.size)
            if latent_size != needed:
                raise NetworkError(
                    f"control hints: encoded for latents of {latent_size}, the image needs "
                    f"{needed}. Encode them at the size of the reference image."
                )
