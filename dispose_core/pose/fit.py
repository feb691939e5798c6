"""Poses of an image that was resized and cropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..media.resize import covering_crop
from .sequence import PoseSequence


def fit_poses(
    people: Sequence[PoseSequence], source: tuple[int, int], size: tuple[int, int]
) -> list[PoseSequence]:
    """Poses of an image of `source` size, moved to where `resize_crop` puts the people.

    What is cropped away keeps its place outside 0…1.
    """
    covering, (top, left) = covering_crop(source, size)
    scale = np.array([covering[1] / size[1], covering[0] / size[0]])
    shift = np.array([left / size[1], top / size[0]])
    return [replace(one, points=one.points * scale - shift, canvas=size) for one in people]
