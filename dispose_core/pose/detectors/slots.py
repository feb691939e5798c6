"""Collect per-frame detections into pose sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import skeleton
from ..sequence import PoseSequence

Found = tuple[np.ndarray, np.ndarray]  # points (134, 2) in pixels, scores (134,)


def people_in_slots(
    frames: Sequence[Sequence[Found | None]], canvas: tuple[int, int]
) -> list[PoseSequence]:
    """Put the i-th person of every frame into sequence i; returns at least one sequence.

    Args:
        frames: detections of each frame; None leaves a sequence empty there.
        canvas: (height, width) of the frames in pixels.
    """
    slots = max(1, *map(len, frames))
    points = np.full((slots, len(frames), skeleton.N_POINTS, 2), np.nan)
    scores = np.zeros((slots, len(frames), skeleton.N_POINTS))
    for frame, people in enumerate(frames):
        for slot, found in enumerate(people):
            if found is not None:
                points[slot, frame], scores[slot, frame] = found
    points /= (canvas[1], canvas[0])
    return [PoseSequence(*person, canvas) for person in zip(points, scores, strict=True)]
