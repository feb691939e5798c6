"""Compute the motion field of a reference with progress bars, for `motion` and `demo`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from ..errors import SettingsError
from ..media.image import read_image
from ..media.resize import fit_size
from ..media.video_read import probe
from ..media.video_write import write_video
from ..motion.motion_field import MotionField
from ..pipeline.components import Components
from ..pipeline.config import RunConfig
from ..pipeline.device import choose_device
from ..pipeline.model_files import find_densifier_files
from ..pipeline.preprocess import (
    AlignedPoses,
    FittedReference,
    VideoRange,
    align_to_reference,
    build_motion_field,
    detect_driving_poses,
    fit_reference,
    fitted_mask,
    load_driving_poses,
)
from ..pose.alignment.align import AlignOptions
from ..preview.preview import preview_frames
from .console import Bar


@dataclass(frozen=True, eq=False)
class MovedReference:
    """A reference with its aligned poses and motion field.

    Attributes:
        fps: frame rate of the driving frames used, if read from a video.
    """

    reference: FittedReference
    aligned: AlignedPoses
    field: MotionField
    fps: Fraction | None
    report: list[str]


def move_reference(config: RunConfig, size: tuple[int, int] | None = None) -> MovedReference:
    """Run all stages up to the motion field.

    Args:
        config: with `reference`, and `driving` or `poses`.
        size: (H, W) of the reference; derived from `resolution` when None.

    Raises:
        DisPoseError: an input or a model file cannot be used; the message names it.
    """
    if config.reference is None:
        raise SettingsError("reference is not given. Name its file.")
    files = find_densifier_files(config)
    components = Components(files, choose_device(config.device))
    source = read_image(config.reference)
    source_size = (int(source.shape[-2]), int(source.shape[-1]))
    reference = fit_reference(
        source,
        size or fit_size(source_size, config.resolution),
        lambda: components.detector(config),
        config.reference_pose,
        config.threshold,
    )
    subject = fitted_mask(config.mask, reference.size)
    densifier = components.densifier(config.densifier_name, subject, config.densifier_files)
    fps = None
    if config.poses is not None:
        driving, lines = load_driving_poses(config.poses, config.person, canvas=config.canvas)
    elif config.driving is not None:
        video_range = VideoRange(config.stride, config.start, config.duration, config.max_frames)
        fps = video_range.fps(probe(config.driving))
        with Bar("poses") as bar:
            driving, lines = detect_driving_poses(
                config.driving,
                video_range,
                lambda: components.detector(config),
                config.person,
                config.threshold,
                bar,
            )
    else:
        raise SettingsError("driving is not given. Name its file, or that of --poses.")
    options = AlignOptions(method=config.method, smoothing=config.smoothing)
    if fps is not None:
        options = replace(options, fps=float(fps))
    aligned = align_to_reference(reference, driving, options)
    with Bar("motion", len(aligned.poses)) as bar:
        field = build_motion_field(reference, aligned, densifier, on_frame=bar)
    report = [*reference.report, *lines, *aligned.report, *field.report]
    return MovedReference(reference, aligned, field, fps, report)


def write_preview(
    path: Path, image: Tensor, field: MotionField, mask: Tensor | None, fps: float | Fraction
) -> list[str]:
    """Write the preview as a video and return the writer's notes."""
    with Bar(path.name, len(field) - 1) as bar:
        previews = preview_frames(image, field, range(1, len(field)), mask, bar)
        notes = write_video(path, (f.image.permute(1, 2, 0).numpy() for f in previews), fps)
    return list(notes)
