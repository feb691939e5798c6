"""High-level functions for scripts: load a detector or densifier, compute a motion field."""

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
    """Load a pose detector by name.

    Args:
        name: dwpose, openpose, mediapipe, or a registered name.
        folder: folder of its files, under their published names.
        device: torch device name, such as "cuda:0".

    Raises:
        PoseError: there is no detector of that name.
        CheckpointError: a file is missing or of another kind.
        MissingPackage: a required package is not installed.
    """
    files = DETECTORS[name].locate(None if folder is None else Path(folder), None)
    return create_detector(name, files, device, **options)


def load_densifier(
    name: str,
    files: Mapping[str, str | Path] | None = None,
    subject: Tensor | None = None,
    device: torch.device | str | None = None,
) -> Densifier:
    """Load a densifier by name.

    Args:
        name: skinning, cmp, or a registered name.
        files: by argument, such as {"cmp": "ckpt_iter_42000.pth.tar"}.
        subject: (H, W) mask of the person, 0…1.
        device: compute device of its network.

    Raises:
        DisPoseError: there is no densifier of that name.
        CheckpointError: a file is missing or of another kind.
    """
    spec = DENSIFIERS[name]
    module = spec.module()
    paths = {argument: Path(path) for argument, path in (files or {}).items()}
    if len(paths) < len(spec.files):
        paths = spec.locate(None, None)  # raises an error that names the missing files
    return module.build(module.load_network(paths), subject, device)


def prepare_motion(
    reference: str | Path,
    driving: str | Path,
    detector: PoseDetector,
    densifier: Densifier,
    resolution: int = 576,
    stride: int = 2,
    on_frame: Progress = no_progress,
) -> tuple[MotionField, list[str]]:
    """Compute the motion field that transfers the motion of a video to a reference image.

    Args:
        reference: image of one person.
        driving: video of one person.
        resolution: short side of the resized reference in pixels.
        stride: use every n-th frame of the video.

    Returns:
        The motion field, and a report.

    Raises:
        DisPoseError: a file cannot be used, or shows nobody.
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
