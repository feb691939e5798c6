"""Choose size, stride and frame rate for a reference image and a driving video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..errors import MediaError
from .resize import MULTIPLE, describe_fit, fit_size, official_size, snap_resolution
from .video_models import VideoModel, frames_at, nearest_frames

_DRIVING = "Driving video:"
_STILL = "One driving frame: the result is a single pose without motion."


@dataclass(frozen=True)
class Preparation:
    """Size, stride and frame rate of a run."""

    size: tuple[int, int]  # (H, W) of the resized reference
    stride: int  # in frames of the driving video
    num_driving: int  # driving frames used; an estimate for files without a frame count
    fps: Fraction  # frame rate of these frames
    report: str  # one sentence per line
    indices: Sequence[int] = ()  # frames of the driving video, where they are not every nth one


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
        f"{_DRIVING} {used} of {frames} frames, every {_ordinal(stride)}, "
        f"{float(fps):.4g} to {float(out):.4g} fps."
    )
    if used == 1:
        lines.append(_STILL)
    return Preparation(size=size, stride=stride, num_driving=used, fps=out, report="\n".join(lines))


def prepare_for_model(
    model: VideoModel,
    image: tuple[int, int],
    frames: int,
    fps: float | Fraction,
    resolution: int = 576,
    max_frames: int | None = None,
) -> Preparation:
    """`prepare` for a video model with a frame rate and lengths of its own.

    The driving frames are those nearest in time to the model's, so the motion keeps its speed.

    Args:
        model: rate and lengths.
        image, frames, fps, resolution: see `prepare`.
        max_frames: largest number of driving frames; the model's usual one when None.

    Raises:
        MediaError: see `prepare`.
    """
    plan = prepare(image, frames, fps, resolution, 1)
    available = frames_at(frames, fps, model.fps)
    length = model.length(available, max_frames)
    lines = [
        line
        for line in plan.report.splitlines()
        if line != _STILL and not line.startswith(_DRIVING)
    ]
    lines.append(
        f"Driving video for {model.name}: {frames} frames at {float(fps):.4g} fps are {available} "
        f"at {model.fps}, of which {length} are used ({model.step}n+1)."
    )
    if length == 1:
        lines.append(_STILL)
    if max_frames is None and available > model.usual:
        lines.append(f"{model.name} makes {length} frames at a time; max_frames allows more.")
    indices = nearest_frames(length, fps, model.fps)
    return replace(
        plan,
        num_driving=length,
        fps=Fraction(model.fps),
        report="\n".join(lines),
        indices=[min(index, frames - 1) for index in indices],
    )


def chosen_frames(frames: Iterator[np.ndarray], indices: Sequence[int]) -> Iterator[np.ndarray]:
    """The frames at ascending `indices`, repeated where an index is; reads no further than that."""
    wanted = iter(indices)
    index = next(wanted, None)
    for number, frame in enumerate(frames):
        while index == number:
            yield frame
            index = next(wanted, None)
        if index is None:
            return


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
