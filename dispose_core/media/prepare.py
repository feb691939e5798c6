"""Choose size, stride and frame rate for a reference image and a driving video."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..errors import MediaError
from .resize import MULTIPLE, describe_fit, fit_size, official_size, snap_resolution


@dataclass(frozen=True)
class Preparation:
    """Size, stride and frame rate of a run."""

    size: tuple[int, int]  # (H, W) of the resized reference
    stride: int  # in frames of the driving video
    num_driving: int  # driving frames used; an estimate for files without a frame count
    fps: Fraction  # frame rate of these frames
    report: str  # one sentence per line


def prepare(
    image: tuple[int, int],
    frames: int,
    fps: float | Fraction,
    resolution: int = 576,
    sample_stride: int = 2,
    max_frames: int | None = None,
    official: bool = False,
) -> Preparation:
    """Choose size, stride and output frame rate, with a report.

    Args:
        image: (H, W) of the reference image.
        frames, fps: number and rate of the available driving frames.
        resolution: short side of the result in pixels.
        sample_stride: stride at up to 47 fps; see `frame_stride`.
        max_frames: largest number of driving frames.
        official: use one of the three official aspect ratios instead of the image's.

    Raises:
        MediaError: `resolution` below 64, or an image more than 8 times as long as wide.
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
        f"{float(fps):.4g} to {float(out):.4g} fps."
    )
    if used == 1:
        lines.append("One driving frame: the result is a single pose without motion.")
    return Preparation(size=size, stride=stride, num_driving=used, fps=out, report="\n".join(lines))


def frame_stride(fps: float | Fraction, sample_stride: int) -> int:
    """Stride in frames of the file.

    See docs/reference_behaviour.md#image-and-video-preparation. From 48 fps on it grows with the
    frame rate, so that the time between two frames stays about the same.

    Raises:
        MediaError: `sample_stride` below 1.
    """
    if sample_stride < 1:
        raise MediaError(f"stride is {sample_stride}; it must be at least 1, every frame.")
    return sample_stride * max(1, int(fps / 24))


def frame_indices(count: int, fps: float | Fraction, sample_stride: int) -> range:
    """Indices of the used frames among `count`.

    See docs/reference_behaviour.md#image-and-video-preparation.
    """
    return range(0, count, frame_stride(fps, sample_stride))


def _ordinal(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if number % 100 in (11, 12, 13) else endings.get(number % 10, "th")
    return "one" if number == 1 else f"{number}{ending}"
