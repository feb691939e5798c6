"""Transform poses along with the resize and crop of their image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..media.resize import covering_crop
from .sequence import PoseSequence


def fit_poses(
    people: Sequence[PoseSequence], source: tuple[int, int], size: tuple[int, int]
) -> list[PoseSequence]:
    """Map poses from an image of `source` size to the result of `resize_crop` with `size`.

    Points in the cropped area keep their position, outside 0…1.
    """
    covering, (top, left) = covering_crop(source, size)
    scale = np.array([covering[1] / size[1], covering[0] / size[0]])
    shift = np.array([left / size[1], top / size[0]])
    return [replace(person, points=person.points * scale - shift, canvas=size) for person in people]
