"""Films of people who walk, as a detector would list them: shuffled, trembling, with gaps.

Who is who is written into the scores, which tracking does not compare: person n has 0.5 + n/1000
at every joint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dispose_core.pose.sequence import PoseSequence
from tests.pose.conftest import STANDING

SIZE = (720, 1280)
# From the side: half as broad; in heights about the middle of the body.
_SIDE = (STANDING - 0.5) * (0.5, 1 / 0.72)
# Per joint, how far ahead it swings at most, in heights: arms against legs.
_SWING = np.zeros(18)
_SWING[[9, 10, 12, 13, 3, 4, 6, 7]] = 0.06, 0.14, -0.06, -0.14, -0.04, -0.10, 0.04, 0.10


def walker(
    frames: int,
    middle: tuple[float, float],
    speed: float,
    height: float = 400.0,
    phase: float = 0.0,
    stride: float = 12.0,
) -> np.ndarray:
    """(T, 18, 2) pixels of somebody who is at `middle` halfway through the film.

    Args:
        speed: pixels a frame, to the right when positive; the body faces that way.
        stride: frames of a double step.
    """
    t = np.arange(frames)[:, None]
    body = np.repeat(_SIDE[None], frames, 0)
    body[..., 0] += _SWING * np.sin(2 * np.pi * t / stride + phase)
    body[..., 0] *= np.sign(speed) or 1.0
    body = body * height + middle
    body[..., 0] += (t - frames // 2) * speed
    return body


def film(
    walkers: Sequence[np.ndarray],
    noise: float = 4.0,
    dropped: float = 0.2,
    hidden: Mapping[int, slice] | None = None,
    seed: int = 0,
    order: str = "shuffled",
) -> list[PoseSequence]:
    """What a detector lists: every frame's people, without those not there.

    Args:
        walkers: (T, 18, 2) each; NaN where somebody is out of the image.
        noise: pixels, standard deviation of every coordinate.
        dropped: share of joints that are not found.
        hidden: frames in which a person is not found at all.
        order: "shuffled" anew in every frame, "first": as given, "last": the first one last.
    """
    rng = np.random.default_rng(seed)
    frames, count = len(walkers[0]), len(walkers)
    points = np.full((count, frames, 128, 2), np.nan)
    scores = np.zeros((count, frames, 128))
    found = rng.random((count, frames, 18)) >= dropped
    found &= np.isfinite(np.stack(walkers)).all(-1)
    for person, when in (hidden or {}).items():
        found[person, when] = False
    for t in range(frames):
        there = np.flatnonzero(found[:, t].any(-1))
        if order == "shuffled":
            there = rng.permutation(there)
        elif order == "last":
            there = there[::-1]
        for slot, person in enumerate(there):
            place = walkers[person][t] + rng.normal(0, noise, (18, 2))
            points[slot, t, :18] = place / SIZE[::-1]
            scores[slot, t, :18] = found[person, t] * (0.5 + person / 1000)
    return [PoseSequence(points[i], scores[i], SIZE) for i in range(count)]


def names(person: PoseSequence) -> set[int]:
    """Which walkers a sequence is made of."""
    scores = person.body_scores
    return {round((score - 0.5) * 1000) for score in scores[scores > 0].tolist()}
