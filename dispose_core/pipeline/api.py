"""What scripts use: a detector, a densifier, and the motion from a video to an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..media.image import read_image
from ..media.resize import fit_size
from ..motion.densifiers.base import Densifier
from ..motion.densifiers.registry import DENSIFIERS
from ..motion.motion_field import MotionField
from ..pose.alignment.align import AlignOptions
from ..pose.detectors.base import PoseDetector
from ..pose.detectors.registry import DETECTORS, create_detector
from ..pose.tracking.person_selection import PersonChoice
from ..progress import Progress, no_progress
from .preprocess import (
    VideoRange,
    align_to_reference,
    build_motion_field,
    detect_driving_poses,
    fit_reference,
)


def load_detector(
    name: str, folder: str | Path | None = None, device: str = "cpu", **options: Any
) -> PoseDetector:
    """A pose detector by its name.

    Args:
        name: dwpose, openpose, mediapipe, or what was registered.
        folder: where its files are, under their published names.
        device: as torch names it, such as "cuda:0".
        options: other arguments of its class.

    Raises:
        PoseError: there is no detector of that name.
        CheckpointError: a file is missing or another.
        MissingPackage: its packages are not installed.
    """
    files = DETECTORS[name].locate(None if folder is None else Path(folder), None)
    return create_detector(name, files, device, **options)


def load_densifier(
    name: str,
    files: Mapping[str, str | Path] | None = None,
    subject: Tensor | None = None,
    device: torch.device | str | None = None,
) -> Densifier:
    """A densifier by its name.

    Args:
        name: skinning, cmp, or what was registered.
        files: by argument, such as {"cmp": "ckpt_iter_42000.pth.tar"}.
        subject: (H, W) mask of the person, 0…1.
        device: where its network computes.

    Raises:
        DisPoseError: there is no densifier of that name.
        CheckpointError: a file is missing or another.
    """
    spec = DENSIFIERS[name]
    module = spec.module()
    given = {argument: Path(path) for argument, path in (files or {}).items()}
    if len(given) < len(spec.files):
        given = spec.locate(None, None)  # raises: it names what is missing
    return module.build(module.load_network(given), subject, device)


def prepare_motion(
    reference: str | Path,
    driving: str | Path,
    detector: PoseDetector,
    densifier: Densifier,
    resolution: int = 576,
    stride: int = 2,
    on_frame: Progress = no_progress,
) -> tuple[MotionField, list[str]]:
    """The motion that moves a reference image as a video moves, and the report.

    Args:
        reference: image of one person.
        driving: video of one person.
        resolution: short side of the fitted reference in pixels.
        stride: every how many frames of the video one is used.
        on_frame: called after each detected frame; may raise to cancel.

    Raises:
        DisPoseError: a file cannot be used, or nobody is in it.
    """
    source = read_image(reference)
    size = fit_size((int(source.shape[-2]), int(source.shape[-1])), resolution)
    fitted = fit_reference(source, size, lambda: detector)
    poses, lines = detect_driving_poses(
        Path(driving), VideoRange(stride), lambda: detector, PersonChoice(), on_frame=on_frame
    )
    aligned = align_to_reference(fitted, poses, AlignOptions())
    field = build_motion_field(fitted, aligned, densifier)
    return field, [*fitted.report, *lines, *aligned.report, *field.report]
