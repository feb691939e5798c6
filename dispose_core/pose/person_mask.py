"""Masks of the chosen person, from a detector that finds outlines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np

from ..errors import PoseError
from ..progress import Progress, no_progress
from .detect import filter_points
from .detectors.base import MaskDetector, PoseDetector
from .frame_ranges import name_frames
from .tracking.person_selection import PersonChoice, choose_person


def person_masks(
    detector: PoseDetector,
    frames: Iterable[np.ndarray],
    total: int | None = None,
    threshold: float = 0.0,
    on_frame: Progress = no_progress,
    name: str = "images",
    choice: PersonChoice | None = None,
) -> tuple[Iterator[np.ndarray], list[str]]:
    """Find the outline of the chosen person in a still image or in every frame of a video.

    Args:
        frames: see `PoseDetector.detect`, likewise `total` and `on_frame`.
        threshold: points with a lower score count as missing, as in `extract_poses`.
        name: name of the input in error messages.
        choice: the largest person by default.

    Returns:
        For each frame the probability that a pixel shows the person, (H, W) float32 0…1, zero where
        the person is absent; and a report that names these frames and the chosen person.

    Raises:
        PoseError: the detector finds no outlines, no frame shows a person, or the chosen person
            does not exist.
    """
    if not hasattr(detector, "detect_masks"):
        raise PoseError(
            f"detector {detector.name} finds joints but no outlines. Choose mediapipe in Pose "
            "Detector Loader, or use a mask from another node."
        )
    found, masks = cast(MaskDetector, detector).detect_masks(frames, total, on_frame)
    people = [filter_points(person, threshold) for person in found]
    chosen, report = choose_person(people, choice, name)
    # Tracking exchanges people between the sequences of a frame, but leaves their points unchanged.
    slots = [
        next(
            (
                slot
                for slot, person in enumerate(people)
                if chosen[0].present[frame]
                and np.array_equal(person.points[frame], chosen[0].points[frame], equal_nan=True)
            ),
            None,
        )
        for frame in range(len(masks))
    ]
    absent = np.array([slot is None for slot in slots])
    lines = [f"{name}: mask of the person in {int((~absent).sum())} of {len(absent)} frames"]
    if len(people) > 1:
        lines += report
    elif absent.any():
        lines.append(f"{name_frames(absent)}: the person is absent, the mask is empty")
    return _on_canvas(masks, slots, people[0].canvas), lines


def _on_canvas(masks, slots, canvas: tuple[int, int]) -> Iterator[np.ndarray]:
    for frame, slot in zip(masks, slots, strict=True):
        mask = None if slot is None else frame[slot]
        yield np.zeros(canvas, np.float32) if mask is None else mask.on_canvas(canvas)
