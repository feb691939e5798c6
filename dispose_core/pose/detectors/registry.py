"""Registry of pose detectors by name.

A new detector is a file with a class (`base.PoseDetector`) and an entry here; other packs add
theirs with `register`. Classes are imported on first use, since each needs its own packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...checkpoints.file_roles import FileRole, locate_files, role_of
from ...errors import CheckpointError, PoseError
from ...registry import Registry, load_attribute
from .base import PoseDetector


@dataclass(frozen=True)
class DetectorSpec:
    """Entry of the detector registry.

    Attributes:
        name: one-word name, as typed by users.
        summary: what it detects, on which device and with which files; for tooltips and help.
        load: "module:class", a module of this package or an absolute name.
        files: model files by constructor argument.
        on_device: whether the class takes a `device`.
    """

    name: str
    summary: str
    load: str
    files: tuple[FileRole, ...] = ()
    on_device: bool = True
    options: tuple[str, ...] = ()

    def locate(self, folder: Path | None, models: Path | None) -> dict[str, Path]:
        """Find its files under their published names, by argument (`file_roles.locate_files`)."""
        what = f"detector {self.name}"
        return locate_files(self.files, folder, models, what, "--detector-files")


_ANNOTATORS = (
    "OpenPose's files are at https://huggingface.co/lllyasviel/Annotators (for non-commercial use)."
)

DETECTORS: Registry[DetectorSpec] = Registry(
    "pose detector",
    (
        DetectorSpec(
            "dwpose",
            "body, hands and face of several people; needs two files in models/detection. Runs on "
            "the GPU with TorchScript files or onnxruntime-gpu.",
            ".dwpose.detector:DWPoseDetector",
            (
                role_of("person_file", "yolox", "person_detector", "Person detection model"),
                role_of("pose_file", "dwpose", "pose_network", "Pose model"),
            ),
        ),
        DetectorSpec(
            "openpose",
            "body, hands and face of several people, with older networks; needs controlnet_aux and "
            "three files in models/detection.",
            ".openpose:OpenPoseDetector",
            tuple(
                FileRole(argument, (name,), "detection", _ANNOTATORS)
                for argument, name in (
                    ("body_file", "body_pose_model.pth"),
                    ("hand_file", "hand_pose_model.pth"),
                    ("face_file", "facenet.pth"),
                )
            ),
        ),
        DetectorSpec(
            "mediapipe",
            "body, hands and face of several people, on the CPU; needs one small file (36 MB) in "
            "models/detection.",
            ".mediapipe.detector:MediaPipeDetector",
            (role_of("models_file", "mediapipe"),),
            on_device=False,
            options=("smoothing",),
        ),
    ),
    PoseError,
)
# Defaults in order of preference; the first whose files exist is used.
_PREFERRED = ("dwpose", "mediapipe")


def create_detector(
    name: str, files: Mapping[str, Path] | None = None, device: str = "cpu", **options: Any
) -> PoseDetector:
    """Create a detector by name.

    Args:
        name: key in `DETECTORS`.
        files: paths by constructor argument, such as `person_file`; see `DetectorSpec.locate`.
        device: torch device name, such as "cuda:0".

    Raises:
        PoseError: there is no detector of that name.
        MissingPackage: a required package is not installed.
        CheckpointError: a file is missing, damaged or of another kind.
    """
    spec = DETECTORS[name]
    arguments: dict[str, Any] = {**(files or {}), **options}
    if spec.on_device:
        arguments["device"] = device
    return load_attribute(spec.load, __package__)(**arguments)


def default_detector(folder: Path | None, models: Path | None) -> str:
    """Name of the default detector: DWPose if its files exist, else MediaPipe.

    Args:
        folder: folder of the detector files; by default they are searched in `models`.
        models: ComfyUI's models folder.
    """
    for name in _PREFERRED:
        try:
            DETECTORS[name].locate(folder, models)
        except CheckpointError:
            continue
        return name
    return _PREFERRED[-1]


def detector_from_folder(name: str, folder: str | Path, device: str) -> PoseDetector:
    """Create a detector from a folder that holds its files under their published names.

    Raises the errors of `create_detector` and `file_roles.locate_files`.
    """
    return create_detector(name, DETECTORS[name].locate(Path(folder), None), device)
