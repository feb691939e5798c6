"""Finding people in images: what a detector is, which there are, and how a failure reads."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..errors import PoseError
from ..progress import Progress, no_progress
from . import skeleton
from .detectors.base import PoseDetector
from .frame_ranges import name_frames
from .sequence import PoseSequence
from .tracking.person_selection import PersonChoice, choose_person


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
    """People of a clip or of a still image, the chosen one first.

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
            f"more than {max(threshold, skeleton.VISIBLE):.2f}). Use images that show head and "
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
    detector: PoseDetector,
    image: np.ndarray,
    choice: PersonChoice | None = None,
    threshold: float = 0.0,
) -> list[PoseSequence]:
    """People of the reference image, (H, W, 3) uint8 RGB, the chosen one first: sequences of
    one frame.

    Raises:
        PoseError: it shows nobody, or not the chosen person.
    """
    people, _ = extract_poses(
        detector, [image], 1, threshold, name="reference image", choice=choice
    )
    return people


def _only_wanted(person: PoseSequence, threshold: float, hands: bool, face: bool) -> PoseSequence:
    scores = np.where(person.scores < threshold, 0.0, person.scores)
    if not hands:
        scores[:, skeleton.HANDS_SLICE] = 0.0
    if not face:
        scores[:, skeleton.FACE_SLICE] = 0.0
    return person.with_points(person.points, scores)
