"""Select one of several people and put that person first.

All pose lists follow this order: alignment is fitted to the first person, motion is taken from
the first person, and drawing shows everybody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...errors import PoseError
from .. import skeleton
from ..frame_ranges import name_frames, numbers
from ..sequence import PoseSequence
from .list_order import order_report
from .tracker import joints_of, track_people

# Largest distance of a "near" person from the point, as a share of the image's longer side.
NEAR = 0.25
# Two people cross where their boxes overlap by more than this share of the smaller box.
CROSSING = 0.25


@dataclass(frozen=True)
class PersonChoice:
    """Rule for choosing a person, and for following that person through the frames.

    Attributes:
        by: "largest": the person who fills most of the image over all frames; "nearest": the person
            nearest to `point` in `frame`; "tracked": number `index` of `frame`. These three are
            tracked across frames. "index": number `index` of each frame as listed, without
            tracking; 0 is what the official code uses (docs/reference_behaviour.md#pose-output).
        index: counted from 0.
        point: (x, y) as fractions of the image.
        frame: counted from 0.
    """

    by: Literal["largest", "nearest", "tracked", "index"] = "largest"
    index: int = 0
    point: tuple[float, float] = (0.5, 0.5)
    frame: int = 0

    @classmethod
    def parse(cls, text: str) -> PersonChoice:
        """Parse "largest", "index:1", "track:1@30" or "0.3,0.5@30"; "@" defaults to frame 0.

        Raises:
            PoseError: `text` has none of these forms.
        """
        if text == "largest":
            return cls()
        if match := re.fullmatch(r"index:(\d{1,9})", text):
            return cls("index", int(match[1]))
        if match := re.fullmatch(r"track:(\d{1,9})(?:@(\d{1,9}))?", text):
            return cls("tracked", int(match[1]), frame=int(match[2] or 0))
        number = r"(0|1|[01]\.0*|0?\.\d+)"
        if match := re.fullmatch(rf"{number},{number}(?:@(\d{{1,9}}))?", text):
            point = (float(match[1]), float(match[2]))
            return cls("nearest", point=point, frame=int(match[3] or 0))
        raise PoseError(
            f"{text!r} is not a person: largest, index:N, track:N, track:N@FRAME, X,Y or X,Y@FRAME "
            "with X and Y from 0 to 1"
        )

    def __str__(self) -> str:
        """Text form accepted by `parse`."""
        if self.by == "largest":
            return "largest"
        if self.by == "index":
            return f"index:{self.index}"
        if self.by == "tracked":
            return f"track:{self.index}@{self.frame}"
        x, y = (f"{value:f}".rstrip("0") for value in self.point)
        return f"{x},{y}@{self.frame}"


def choose_person(
    people: Sequence[PoseSequence], choice: PersonChoice | None = None, name: str = "poses"
) -> tuple[list[PoseSequence], list[str]]:
    """Put the chosen person first.

    Args:
        people: in the order of a detector or file. Unless chosen by "index", they are tracked, so
            that each sequence holds one person (`tracker.track_people`).
        choice: see `PersonChoice`.
        name: name of this input in error messages.

    Returns:
        The chosen person followed by all others, larger ones first (by "index": as listed), and a
        report: who was chosen, where that person is missing, and where others cross.

    Raises:
        PoseError: nobody in the poses, no such frame or index, or nobody near the point.
    """
    choice = choice or PersonChoice()
    people = _with_joints(people)
    if not np.any([person.present for person in people]):
        raise PoseError(
            f"{name}: nobody in any of the {len(people[0])} frames. "
            "Use images that show a person, or another pose detector."
        )
    if choice.by == "index":
        first, everybody = _indexed(people, choice.index, name), list(people)
        who = f"number {choice.index} of each frame as listed, not followed"
    else:
        # A single-person detector needs no tracking, which would split the person at a cut.
        everybody = track_people(people) if len(people) > 1 else list(people)
        sizes = _sizes(everybody)
        everybody = [everybody[i] for i in np.argsort(-sizes, kind="stable")]
        if choice.by == "largest":
            first, who = 0, "the largest"
        elif choice.by == "nearest":
            first = _nearest(everybody, choice, name)
            x, y = choice.point
            who = f"the one nearest to ({x:.2f}, {y:.2f}) in frame {choice.frame}"
        else:
            first = _tracked_index(people, everybody, choice, name)
            who = f"number {choice.index} of frame {choice.frame}"
    chosen = everybody.pop(first)
    return [chosen, *everybody], _report(chosen, everybody, who)


def _with_joints(people: Sequence[PoseSequence]) -> list[PoseSequence]:
    """The people, absent where nothing is seen that tracking goes by, such as feet alone."""
    seen = np.isfinite(joints_of(people)).any((-1, -2))  # (T, S)
    return [
        person
        if np.array_equal(there, person.present)
        else person.with_points(person.points, np.where(there[:, None], person.scores, 0.0))
        for person, there in zip(people, seen.T, strict=True)
    ]


def first_person(people: Sequence[PoseSequence], name: str) -> tuple[PoseSequence, list[str]]:
    """Return the first person, and report who is ignored and where the order changes."""
    others = len(people) - 1
    if not others:
        return people[0], []
    ignored = "another person is" if others == 1 else f"{others} other people are"
    notes = [f"{name}: the first person is used, {ignored} ignored"]
    return people[0], notes + order_report(people, name)


def _indexed(people: Sequence[PoseSequence], index: int, name: str) -> int:
    if index >= len(people):
        most = f"{len(people)} people" if len(people) > 1 else "one person"
        raise PoseError(
            f"{name}: there is no person {index}; frames hold at most {most}, counted from 0. "
            f"Choose an index up to {len(people) - 1}, or 'largest'."
        )
    return index


def _tracked_index(
    people: Sequence[PoseSequence], tracked: Sequence[PoseSequence], choice: PersonChoice, name: str
) -> int:
    """Index in `tracked` of the person who is number `index` of `frame`."""
    _require_frame(people, choice.frame, name)
    start = people[_indexed(people, choice.index, name)][choice.frame]
    if not start.present[0]:
        present = np.array([person.present[choice.frame] for person in people])
        raise PoseError(
            f"{name}, frame {choice.frame}: person {choice.index} is not there, only "
            f"{numbers(present)}. Choose one of those, or another frame."
        )
    return next(
        i
        for i, person in enumerate(tracked)
        if np.array_equal(person.points[choice.frame], start.points[0], equal_nan=True)
    )


def _nearest(people: Sequence[PoseSequence], choice: PersonChoice, name: str) -> int:
    _require_frame(people, choice.frame, name)
    height, width = people[0].canvas
    joints = joints_of([person[choice.frame] for person in people])[0]  # (P, K, 2)
    distances = _distances_to_bones(joints, np.array(choice.point) * (width, height))
    closest, limit = int(distances.argmin()), NEAR * max(height, width)
    if distances[closest] > limit:
        x, y = np.nanmean(joints[closest], 0) / (width, height)
        raise PoseError(
            f"{name}, frame {choice.frame}: nobody near ({choice.point[0]:.2f}, "
            f"{choice.point[1]:.2f}); the nearest person, around ({x:.2f}, {y:.2f}), is "
            f"{distances[closest]:.0f} px away, needed at most {limit:.0f}. "
            "Choose a point on the person, as fractions of the image's width and height."
        )
    return closest


def _require_frame(people: Sequence[PoseSequence], frame: int, name: str) -> None:
    present = np.any([person.present for person in people], axis=0)
    if frame >= len(present):
        raise PoseError(
            f"{name}: there is no frame {frame} to choose a person in; there are {len(present)}, "
            f"counted from 0. Choose a frame up to {len(present) - 1}."
        )
    if not present[frame]:
        raise PoseError(
            f"{name}, frame {frame}: nobody in it to choose. People are found in "
            f"{name_frames(present)}: choose one of those."
        )


def _distances_to_bones(joints: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(P,) pixels from the point to the nearest limb or joint; inf for an absent person.

    Args:
        joints: (P, K, 2) pixels, see `tracker.joints_of`.
        point: (2,) pixels.
    """
    single_joints = np.arange(joints.shape[1])
    start, end = np.concatenate(
        [np.array(skeleton.LIMBS), np.stack([single_joints, single_joints], 1)]
    ).T
    bone = joints[:, end] - joints[:, start]
    to_point = point - joints[:, start]
    length = np.maximum((bone * bone).sum(-1), 1e-12)
    along = np.clip((to_point * bone).sum(-1) / length, 0.0, 1.0)
    distance = np.linalg.norm(to_point - along[..., None] * bone, axis=-1)
    return np.where(np.isfinite(distance), distance, np.inf).min(1)


def _boxes(people: Sequence[PoseSequence]) -> np.ndarray:
    """(T, P, 2, 2) bounding box corners (x, y) in pixels; an inverted, infinite box if absent."""
    joints = joints_of(people)
    known = np.isfinite(joints)
    low = np.where(known, joints, np.inf).min(2)
    return np.stack([low, np.where(known, joints, -np.inf).max(2)], 2)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(boxes[..., 1, :] - boxes[..., 0, :], 0.0).prod(-1)


def _sizes(people: Sequence[PoseSequence]) -> np.ndarray:
    """(P,) image area over all frames: median box area while present × share of frames present."""
    areas = _areas(_boxes(people))  # (T, P)
    present = np.stack([person.present for person in people], 1)
    median_area = np.nanmedian(np.where(present, areas, np.nan), 0)
    return median_area * present.mean(0)


def _crossed(chosen: PoseSequence, others: Sequence[PoseSequence]) -> np.ndarray:
    """(T,) bool: frames in which another person's box overlaps the chosen person's."""
    boxes = _boxes([chosen, *others])
    chosen_box, other_boxes = boxes[:, :1], boxes[:, 1:]
    overlap = np.stack(
        [
            np.maximum(chosen_box[:, :, 0], other_boxes[:, :, 0]),
            np.minimum(chosen_box[:, :, 1], other_boxes[:, :, 1]),
        ],
        2,
    )
    smaller = np.minimum(_areas(chosen_box), _areas(other_boxes))
    return (_areas(overlap) > CROSSING * smaller).any(1)


def _report(chosen: PoseSequence, others: Sequence[PoseSequence], who: str) -> list[str]:
    frames, num_present = len(chosen), int(chosen.present.sum())
    line = f"person: {who}, of {len(others) + 1} people" if others else "one person"
    line += f"; there in {num_present} of {frames} frames"
    if 0 < num_present < frames:
        line += f", missing in {name_frames(~chosen.present)}"
    if not others or not (crossed := _crossed(chosen, others)).any():
        return [line]
    return [line, f"others cross the person in {name_frames(crossed)}"]
