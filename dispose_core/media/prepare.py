"""How a reference image and a driving video are going to be used: size, stride, frame rate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..errors import MediaError
from .resize import MULTIPLE, describe_fit, fit_size, official_size, snap_resolution


@dataclass(frozen=True)
class Preparation:
    """How one reference and one driving video are going to be used."""

    size: tuple[int, int]  # (H, W) of the fitted reference
    stride: int  # of the driving video's own frames
    num_driving: int  # driving frames handed on; an estimate for files that do not count theirs
    fps: Fraction  # at which these frames play
    report: str  # what was decided, a sentence a line


def prepare(
    image: tuple[int, int],
    frames: int,
    fps: float | Fraction,
    resolution: int = 576,
    sample_stride: int = 2,
    max_frames: int | None = None,
    official: bool = False,
) -> Preparation:
    """Decides size, stride and output rate, and says so.

    Args:
        image: (H, W) of the reference image.
        frames, fps: how many driving frames there are to choose from, and their rate.
        resolution: short side of the result in pixels.
        sample_stride: every how many frames one is used, at up to 47 fps; see `frame_stride`.
        max_frames: at most so many driving frames.
        official: the official three shapes instead of the image's own.

    Raises:
        MediaError: `resolution` below 64, an image more than 8 times as long as wide.
    """
    snapped = snap_resolution(resolution)
    lines = []
    if snapped != resolution:
        lines.append(
            f"Resolution {resolution} became {snapped}, the nearest multiple of {MULTIPLE}."
        )
    size = (official_size if official else fit_size)(image, snapped)
    lines.append(describe_fit(image, size))
    stride = frame_stride(fps, sample_stride)
    used = len(frame_indices(frames, fps, sample_stride))
    if max_frames is not None and used > max_frames:
        lines.append(f"Only the first {max_frames} of {used} sampled frames are used.")
        used = max_frames
    out = Fraction(fps).limit_denominator(1001) / stride
    lines.append(
        f"Driving video: {used} of {frames} frames, every {_ordinal(stride)}, "
        f"{float(fps):.4g} → {float(out):.4g} fps."
    )
    if used == 1:
        lines.append("One driving frame: the result is a single pose without motion.")
    return Preparation(size=size, stride=stride, num_driving=used, fps=out, report="\n".join(lines))


def frame_stride(fps: float | Fraction, sample_stride: int) -> int:
    """Every how many frames of the file one is used.

    See docs/reference_behaviour.md#image-and-video-preparation.

    At 48 fps and above the stride grows, so that the same time passes between two frames.

    Raises:
        MediaError: `sample_stride` below 1.
    """
    if sample_stride < 1:
        raise MediaError(f"stride is {sample_stride}; it must be at least 1, every frame.")
    return sample_stride * max(1, int(fps / 24))


def frame_indices(count: int, fps: float | Fraction, sample_stride: int) -> range:
    """Which of `count` frames are used.

    See docs/reference_behaviour.md#image-and-video-preparation.
    """
    return range(0, count, frame_stride(fps, sample_stride))


def _ordinal(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if number % 100 in (11, 12, 13) else endings.get(number % 10, "th")
    return "one" if number == 1 else f"{number}{ending}"
