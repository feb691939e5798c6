"""The detector named mediapipe: body, hands and face of everyone, on the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np

from ....progress import Progress, no_progress
from ...alignment.gap_filling import smooth
from ...sequence import PoseSequence
from ..base import PersonMask, checked_frames
from ..slots import Found, people_in_slots
from .joints import to_points
from .landmarks import Holistic, Person
from .networks import read_networks
from .regions import Region

T = TypeVar("T")

# Two regions whose centers are nearer than this, relative to the smaller one, are one person. Hips
# of two people side by side are a third of a region apart.
_SAME_REGION = 0.15
_SAME_SIZE = 1.5
# Two bodies whose points are on average nearer than this, relative to the region, are one person.
_SAME_BODY = 0.05
# Two bodies whose bounding boxes share this part of the smaller one are one person, if only one of
# them is found in the whole image.
_SAME_BOX = 0.5
# Farthest way of a body between two frames, relative to the region.
_FARTHEST = 0.15


class MediaPipeDetector:
    """Detects and tracks the people of a video; see `MaskDetector`.

    A person is searched for in the whole image in every frame, and in the region where the frame
    before has shown them, which also finds people that are unclear in the whole image.
    """

    name = "mediapipe"

    def __init__(self, models_file: str | Path, smoothing: bool = True) -> None:
        """
        Args:
            models_file: wheel of mediapipe 0.10.21 with the networks; see `networks.read_networks`.
            smoothing: reduce the jitter of the points (`gap_filling.smooth`).

        Raises:
            CheckpointError: the file is damaged or another one.
            MissingPackage: LiteRT is not installed.
        """
        self.smoothing = smoothing
        self._holistic = Holistic(read_networks(models_file))

    def detect(
        self,
        frames: Iterable[np.ndarray],
        total: int | None = None,
        on_frame: Progress = no_progress,
    ) -> list[PoseSequence]:
        people, _ = self._detect(frames, total, on_frame, with_masks=False)
        return people

    def detect_masks(
        self,
        frames: Iterable[np.ndarray],
        total: int | None = None,
        on_frame: Progress = no_progress,
    ) -> tuple[list[PoseSequence], list[list[PersonMask | None]]]:
        return self._detect(frames, total, on_frame, with_masks=True)

    def _detect(
        self, frames: Iterable[np.ndarray], total: int | None, on_frame: Progress, with_masks: bool
    ) -> tuple[list[PoseSequence], list[list[PersonMask | None]]]:
        # By track, for each frame.
        found: list[dict[int, Found]] = []
        masks: list[dict[int, PersonMask]] = []
        tracks: dict[int, Person] = {}
        numbers = count()
        canvas = (0, 0)
        for frame in checked_frames(frames):
            canvas = (frame.shape[0], frame.shape[1])
            tracks = self._next(frame, tracks, numbers)
            found.append({track: to_points(person, canvas) for track, person in tracks.items()})
            if with_masks:
                masks.append({track: person.mask for track, person in tracks.items()})
            on_frame(len(found), total or len(found))
        if self.smoothing:
            _smooth(found, canvas)
        slots = _slots(found)
        people = [_in_slots(each, order) for each, order in zip(found, slots, strict=True)]
        return people_in_slots(people, canvas), [
            _in_slots(each, order) for each, order in zip(masks, slots, strict=False)
        ]

    def _next(
        self, frame: np.ndarray, tracks: dict[int, Person], numbers: Iterator[int]
    ) -> dict[int, Person]:
        """Find the people of the next frame, with the numbers of their tracks."""
        people: dict[int, Person] = {}
        for track, previous in tracks.items():
            person = self._holistic.person(frame, previous.region, previous)
            if person is not None and _moved(previous, person):
                # A cut: what was there tells nothing about this person.
                track, person = next(numbers), self._holistic.person(frame, person.region)
            if person is not None and not _is_among(person, people.values()):
                people[track] = person
        unseen = dict(people)  # people whom the search of the whole image has not confirmed
        for region in self._holistic.regions_of_people(frame):
            known = [track for track, person in people.items() if _same_region(region, person)]
            for track in known:
                unseen.pop(track, None)
            if known:
                continue
            person = self._holistic.person(frame, region)
            if person is None or _is_among(person, people.values()):
                continue
            # An old region may hold a part of this person alone, as after a cut.
            for track in [track for track, other in unseen.items() if _overlap(person, other)]:
                del people[track], unseen[track]
            people[next(numbers)] = person
        return people


def _moved(before: Person, after: Person) -> bool:
    """Whether a body has moved too far in one frame to be the same person."""
    distance = np.linalg.norm(after.body - before.body, axis=-1).mean()
    return bool(distance > _FARTHEST * min(before.region.size, after.region.size))


def _same_region(region: Region, person: Person) -> bool:
    near, far = sorted((region.size, person.region.size))
    distance = np.linalg.norm(region.center - person.region.center)
    return bool(distance < _SAME_REGION * near and far < _SAME_SIZE * near)


def _is_among(person: Person, others: Iterable[Person]) -> bool:
    """Whether the body is that of one of the others."""
    return any(
        np.linalg.norm(person.body - other.body, axis=-1).mean()
        < _SAME_BODY * min(person.region.size, other.region.size)
        for other in others
    )


def _overlap(person: Person, other: Person) -> bool:
    """Whether two bodies cover each other so far that they can only be one person."""
    low = np.maximum(person.body.min(0), other.body.min(0))
    high = np.minimum(person.body.max(0), other.body.max(0))
    smaller = min(np.ptp(each.body, axis=0).prod() for each in (person, other))
    return bool((high - low).clip(0).prod() > _SAME_BOX * smaller)


def _smooth(found: list[dict[int, Found]], canvas: tuple[int, int]) -> None:
    """Smooth each track in place."""
    size = (canvas[1], canvas[0])
    for track in {track for people in found for track in people}:
        frames = [people for people in found if track in people]  # a track has no gap
        points, scores = zip(*(people[track] for people in frames), strict=True)
        pose = smooth(PoseSequence(np.stack(points) / size, np.stack(scores), canvas))
        for people, position, score in zip(frames, pose.points * size, pose.scores, strict=True):
            people[track] = (position, score)


def _slots(found: list[dict[int, Found]]) -> list[list[int | None]]:
    """Tracks of each frame in an order in which a track keeps its position; gaps are reused."""
    slots: list[int | None] = []
    frames = []
    for people in found:
        slots = [track if track in people else None for track in slots]
        for track in people:
            if track in slots:
                continue
            if None in slots:
                slots[slots.index(None)] = track
            else:
                slots.append(track)
        frames.append(list(slots))
    return frames


def _in_slots(by_track: dict[int, T], slots: list[int | None]) -> list[T | None]:
    return [None if track is None else by_track[track] for track in slots]
