"""Move the reference's own face as the driver's face moves.

The driver's face in the frame that is most like the reference is the neutral one. From there to
every frame, an affine map turns and tilts the reference's face, and what the map leaves, the
expression, is added at the reference's size. So the face keeps its shape: where the driver looks
as the reference does, the points are the reference's.
"""

from __future__ import annotations

import numpy as np

from .. import skeleton
from ..skeleton import NOSE
from .body_proportions import Proportions

# Eyes and ears of the body, then the face.
HEAD_POINTS = [*range(14, 18), *range(skeleton.FACE_SLICE.start, skeleton.FACE_SLICE.stop)]
_FACE = slice(4, None)  # the part of these that the maps are fitted to
_FEWEST = 20  # points that both need, of 68


def transfer_face(
    reference: Proportions, driver: Proportions, noses: np.ndarray, ratio: float
) -> np.ndarray | None:
    """Eyes, ears and face of the reference, moved as the driver's.

    Args:
        reference: the reference person, one frame.
        driver: (T) frames.
        noses: (T, 2) retargeted nose in pixels of the image.
        ratio: size of the reference's head against the driver's.

    Returns:
        (T, 72, 2) pixels of the image for `HEAD_POINTS`; NaN where the driver shows no nose, no
        such point or not enough of a face. None if the reference or all of the driver does not.
    """
    here = reference.points[0, HEAD_POINTS] - reference.points[0, NOSE]  # (72, 2)
    there = driver.points[:, HEAD_POINTS] - driver.points[:, [NOSE]]  # (T, 72, 2)
    neutral = _most_similar(here[_FACE], there[:, _FACE], driver.seen[:, NOSE])
    if not reference.seen[0, NOSE] or neutral is None:
        return None
    maps, shifts = _affine_maps(there[neutral, _FACE], there[:, _FACE])
    expression = there - (there[neutral] @ maps.swapaxes(1, 2) + shifts[:, None])
    # A point that the reference does not show has the driver's place.
    face = np.where(np.isfinite(here), here, there[neutral] * ratio)
    moved = face @ maps.swapaxes(1, 2) + (shifts[:, None] + expression) * ratio
    moved[~driver.seen[:, NOSE]] = np.nan
    return moved + noses[:, None]


def _most_similar(here: np.ndarray, there: np.ndarray, usable: np.ndarray) -> int | None:
    """The frame of `there` (T, N, 2) whose face is most like `here` (N, 2) up to a similarity."""
    both = np.isfinite(there[..., 0]) & np.isfinite(here[:, 0])
    enough = usable & (both.sum(1) >= _FEWEST)
    if not enough.any():
        return None
    first, second = _centred(here[None], both), _centred(there, both)
    product = np.abs((first.conj() * second).sum(1)) ** 2
    sizes = (np.abs(first) ** 2).sum(1) * (np.abs(second) ** 2).sum(1)
    return int(np.where(enough, product / np.maximum(sizes, 1e-12), -1.0).argmax())


def _centred(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(T, N) complex points relative to the mean of the known ones; 0 where unknown."""
    numbers = np.where(known, points @ (1, 1j), 0)
    mean = numbers.sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    return np.where(known, numbers - mean, 0)


def _affine_maps(neutral: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares maps (T, 2, 2) and shifts (T, 2) from `neutral` (N, 2) to `faces` (T, N, 2).

    NaN for frames with fewer than `_FEWEST` points in common.
    """
    known = np.isfinite(neutral[:, 0]) & np.isfinite(faces[..., 0])  # (T, N)
    weight = (known / np.maximum(known.sum(1, keepdims=True), 1))[..., None]
    source, target = (np.where(known[..., None], points, 0.0) for points in (neutral, faces))
    source_mean, target_mean = (source * weight).sum(1), (target * weight).sum(1)
    source, target = source - source_mean[:, None], target - target_mean[:, None]
    spread = (source * weight).swapaxes(1, 2) @ source
    spread += np.eye(2) * 1e-9  # regular also where nothing is known
    maps = np.linalg.solve(spread, (source * weight).swapaxes(1, 2) @ target).swapaxes(1, 2)
    maps[known.sum(1) < _FEWEST] = np.nan
    return maps, target_mean - (maps @ source_mean[..., None])[..., 0]
