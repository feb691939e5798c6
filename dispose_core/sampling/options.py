"""`SamplingOptions`: options of denoising and decoding; the defaults are the paper's.

See docs/reference_behaviour.md#top-level-flow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from ..errors import NetworkError

T = TypeVar("T")

# Defaults of the paper, defined here so that they can be read without importing torch.
LENGTH, OVERLAP = 16, 6  # frames of a window, and frames that neighbouring windows share
CHUNK = 8  # frames decoded together
NoiseKind = Literal["repeated", "independent"]


def _option(default: T, summary: str) -> T:
    value: Any = field(default=default, metadata={"help": summary})
    return value


@dataclass(frozen=True)
class SamplingOptions:
    """Options of one run of `DisPosePipeline`.

    Raises:
        NetworkError: a value out of range. Windows and chunks are validated against the number of
            frames by `context_windows` and `decode_frames`.
    """

    steps: int = _option(25, "number of denoising steps")
    seed: int = _option(42, "seed of the noise; the same seed gives the same clip")
    noise: NoiseKind = _option(  # noqa: RUF009
        "repeated",
        "repeated: repeats along the clip, which keeps the windows consistent; independent: drawn "
        "anew for each frame",
    )
    # Guidance scale: 0 is uncond, 1 is cond, interpolated linearly over the frames. If the maximum
    # is at most 1, uncond is not computed.
    min_guidance: float = _option(2.0, "guidance scale of the first frame")
    max_guidance: float = _option(2.0, "guidance scale of the last frame; 1 turns guidance off")
    window: int = _option(LENGTH, "frames per window, including the reference")
    overlap: int = _option(OVERLAP, "frames that neighbouring windows share")
    model_fps: int = _option(7, "frame rate the model is conditioned on; not the result's")
    motion_bucket: int = _option(127, "SVD motion bucket id, 0 to 255")
    augmentation: float = _option(
        0.0, "noise added to the reference image; more lets the result differ more"
    )
    pose_strength: float = _option(1.0, "strength of the skeleton images; the paper uses 1")
    motion_strength: float = _option(1.0, "strength of the motion field; the paper uses 1")
    point_strength: float = _option(1.0, "strength of the keypoint features; the paper uses 1")
    control_strength: float = _option(1.0, "strength of the whole ControlNet; 0 turns it off")
    decode_chunk: int = _option(CHUNK, "frames decoded at once; fewer take less memory")
    split_cfg: bool = _option(
        False,
        "compute cond and uncond one after the other; takes less memory, but is a little slower",
    )
    # Cond and uncond share their contexts in the temporal layers
    # (docs/reference_behaviour.md#unet-and-pose-net), the image is quantised to 8 bits, chunks do
    # not overlap, timesteps are rounded to float16 in half precision, and the noise is drawn on the
    # compute device.
    official: bool = _option(
        False, "reproduce the official code, including its faults, for comparison"
    )

    def __post_init__(self) -> None:
        self._require("steps", self.steps >= 1, "at least 1; the paper takes 25")
        for name in ("pose", "motion", "point", "control"):
            name += "_strength"
            self._require(name, 0 <= getattr(self, name) < math.inf, "0 or more; 1 is the paper")
        for name in ("min_guidance", "max_guidance"):
            self._require(name, math.isfinite(getattr(self, name)), "a number; the paper has 2")
        self._require("augmentation", 0 <= self.augmentation < math.inf, "0 or more")
        self._require("model_fps", self.model_fps >= 1, "at least 1; the model was trained with 7")
        self._require("decode_chunk", self.decode_chunk >= 1, "at least 1; usual are 8")
        self._require("noise", self.noise in ("repeated", "independent"), "one of the two kinds")
        if self.official and self.split_cfg:
            raise NetworkError(
                "sampling: the official code mixes the two guidance halves, so they must run in "
                "one batch. Turn off either `official` or `split_cfg`."
            )

    @property
    def guided(self) -> bool:
        """Whether uncond is computed."""
        return self.max_guidance > 1

    def _require(self, name: str, good: bool, needed: str) -> None:
        if not good:
            raise NetworkError(f"sampling: {name} is {getattr(self, name)}, needed {needed}.")
