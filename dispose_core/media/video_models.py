"""Frame rates and clip lengths that video models were trained with."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..errors import SettingsError


@dataclass(frozen=True)
class VideoModel:
    """What a video model expects of a clip.

    Attributes:
        name: as users know it.
        fps: frames per second.
        step: a clip has `step`·n + 1 frames.
        usual: frames of one clip in training; longer ones need the model's own way to continue.
    """

    name: str
    fps: int
    step: int
    usual: int

    def length(self, available: int, most: int | None = None) -> int:
        """The largest valid number of frames among those available.

        Args:
            available: frames at the model's rate, at least 1.
            most: largest number; the model's usual one when None.
        """
        limit = max(min(available, most or self.usual), 1)
        return (limit - 1) // self.step * self.step + 1


# Sources: ComfyUI's nodes_wan.py, nodes_wanmove.py and nodes_lt.py (steps and default lengths), and
# the models' own pages (frame rates).
VIDEO_MODELS = {
    model.name: model
    for model in (
        VideoModel("Wan / VACE", 16, 4, 81),
        VideoModel("Wan-Move", 16, 4, 81),
        VideoModel("ATI", 16, 4, 81),
        VideoModel("Wan-Animate", 30, 4, 77),
        VideoModel("LTX 24 fps", 24, 8, 121),
        VideoModel("LTX 25 fps", 25, 8, 121),
        VideoModel("LTX 30 fps", 30, 8, 121),
    )
}


def video_model(name: str) -> VideoModel:
    """The entry of a name.

    Raises:
        SettingsError: there is none.
    """
    if name not in VIDEO_MODELS:
        raise SettingsError(f"video model {name!r} is unknown. Use {', '.join(VIDEO_MODELS)}.")
    return VIDEO_MODELS[name]


def frames_at(count: int, fps: float | Fraction, rate: float) -> int:
    """Frames that `count` frames of `fps` give at another `rate`; the last is not passed."""
    return int(Fraction(count - 1) / Fraction(fps) * Fraction(rate) + Fraction(1, 1000)) + 1


def nearest_frames(length: int, fps: float | Fraction, rate: float) -> list[int]:
    """Indices of the frames of `fps` that are nearest in time to `length` frames at `rate`."""
    step = Fraction(fps) / Fraction(rate)
    return [int(step * k + Fraction(1, 2)) for k in range(length)]
