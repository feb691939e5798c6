"""`run_animation`: a complete run from files to a video, saved together with its settings."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from ..media.atomic_write import atomic_write
from ..media.image import to_pixels
from ..media.video_read import read_audio
from ..media.video_write import write_video
from ..sampling.decode import to_uint8
from .components import Components
from .config import RunConfig, config_path, load_config, to_toml
from .pipeline import StageProgress, no_stage_progress
from .plan import AnimationPlan
from .read_inputs import read_inputs
from .skeletons import SkeletonImages

GAP = 4  # pixels between the images of a comparison


@dataclass(frozen=True)
class AnimationResult:
    """Files written and their properties."""

    files: tuple[Path, ...]
    num_driving: int
    size: tuple[int, int]
    fps: Fraction
    report: tuple[str, ...]


def run_animation(
    plan: AnimationPlan, components: Components, stage_progress: StageProgress = no_stage_progress
) -> AnimationResult:
    """Animate the reference of a plan; writes video, settings and optionally the comparison.

    Files are written atomically, the settings last; after an error or cancellation existing files
    are unchanged.

    Args:
        stage_progress: receives "detection", "motion field", "features" and the pipeline's stages;
            may raise to cancel.

    Raises:
        DisPoseError: an input, a model file or the output cannot be used; the message names it.
    """
    settings = plan.settings
    _try_to_write(plan.output)
    pipeline = components.pipeline  # loaded first, to report unsuitable files early
    inputs, report = read_inputs(plan, components, stage_progress)
    options = settings.sampling
    images = pipeline(inputs, options, stage_progress=stage_progress)
    frames = [to_uint8(p, options.official).permute(1, 2, 0).numpy() for p in images]

    seconds = float(len(frames) / plan.fps)
    sound = None
    if plan.driver.has_audio:
        sound = read_audio(plan.driving, settings.start, seconds)
    files = [plan.output, config_path(plan.output)]
    notes: tuple[str, ...] = ()
    with atomic_write(files[1]) as temporary:
        temporary.write_text(to_toml(settings, _origin()), encoding="utf-8")
        if settings.compare and isinstance(inputs.pose_images, SkeletonImages):
            files.append(compare_path(plan.output))
            still = to_pixels(inputs.image)
            skeletons = inputs.pose_images.drawn(range(1, len(inputs)))
            compared = compared_frames(still, _driver_frames(plan), skeletons, frames)
            write_video(files[-1], compared, plan.fps, sound)
        notes = write_video(plan.output, frames, plan.fps, sound)
    return AnimationResult(tuple(files), len(frames), plan.size, plan.fps, (*report, *notes))


def compared_frames(
    reference: np.ndarray,
    driver: Iterator[np.ndarray],
    skeletons: Iterator[np.ndarray],
    results: list[np.ndarray],
) -> Iterator[np.ndarray]:
    """Yield reference, driver, skeleton and result side by side at the height of the result.

    Args:
        reference: (H, W, 3) uint8, as are skeletons and results.
        driver: (h, w, 3) uint8; resized to the height.
    """
    height = len(reference)
    gap = np.zeros((height, GAP, 3), np.uint8)
    for driving_frame, skeleton, result in zip(driver, skeletons, results, strict=False):
        width = max(round(driving_frame.shape[1] * height / driving_frame.shape[0]), 1)
        driving_frame = cv2.resize(driving_frame, (width, height), interpolation=cv2.INTER_AREA)
        yield np.concatenate([reference, gap, driving_frame, gap, skeleton, gap, result], 1)


def compare_path(output: Path) -> Path:
    """The comparison video beside an output video."""
    return output.with_name(f"{output.stem}_compare{output.suffix}")


def is_finished(settings: RunConfig) -> bool:
    """Whether the output exists and was made with exactly these settings."""
    if settings.output is None:
        return False
    files = [settings.output]
    if settings.compare:
        files.append(compare_path(settings.output))
    beside = config_path(settings.output)
    if not all(path.is_file() for path in (*files, beside)):
        return False
    try:
        return to_toml(load_config(beside)) == to_toml(settings)
    except Exception:  # written by another version or by hand
        return False


def _driver_frames(plan: AnimationPlan) -> Iterator[np.ndarray]:
    return plan.frames_used.read(plan.driving, plan.driver)


def _try_to_write(output: Path) -> None:
    """Raise MediaError early if the output cannot be written."""
    try:
        with atomic_write(output):
            raise _AbortWrite
    except _AbortWrite:
        pass


class _AbortWrite(Exception):
    """Leaves `atomic_write` before the file is renamed."""


def _origin() -> tuple[str, ...]:
    return (
        "How the video of the same name was made; to make it again:",
        "python -m dispose_core animate --config THIS_FILE",
        f"torch {torch.__version__}, Python {platform.python_version()}",
    )
