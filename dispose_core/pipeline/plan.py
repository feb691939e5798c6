"""Plan a run before loading weights: sizes, frames, windows and memory."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from ..errors import MediaError, SettingsError
from ..media.image import read_image
from ..media.prepare import prepare
from ..media.video_read import VideoInfo, count_frames, probe
from ..media.video_write import SUFFIXES
from ..sampling.windows import context_windows
from .config import RunConfig
from .device import choose_device, choose_dtype, dtype_name
from .memory import bytes_per_frame
from .model_files import ModelFiles, needed_files
from .preprocess import VideoRange

# Networks that are on the device together, by stage.
_STAGES = {
    "keypoint features": ("SD 1.5",),
    "CMP": ("CMP",),
    "encoding the reference": ("CLIP", "VAE"),
    "sampling": ("UNet", "ControlNet"),
    "decoding": ("VAE",),
}
_GIGA = 1e9


@dataclass(frozen=True, eq=False)
class AnimationPlan:
    """Everything decided about a run.

    Attributes:
        settings: from `resolve`.
        image: (3, H, W) 0…1, the reference at its original size.
        driver: the driving video.
        stride: in frames of the driving video.
        num_driving: driving frames, according to the file's metadata.
        fps: of the result.
        windows: windows per step.
        report: description of the plan, with memory.
    """

    settings: RunConfig
    image: Tensor
    size: tuple[int, int]
    driver: VideoInfo
    stride: int
    num_driving: int
    fps: Fraction
    windows: int
    report: tuple[str, ...]

    @property
    def driving(self) -> Path:
        return _require_path(self.settings.driving, "driving")

    @property
    def output(self) -> Path:
        return _require_path(self.settings.output, "output")

    @property
    def frames_used(self) -> VideoRange:
        config = self.settings
        return VideoRange(config.stride, config.start, config.duration, config.max_frames)


def resolve(settings: RunConfig, files: ModelFiles) -> RunConfig:
    """Fill in the paths of the files found, and the device and dtype for "auto".

    Raises:
        SettingsError: there is no such device.
    """
    device = choose_device(settings.device)
    dtype = settings.torch_dtype or choose_dtype(files.unet_dtype, device)
    paths = {name: files.paths[name] for name in needed_files(settings) if name in files.paths}
    return settings.model_copy(update={"device": str(device), "dtype": dtype_name(dtype), **paths})


def plan_animation(settings: RunConfig, files: ModelFiles) -> AnimationPlan:
    """Determine size, frames and windows of a run, and estimate its memory.

    Args:
        settings: from `resolve`, with inputs and output (`require_paths`).
        files: model files, for the sizes of the networks.

    Raises:
        MediaError: image or video cannot be used, or the range has no frames.
        NetworkError: invalid window settings.
    """
    image = read_image(_require_path(settings.reference, "reference"))
    driver = probe(_require_path(settings.driving, "driving"))
    available = count_frames(driver, settings.start, settings.duration)
    if not available:
        raise MediaError(
            f"{settings.driving}: no frames from {settings.start:g} s on; it lasts "
            f"{driver.duration:.2f} s. Choose an earlier start or a longer duration."
        )
    options = settings.sampling
    prepared = prepare(
        (int(image.shape[-2]), int(image.shape[-1])),
        available,
        driver.fps,
        settings.resolution,
        settings.stride,
        settings.max_frames,
        options.official,
    )
    windows = len(context_windows(prepared.num_driving + 1, options.window, options.overlap))
    report = (
        *prepared.report.splitlines(),
        *driver.notes,
        f"{prepared.num_driving} frames and the reference in {windows} window"
        f"{'s' if windows > 1 else ''} of up to {options.window}, {options.steps} steps: "
        f"{windows * options.steps} window-steps on {settings.device} in {settings.dtype}.",
        memory_report(settings, files, prepared.size, prepared.num_driving + 1),
    )
    return AnimationPlan(
        settings,
        image,
        prepared.size,
        driver,
        prepared.stride,
        prepared.num_driving,
        prepared.fps,
        windows,
        report,
    )


def require_paths(settings: RunConfig) -> None:
    """Raise SettingsError unless inputs and output are given and the output overwrites no input."""
    reference, driving, output = (
        _require_path(getattr(settings, name), name) for name in ("reference", "driving", "output")
    )
    if output.suffix.lower() not in SUFFIXES:
        raise SettingsError(
            f"output {output}: not a video name. Use {', '.join(sorted(SUFFIXES))}."
        )
    if output.resolve() in (reference.resolve(), driving.resolve()):
        raise SettingsError(f"output {output} would overwrite an input. Name another file.")
    if output.is_dir():
        raise SettingsError(f"output {output} is a folder. Name a file.")


def memory_report(
    settings: RunConfig, files: ModelFiles, size: tuple[int, int], num_frames: int
) -> str:
    """Describe the memory estimate: weights per stage and in total, and memory per frame."""
    dtype = settings.torch_dtype or torch.float32
    stages = stage_bytes(files, dtype)
    stage = max(stages, key=lambda name: stages[name])
    whole = _gigabytes(sum(files.parameters.values()) * dtype.itemsize)
    waiting = f"{whole} of weights in main memory"
    if settings.device == "cpu":
        weights = waiting
    elif settings.offload == "none":
        weights = f"{whole} of weights, all of them on {settings.device}"
    elif settings.offload == "stages":
        largest = _gigabytes(stages[stage])
        weights = f"{largest} of weights on {settings.device} at a time ({stage}), {waiting}"
    else:
        weights = f"a layer of weights on {settings.device} at a time, {waiting}"
    per_frame = sum(bytes_per_frame(size, dtype).values())
    return (
        f"Memory, an estimate: {weights}; {per_frame / 1e6:.1f} MB for each of {num_frames} "
        f"frames, the reference among them, {_gigabytes(per_frame * num_frames)} in all. What the "
        "networks compute with comes on top."
    )


def stage_bytes(files: ModelFiles, dtype: torch.dtype) -> dict[str, int]:
    """Bytes of weights that are on the device together, by stage, for the networks in use."""
    totals = {
        stage: sum(files.parameters.get(name, 0) for name in names) * dtype.itemsize
        for stage, names in _STAGES.items()
    }
    return {stage: total for stage, total in totals.items() if total}


def _gigabytes(size: int) -> str:
    return f"{size / _GIGA:.2f} GB" if size >= 0.1 * _GIGA else f"{size / 1e6:.1f} MB"


def _require_path(path: Path | None, name: str) -> Path:
    if path is None:
        raise SettingsError(f"{name} is not given. Name its file.")
    return path
