"""Run a pose detector on frames, put the chosen person first and report detection failures."""

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
    """Detect the people of a video or still image, the chosen person first.

    Args:
        frames: see `PoseDetector.detect`, likewise `total` and `on_frame`.
        threshold: points with a lower score count as missing.
        name: name of the input in error messages.
        choice: person to put first; the largest by default. `PersonChoice("index")` keeps the
            detector's order, as the official code does.

    Returns:
        The chosen person and all others (see `person_selection.choose_person`), and a report that
        names the frames without people and, if there are several people, the chosen one.

    Raises:
        PoseError: no frame shows a person, the chosen person does not exist, or see
            `PoseDetector.detect`.
    """
    people = [
        filter_points(person, threshold, hands, face)
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
    detected = len(empty) - int(empty.sum())
    who = f"up to {len(people)} people at once" if len(people) > 1 else "one person"
    report = [f"{detector.name}: {who} found in {detected} of {len(empty)} frames"]
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
    """Detect the people of the reference image, the chosen person first, as sequences of one frame.

    Args:
        image: (H, W, 3) uint8 RGB.
        choice: see `extract_poses`.
        threshold: see `extract_poses`.

    Raises:
        PoseError: no person, or not the chosen one, is detected.
    """
    people, _ = extract_poses(
        detector, [image], 1, threshold, name="reference image", choice=choice
    )
    return people


def filter_points(
    person: PoseSequence, threshold: float, hands: bool = True, face: bool = True
) -> PoseSequence:
    """Remove points with a lower score than `threshold`, and parts that are not wanted."""
    scores = np.where(person.scores < threshold, 0.0, person.scores)
    if not hands:
        scores[:, skeleton.HANDS_SLICE] = 0.0
    if not face:
        scores[:, skeleton.FACE_SLICE] = 0.0
    return person.with_points(person.points, scores)
