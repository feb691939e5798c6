"""`SamplingOptions`: how a clip is denoised and decoded; the defaults are the paper's.

See docs/reference_behaviour.md#top-level-flow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import NetworkError
from .decode import CHUNK
from .noise import NoiseKind
from .windows import LENGTH, OVERLAP


@dataclass(frozen=True)
class SamplingOptions:
    """Settings of one run of `DisPosePipeline`.

    Raises:
        NetworkError: a value outside its range, with the range. Windows and chunks are checked
            against the clip, by `context_windows` and `decode_frames`.
    """

    steps: int = 25
    seed: int = 42
    noise: NoiseKind = "repeated"  # see `clip_noise`

    # How far the prediction goes from unconditional (0) over conditional (1) beyond; rises in a
    # line from the first entry to the last. Up to 1 the unconditional half is not run.
    min_guidance: float = 2.0
    max_guidance: float = 2.0

    window: int = LENGTH  # entries that are denoised together, the reference among them
    overlap: int = OVERLAP

    fps: int = 7  # what the model is told; not the rate of the result
    motion_bucket: int = 127  # 0…255, how much motion the model is told to expect
    augmentation: float = 0.0  # noise on the reference picture: less likeness, more freedom

    # What each part of the guidance counts: 1 is the paper, 0 leaves it out.
    pose_strength: float = 1.0  # drawn skeletons, through PoseNet
    motion_strength: float = 1.0  # motion field, in the ControlNet
    point_strength: float = 1.0  # keypoint features, in the ControlNet
    control_strength: float = 1.0  # the ControlNet as a whole; at 0 it is not run

    decode_chunk: int = CHUNK
    # Run the two guidance halves one after the other: half the memory, a little slower.
    split_halves: bool = False
    # The official code to rounding: both halves see both contexts in the time layers
    # (docs/reference_behaviour.md#unet-and-pose-net),
    # the picture goes through 8 bits (`DisPosePipeline.__call__`), chunks do not overlap, float16
    # rounds the timesteps, and the device that computes draws the noise.
    reference: bool = False

    def __post_init__(self) -> None:
        self._require("steps", self.steps >= 1, "at least 1; the paper takes 25")
        for name in ("pose", "motion", "point", "control"):
            name += "_strength"
            self._require(name, 0 <= getattr(self, name) < math.inf, "0 or more; 1 is the paper")
        for name in ("min_guidance", "max_guidance"):
            self._require(name, math.isfinite(getattr(self, name)), "a number; the paper has 2")
        self._require("augmentation", 0 <= self.augmentation < math.inf, "0 or more")
        self._require("fps", self.fps >= 1, "at least 1; the model was trained with 7")
        self._require("decode_chunk", self.decode_chunk >= 1, "at least 1; usual are 8")
        self._require("noise", self.noise in ("repeated", "independent"), "one of the two kinds")
        if self.reference and self.split_halves:
            raise NetworkError(
                "sampling: the official code mixes the two guidance halves, so they must run in "
                "one batch. Turn off either `reference` or `split_halves`."
            )

    @property
    def guided(self) -> bool:
        """Whether the unconditional half is run."""
        return self.max_guidance > 1

    def _require(self, name: str, good: bool, needed: str) -> None:
        if not good:
            raise NetworkError(f"sampling: {name} is {getattr(self, name)}, needed {needed}.")
