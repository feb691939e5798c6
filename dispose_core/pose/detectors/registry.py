"""The pose detectors there are, by name.

A new one is a file with its class (`base.PoseDetector`) and an entry here; `register` adds those
of other packs. Classes are imported when asked for: each needs packages of its own.
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
    """A pose detector.

    Attributes:
        name: one word that users type.
        summary: what it finds, on what, with which files; for tooltips and help.
        load: "module:class", a module of this package or an absolute name.
        files: what its class takes, by argument.
        on_device: whether its class takes a `device`.
        options: other arguments of its class, and what they do.
    """

    name: str
    summary: str
    load: str
    files: tuple[FileRole, ...] = ()
    on_device: bool = True
    options: tuple[str, ...] = ()

    def locate(self, folder: Path | None, models: Path | None) -> dict[str, Path]:
        """Its files under their published names, by argument (`file_roles.locate_files`)."""
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
            "body, hands and face of one person, on the CPU; needs no model files, but a separate "
            "installation, see the README.",
            ".mediapipe:MediaPipeDetector",
            on_device=False,
            options=("smoothing",),
        ),
    ),
    PoseError,
)
# Tried in this order where none is named: the first whose files are there.
_PREFERRED = ("dwpose", "mediapipe")


def create_detector(
    name: str, files: Mapping[str, Path] | None = None, device: str = "cpu", **options: Any
) -> PoseDetector:
    """A detector by its name.

    Args:
        name: of `DETECTORS`.
        files: by argument of its class, such as `person_file`; see `DetectorSpec.locate`.
        device: as torch names it, such as "cuda:0".
        options: other arguments of its class.

    Raises:
        PoseError: there is no detector of that name.
        MissingPackage: its packages are not installed.
        CheckpointError: a file is missing, damaged or another.
    """
    spec = DETECTORS[name]
    arguments: dict[str, Any] = {**(files or {}), **options}
    if spec.on_device:
        arguments["device"] = device
    return load_attribute(spec.load, __package__)(**arguments)


def default_detector(folder: Path | None, models: Path | None) -> str:
    """The name of the detector to take where none is named: DWPose where its files are found,
    else MediaPipe, which carries its own.

    Args:
        folder: where detector files are; else below the models folder.
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
    """A detector with the files of a folder that have their published names; raises as
    `create_detector` and `file_roles.locate_files`."""
    return create_detector(name, DETECTORS[name].locate(Path(folder), None), device)
