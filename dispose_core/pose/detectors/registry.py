"""The pose detectors there are, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from ...errors import PoseError
from .base import PoseDetector

# name -> module of `detectors/` and the factory in it. Modules are imported when asked for: each
# needs packages of its own.
DETECTORS: dict[str, tuple[str, str]] = {
    "dwpose": (".dwpose.detector", "DWPoseDetector"),
    "openpose": (".openpose", "OpenPoseDetector"),
    "mediapipe": (".mediapipe", "MediaPipeDetector"),
}


def create_detector(name: str, **options) -> PoseDetector:
    """A detector by its name; `options` are those of its class.

    Raises:
        PoseError: there is no detector of that name.
        MissingPackage: its packages are not installed.
    """
    return _backend(name)(**options)


def detector_from_folder(name: str, folder: str | Path, device: str) -> PoseDetector:
    """A detector with the files of a folder that have their published names.

    Args:
        name: dwpose or openpose; mediapipe carries its own files.
        folder: where they are.
        device: as torch names it, such as "cuda:0".

    Raises:
        CheckpointError: a file is missing, damaged or another; see also `create_detector`.
    """
    return _backend(name).from_folder(folder, device)


def _backend(name: str) -> Callable[..., PoseDetector]:
    if name not in DETECTORS:
        raise PoseError(
            f"pose detector '{name}' is not known. Choose one of: {', '.join(DETECTORS)}."
        )
    module, factory = DETECTORS[name]
    return getattr(importlib.import_module(module, __package__), factory)
