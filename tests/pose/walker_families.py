"""Random clips of people by family, and whether tracking keeps everybody apart in them.

Each family is one kind of difficulty. Clips last up to four seconds at 24 frames a second, of which
every frame, every second or every fourth is kept. `walkers.film` lists the people; who is who is
written into the scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dispose_core.pose import skeleton
from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.tracking.person_selection import choose_person
from dispose_core.pose.tracking.tracker import track_people
from tests.pose.conftest import STANDING
from tests.pose.walkers import SIZE, film, names, walker

HEIGHT, WIDTH = SIZE
# Somebody seen with so many of 18 joints in every frame is a whole person.
_WHOLE = 12
# The largest person must be larger than anybody else by this factor to be asked for as "largest".
_CLEARLY = 1.3
_LEGS = [j for leg in skeleton.LEGS for j in leg]
_PARTS = {
    "head": [0, 14, 15, 16, 17],
    "head and shoulders": [0, 1, 2, 5, 14, 15, 16, 17],
    "legs": _LEGS,
    "an arm": [2, 3, 4],
    "upper half": [j for j in range(18) if j not in _LEGS],
}


@dataclass(frozen=True)
class Outcome:
    """What tracking made of one clip.

    Attributes:
        switched: a sequence holds more than one of the people.
        lost: somebody seen whole in every frame is not whole in one sequence, or "largest" does not
            follow the largest person through all of that person's frames.
        frames_lost: frames of people seen whole in every frame outside their longest sequence.
        parts: sequences beyond one a person.
    """

    switched: bool
    lost: bool
    frames_lost: int
    parts: int


def outcome(slots: list[PoseSequence]) -> Outcome:
    """Track the people of a clip and compare them with the truth in the scores."""
    tracked = track_people(slots)
    joints = _joints_found(slots)  # (P, T)
    people = np.flatnonzero(joints.any(1))
    whole = [p for p in people if (joints[p] >= _WHOLE).all()]
    frames_lost = 0
    for person in whole:
        found = [(_joints_found([track])[person] > 0).sum() for track in tracked]
        frames_lost += joints.shape[1] - max(found)
    largest = _largest(slots, people)
    followed = True
    if largest is not None and largest in whole:
        first = _joints_found(choose_person(slots)[0][:1])[largest]
        followed = bool((first > 0).all())
    return Outcome(
        switched=any(len(names(track)) > 1 for track in tracked),
        lost=frames_lost > 0 or not followed,
        frames_lost=int(frames_lost),
        parts=len(tracked) - len(people),
    )


def _joints_found(sequences: list[PoseSequence]) -> np.ndarray:
    """(P, T) how many joints of person p are found in frame t; at most 10 people."""
    scores = np.stack([sequence.body_scores for sequence in sequences])  # (S, T, 18)
    person = np.where(scores > 0, np.round((scores - 0.5) * 1000), -1)
    return np.stack([(person == p).sum((0, 2)) for p in range(10)])


def _largest(slots: list[PoseSequence], people: np.ndarray) -> int | None:
    """Who clearly fills most of the image over all frames; None where two are about equal."""
    sizes = []
    points = np.stack([slot.body * (WIDTH, HEIGHT) for slot in slots])  # (S, T, 18, 2)
    scores = np.stack([slot.body_scores for slot in slots])
    for p in people:
        own = (np.round((scores - 0.5) * 1000) == p)[..., None]
        there = own.any((0, 2, 3))
        low = np.where(own, points, np.inf).min((0, 2))[there]
        high = np.where(own, points, -np.inf).max((0, 2))[there]
        sizes.append(np.median((high - low).prod(-1)) * there.mean())
    order = np.argsort(sizes)[::-1]
    if len(order) > 1 and sizes[order[0]] < _CLEARLY * sizes[order[1]]:
        return None
    return int(people[order[0]])


# -- families -------------------------------------------------------------------------------


def crossing(rng: np.random.Generator) -> list[PoseSequence]:
    """Two to four people pass through one place about the middle, the far ones behind the near."""
    every, frames = _pace(rng)
    count = int(rng.integers(2, 5))
    heights = rng.uniform(220, 460, count)
    speeds = _different(rng, count, 1.0, 16.0, apart=2.5) * heights / 400
    people = []
    for height, speed in zip(heights, speeds, strict=True):
        middle = WIDTH / 2 + rng.uniform(-120, 120), 330 + height / 12 + rng.uniform(-15, 15)
        person = walker(frames, middle, speed, height, rng.uniform(0, 6), rng.uniform(18, 32))
        people.append(_inside(_wander(rng, person, height)))
    return _listed(rng, _behind(rng, _thin(people, every), heights))


def partial(rng: np.random.Generator) -> list[PoseSequence]:
    """A whole person in every frame, and up to three neighbours of whom a part is seen at times.

    No two neighbours stand in one place, where one who goes as another comes could not be told.
    """
    every, frames = _pace(rng)
    height = rng.uniform(250, 550)
    x = rng.uniform(400, 880)
    if rng.random() < 0.5:
        whole = dancer(rng, frames, (x, 380), height)
    else:
        whole = walker(frames, (x, 380), rng.uniform(-6, 6), height, rng.uniform(0, 6), 24)
    people, taken = [whole], []
    for _ in range(rng.integers(1, 4)):
        own = height * rng.uniform(0.7, 1.2)
        beside = x + rng.choice([-1, 1]) * height * rng.uniform(0.15, 0.7)
        if any(abs(beside - other) < 0.3 * height for other in taken):
            continue
        taken.append(beside)
        neighbour = dancer(rng, frames, (beside, 380 + rng.uniform(-60, 60)), own, sway=0.02)
        if len(people) == 1 and rng.random() < 0.25:  # cut by the edge of the image
            side = rng.choice([0, WIDTH])
            neighbour[..., 0] += side - neighbour[..., 0].mean() + rng.uniform(-0.1, 0.1) * own
            neighbour = _inside(neighbour)
        else:
            part = _PARTS[rng.choice(list(_PARTS))]
            neighbour[:, np.setdiff1d(np.arange(18), part)] = np.nan
        neighbour[~_at_times(rng, frames, every)] = np.nan
        people.append(neighbour)
    people = _thin(people, every)
    order = rng.choice(["shuffled", "last", "first"])
    return _listed(rng, people, order=order, missed=0.0, dropped=rng.uniform(0.0, 0.1))


def re_entering(rng: np.random.Generator) -> list[PoseSequence]:
    """Somebody is hidden and returns, there or elsewhere, while one or two others stay.

    In some clips somebody else of clearly other height comes at that place instead.
    """
    every, frames = _pace(rng)
    heights = rng.uniform(250, 450, 3)
    places = rng.permutation([260, 640, 1020]) + rng.uniform(-100, 100, 3)
    people = [dancer(rng, frames, (places[0], 360), heights[0])]
    if rng.random() < 0.5:
        people.append(dancer(rng, frames, (places[1], 360), heights[1]))
    speed = rng.uniform(-5, 5) * heights[2] / 400
    mover = walker(frames, (places[2], 350), speed, heights[2], rng.uniform(0, 6), 24)
    mover = _wander(rng, mover, heights[2])
    hidden = int(rng.integers(4, 40) * every)
    start = int(rng.integers(frames // 5, max(frames // 5 + 1, frames - hidden - 4 * every)))
    if rng.random() < 0.4:
        mover[start:, :, 0] += rng.choice([-1, 1]) * heights[2] * rng.uniform(1.1, 2.0)
    mover[start : start + hidden] = np.nan
    people.append(_inside(mover))
    if rng.random() < 0.2:
        height = heights[2] * rng.choice([rng.uniform(0.6, 0.72), rng.uniform(1.4, 1.6)])
        other = walker(frames, (places[2], 350), speed, height, rng.uniform(0, 6), 24)
        other[: start + hidden] = mover[start:] = np.nan
        people[-1] = _inside(mover)
        people.append(_inside(other))
    return _listed(rng, _thin(people, every), missed=0.0)


def look_alike(rng: np.random.Generator) -> list[PoseSequence]:
    """People of one height in step: two to four side by side, or two who cross."""
    every, frames = _pace(rng)
    if rng.random() < 0.35:
        return _two_alike_crossing(rng, every, frames)
    count, height = int(rng.integers(2, 5)), rng.uniform(250, 450)
    spacing = rng.uniform(0.25, 0.6) * height
    start = WIDTH / 2 - spacing * (count - 1) / 2
    if rng.random() < 0.5:
        # Nobody goes so far in a frame that the next one could stand there.
        fastest = min(10.0, 0.45 * spacing / every)
        speed = rng.choice([-1, 1]) * rng.uniform(0.1, 1.0) * fastest
        one = walker(frames, (start, 360), speed, height, rng.uniform(0, 6), rng.uniform(18, 32))
    else:
        sway = min(0.1, 0.3 * spacing / height / every)
        one = dancer(rng, frames, (start, 360), height, sway)
    places = np.stack([spacing * np.arange(count), rng.uniform(-8, 8, count)], 1)
    people = [_wander(rng, one + place, height, 0.01) for place in places]
    return _listed(rng, _thin([_inside(person) for person in people], every))


def _two_alike_crossing(rng: np.random.Generator, every: int, frames: int) -> list[PoseSequence]:
    height, phase, stride = rng.uniform(220, 460), rng.uniform(0, 6), rng.uniform(18, 32)
    speeds = _different(rng, 2, 1.0, 16.0, apart=2.5) * height / 400
    people = []
    for speed in speeds:
        middle = WIDTH / 2 + rng.uniform(-60, 60), 360 + rng.uniform(-15, 15)
        person = walker(frames, middle, speed, height, phase, stride)
        people.append(_inside(_wander(rng, person, height)))
    return _listed(rng, _behind(rng, _thin(people, every), np.array([height, height - 1])))


def standing_in_any_order(rng: np.random.Generator) -> list[PoseSequence]:
    """Two people who stand, listed in another order at random."""
    every, frames = _pace(rng)
    heights = rng.uniform(250, 450, 2)
    distance = rng.uniform(0.35, 1.2) * heights.max()
    people = [
        dancer(rng, frames, (WIDTH / 2 + side * distance / 2, 380), height, sway=0.02)
        for side, height in zip((-1, 1), heights, strict=True)
    ]
    return _listed(rng, _thin(people, every), missed=0.0)


Family = Callable[[np.random.Generator], list[PoseSequence]]
FAMILIES: dict[str, Family] = {
    "crossing": crossing,
    "partial": partial,
    "re-entering": re_entering,
    "look-alike": look_alike,
    "standing in any order": standing_in_any_order,
}


def clip(family: str, seed: int) -> list[PoseSequence]:
    """The clip of a family with this number."""
    return FAMILIES[family](np.random.default_rng([seed, len(family)]))


# -- what clips are made of -----------------------------------------------------------------


def dancer(
    rng: np.random.Generator,
    frames: int,
    middle: tuple[float, float],
    height: float,
    sway: float = 0.06,
) -> np.ndarray:
    """(T, 18, 2) pixels of somebody seen from the front who sways and moves arms and knees.

    Args:
        sway: to each side, in heights.
    """
    t = np.arange(frames)[:, None]
    body = np.repeat(((STANDING - 0.5) / 0.72)[None], frames, 0)
    period = rng.uniform(24, 60)
    for joint in (3, 4, 6, 7, 9, 12):
        swing = 0.09 if joint in (4, 7) else 0.04
        turn = 2 * np.pi * np.arange(frames) / rng.uniform(20, 50) + rng.uniform(0, 6)
        body[:, joint] += swing * np.stack([np.sin(turn), np.cos(turn)], -1) * rng.uniform(0, 1, 2)
    body[..., 0] += sway * np.sin(2 * np.pi * t / period + rng.uniform(0, 6))
    body[..., 1] += sway / 3 * np.sin(4 * np.pi * t / period)
    return body * height + middle


def _pace(rng: np.random.Generator) -> tuple[int, int]:
    """Every how many frames one is kept, and the frames before that."""
    every = int(rng.choice([1, 2, 4]))
    return every, int(rng.integers(48, 97)) if every < 4 else int(rng.integers(72, 121))


def _thin(people: list[np.ndarray], every: int) -> list[np.ndarray]:
    return [person[::every] for person in people]


def _different(
    rng: np.random.Generator, count: int, low: float, high: float, apart: float
) -> np.ndarray:
    """(count,) signed speeds of which no two are nearly the same."""
    while True:
        speeds = rng.choice([-1, 1], count) * rng.uniform(low, high, count)
        gaps = np.abs(speeds[:, None] - speeds)[np.triu_indices(count, 1)]
        if gaps.min() >= apart:
            return speeds


def _wander(
    rng: np.random.Generator, person: np.ndarray, height: float, share: float = 0.03
) -> np.ndarray:
    """Nobody walks at one speed: back and forth by a share of the height within two seconds."""
    t = np.arange(len(person))
    turn = 2 * np.pi * t / rng.uniform(40, 90) + rng.uniform(0, 6)
    return person + (share * height * np.stack([np.sin(turn), 0.3 * np.cos(turn)], -1))[:, None]


def _inside(person: np.ndarray) -> np.ndarray:
    """Joints outside the image are not seen."""
    seen = ((person >= 0) & (person < (WIDTH, HEIGHT))).all(-1)
    return np.where(seen[..., None], person, np.nan)


def _at_times(rng: np.random.Generator, frames: int, every: int) -> np.ndarray:
    """(T,) bool: stretches of presence of one to twenty kept frames, with pauses between."""
    there = np.zeros(frames, dtype=bool)
    at = int(rng.integers(0, frames // 2))
    while at < frames:
        stay = int(rng.integers(1, 21)) * every
        there[at : at + stay] = True
        at += stay + int(rng.integers(1, 16)) * every
    return there


def _behind(
    rng: np.random.Generator, people: list[np.ndarray], heights: np.ndarray
) -> list[np.ndarray]:
    """Nine tenths of the joints behind a nearer person's head and trunk are not seen."""
    order = np.argsort(heights)[::-1]  # near first
    seen = [person.copy() for person in people]
    for far in range(1, len(order)):
        for near in order[:far]:
            trunk = people[near][:, [0, 2, 5, 8, 11]]
            pad = 0.06 * heights[near]
            low, high = trunk.min(1) - pad, trunk.max(1) + pad  # NaN out of the image: hides none
            person = seen[order[far]]
            covered = ((person > low[:, None]) & (person < high[:, None])).all(-1)
            person[covered & (rng.random(covered.shape) < 0.9)] = np.nan
    return seen


def _listed(
    rng: np.random.Generator,
    people: list[np.ndarray],
    order: str = "shuffled",
    missed: float = 0.02,
    dropped: float | None = None,
) -> list[PoseSequence]:
    """What a detector lists of these people (see `walkers.film`), trembling and with gaps.

    Args:
        order: "shuffled" anew in every frame, "last": the first person last, or "first".
        missed: share of frames in which somebody is not found.
        dropped: share of joints that are not found; up to a quarter by default.
    """
    people = [person.copy() for person in people]
    for person in people:
        person[rng.random(len(person)) < missed] = np.nan
        mixed = rng.random(len(person)) < 0.02  # left and right taken for each other
        person[mixed] = person[mixed][:, list(skeleton.BODY_MIRROR)]
    dropped = rng.uniform(0.0, 0.25) if dropped is None else dropped
    return film(
        people, rng.uniform(0.5, 4.0), dropped, seed=int(rng.integers(1 << 30)), order=order
    )
