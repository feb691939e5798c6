"""Finding people in pictures: what a detector is, which there are, and how a failure reads."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import PoseError
from ..progress import Progress, no_progress
from . import skeleton as sk
from .frame_names import name_frames
from .people import PersonChoice, choose_person
from .sequence import PoseSequence


class PoseDetector(Protocol):
    """Finds the people of a clip; a backend is one file of `detectors/`.

    Attributes:
        name: as in `DETECTORS`.
    """

    name: str

    def detect(
        self,
        frames: Iterable[np.ndarray],
        total: int | None = None,
        on_frame: Progress = no_progress,
    ) -> list[PoseSequence]:
        """People of a clip, or of a still picture as a clip of one frame.

        Frames are taken one at a time, so that a video can be streamed through.

        Args:
            frames: (H, W, 3) uint8 RGB, all of one size.
            total: how many there are, when known; only `on_frame` needs it.
            on_frame: called as (done, total) after each frame, with total = done when unknown.

        Returns:
            As many sequences as the fullest frame has people, at least one, all with an entry
            for every frame; empty ones where nobody was found. Backends that look at each frame
            alone list its people in any order: slot 0 need not be the same person all the time.

        Raises:
            PoseError: there is no frame, or one that is no picture or of another size.
        """
        ...


# name -> module of `detectors/` and the factory in it. Modules are imported when asked for: each
# needs packages of its own.
DETECTORS: dict[str, tuple[str, str]] = {
    "dwpose": (".detectors.dwpose", "DWPoseDetector"),
    "openpose": (".detectors.openpose", "OpenPoseDetector"),
    "mediapipe": (".detectors.mediapipe", "MediaPipeDetector"),
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


def extract_poses(
    detector: PoseDetector,
    frames: Iterable[np.ndarray],
    total: int | None = None,
    threshold: float = 0.0,
    hands: bool = True,
    face: bool = True,
    on_frame: Progress = no_progress,
    name: str = "pose detection",
    choice: PersonChoice | None = None,
) -> tuple[list[PoseSequence], list[str]]:
    """People of a clip or of a still picture, the chosen one first.

    Args:
        detector: from `create_detector`.
        frames: see `PoseDetector.detect`, likewise `total` and `on_frame`.
        threshold: points with a lower score count as missing.
        hands: keep the hands.
        face: keep the face.
        name: what to call the input in an error.
        choice: who is meant; the largest by default. `PersonChoice("index")` is what the official
            code does: everybody stays as the detector lists them.

    Returns:
        The chosen person and all others (see `people.choose_person`), and the report: frames
        without anybody, and of several people who was chosen.

    Raises:
        PoseError: no frame shows a person, the chosen one is not there, or see
            `PoseDetector.detect`.
    """
    people = [
        _only_wanted(person, threshold, hands, face)
        for person in detector.detect(frames, total, on_frame)
    ]
    empty = ~np.any([person.body_visible.any(-1) for person in people], axis=0)
    if empty.all():
        height, width = people[0].canvas
        best = max(person.body_scores.max() for person in people)
        where = f" in {name_frames(empty)}" if len(empty) > 1 else ""
        raise PoseError(
            f"{name} ({width}×{height}): no person found{where} (best score {best:.2f}, needed "
            f"more than {max(threshold, sk.VISIBLE):.2f}). Use pictures that show head and "
            "shoulders of one person, another detector, or load poses from a file."
        )
    found = len(empty) - int(empty.sum())
    who = f"up to {len(people)} people at once" if len(people) > 1 else "one person"
    report = [f"{detector.name}: {who} found in {found} of {len(empty)} frames"]
    if empty.any():
        report.append(f"{name_frames(empty)}: no person found; alignment fills short gaps")
    chosen, lines = choose_person(people, choice, name)
    return chosen, report + lines if len(people) > 1 else report


def detect_reference(
    detector: PoseDetector, picture: np.ndarray, choice: PersonChoice | None = None
) -> list[PoseSequence]:
    """People of the reference picture, (H, W, 3) uint8 RGB, the chosen one first: sequences of
    one frame.

    Raises:
        PoseError: it shows nobody, or not the chosen person.
    """
    people, _ = extract_poses(detector, [picture], 1, name="reference picture", choice=choice)
    return people


def _only_wanted(person: PoseSequence, threshold: float, hands: bool, face: bool) -> PoseSequence:
    scores = np.where(person.scores < threshold, 0.0, person.scores)
    if not hands:
        scores[:, sk.HANDS_SLICE] = 0.0
    if not face:
        scores[:, sk.FACE_SLICE] = 0.0
    return person.with_points(person.points, scores)


def checked_frames(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames as backends need them: pictures of one size, contiguous, at least one.

    Raises:
        PoseError: see `PoseDetector.detect`.
    """
    shape = None
    for i, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise PoseError(
                f"frame {i}: {frame.dtype} of shape {frame.shape}, needed uint8 (H, W, 3). "
                "Convert the picture to 8-bit RGB."
            )
        if frame.shape != shape:
            raise PoseError(
                f"frame {i} is {frame.shape[1]}×{frame.shape[0]}, the first is "
                f"{shape[1]}×{shape[0]}. Bring all frames to one size."
            )
        yield np.ascontiguousarray(frame)
    if shape is None:
        raise PoseError("pose detection: no frame in the clip. Use one with at least one frame.")
