"""Corrections made by hand: small edits applied to poses, which detection may have found anew.

Edits name frames, people and points, never the values they replace: they hold on poses that were
detected again, and what has nothing to hold on to any more is said. The pose editor in the
browser applies them by the same rules (`web/js/editor/apply.js`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

from .. import skeleton
from ..sequence import PoseSequence
from .parse import Edit, Edits, parse_edits

MOST_LISTED = 20

MIRROR = np.array(skeleton.MIRROR)
# Detectors confuse limbs, never the sides of a face.
SWAP = np.array(
    [*MIRROR[: skeleton.FACE_SLICE.start], *range(skeleton.FACE_SLICE.start, skeleton.N_POINTS)]
)


def apply_edits(
    people: Sequence[PoseSequence], edits: Edits | str
) -> tuple[list[PoseSequence], list[str]]:
    """Poses with edits applied in their order.

    move puts points at a place, with score 1; hide takes them away; restore brings back what
    `people` has; copy takes them from another frame; interpolate puts them on a straight line
    between the first and the last frame; transform scales about a place and shifts; mirror
    reflects the figure left to right and names its sides anew; swap only names them anew. Points
    that are missing where they would be copied or interpolated from stay as they are.

    Args:
        people: sequences of equal length.
        edits: as read by `parse_edits`, or their text.

    Returns:
        As many sequences, and the report: how many edits were applied, which no longer apply,
        and how the clip differs from the one they were made for.

    Raises:
        PoseError: the text is damaged; see `parse_edits`.
    """
    if isinstance(edits, str):
        edits = parse_edits(edits)
    points = np.stack([person.points for person in people])
    scores = np.stack([person.scores for person in people])
    given = np.concatenate([points, scores[..., None]], -1)  # (P, T, 128, 3)
    values = given.copy()
    trouble: dict[int, str] = {}
    lost: set[int] = set()
    for kind, run in groupby(enumerate(edits.edits, 1), key=lambda item: item[1].do):
        fitting = []
        for number, edit in run:
            problem, applies = _problem(edit, *given.shape[:2])
            if problem:
                trouble[number] = problem
            if applies:
                fitting.append((number, edit))
            else:
                lost.add(number)
        if kind == "move":
            _move(values, [edit for _, edit in fitting])
            continue
        for number, edit in fitting:
            if fault := _APPLY[kind](values[edit.person], given[edit.person], edit):
                trouble[number] = fault
                lost.add(number)
    changed = [
        person.with_points(value[..., :2], value[..., 2])
        for person, value in zip(people, values, strict=True)
    ]
    return changed, _report(edits, people, trouble, lost)


def describe(edit: Edit) -> str:
    """ "move RWrist, frame 12" for a report."""
    what = f"{edit.do} {edit.label}".strip()
    person = f", person {edit.person}" if edit.person else ""
    one = edit.first == edit.last
    frames = f"frame {edit.first}" if one else f"frames {edit.first}–{edit.last}"
    return f"{what}{person}, {frames}"


def _problem(edit: Edit, people: int, frames: int) -> tuple[str, bool]:
    """What of an edit has nothing to hold on to, and whether the rest applies."""
    if edit.person >= people:
        there = "is 1 person" if people == 1 else f"are {people} people"
        return f"there {there}, counted from 0", False
    end = f"the clip ends at frame {frames - 1}"
    if edit.first >= frames or (edit.do == "interpolate" and edit.last >= frames):
        return end, False
    if edit.do == "copy" and edit.source >= frames:
        return f"frame {edit.source} to copy from is gone, {end}", False
    return (end if edit.last >= frames else ""), True


def _move(values: np.ndarray, edits: Sequence[Edit]) -> None:
    """A run of moves at once; of two moves of a point the later one counts."""
    frames = values.shape[1]
    where, to, counts = [], [], []
    for edit in edits:
        spans = np.arange(edit.first, min(edit.last + 1, frames))
        grid = np.stack(np.meshgrid(spans, edit.points, indexing="ij"), -1).reshape(-1, 2)
        where.append(np.insert(grid, 0, edit.person, axis=1))
        to.append((*edit.to, 1.0))
        counts.append(len(grid))
    if where:
        person, frame, point = np.concatenate(where).T
        values[person, frame, point] = np.repeat(to, counts, axis=0)


def _hide(person: np.ndarray, given: np.ndarray, edit: Edit) -> None:
    person[_place(edit)] = (np.nan, np.nan, 0.0)


def _restore(person: np.ndarray, given: np.ndarray, edit: Edit) -> None:
    person[_place(edit)] = given[_place(edit)]


def _copy(person: np.ndarray, given: np.ndarray, edit: Edit) -> str | None:
    points = np.array(edit.points)
    source = person[edit.source, points].copy()  # (K, 3)
    there = source[:, 2] > 0
    if not there.any():
        return f"missing in frame {edit.source}"
    person[edit.first : edit.last + 1, points[there]] = source[there]
    return None


def _interpolate(person: np.ndarray, given: np.ndarray, edit: Edit) -> str | None:
    points = np.array(edit.points)
    before, after = person[edit.first, points], person[edit.last, points]  # (K, 3)
    there = (before[:, 2] > 0) & (after[:, 2] > 0)
    if not there.any():
        end = edit.last if (before[:, 2] > 0).any() else edit.first
        return f"missing in frame {end}"
    before, after = before[there], after[there]
    share = np.arange(1, edit.last - edit.first)[:, None, None] / (edit.last - edit.first)
    between = before + (after - before) * share  # (frames between, K, 3)
    between[..., 2] = np.minimum(before[:, 2], after[:, 2])
    person[edit.first + 1 : edit.last, points[there]] = between
    return None


def _transform(person: np.ndarray, given: np.ndarray, edit: Edit) -> None:
    about, moved = np.array(edit.about), person[_place(edit)]
    moved[..., :2] = about + (moved[..., :2] - about) * edit.scale + edit.shift
    person[_place(edit)] = moved


def _mirror(person: np.ndarray, given: np.ndarray, edit: Edit) -> None:
    frames = slice(edit.first, edit.last + 1)
    turned = person[frames, MIRROR]
    turned[..., 0] = 2 * edit.about[0] - turned[..., 0]
    person[frames] = turned


def _swap(person: np.ndarray, given: np.ndarray, edit: Edit) -> None:
    frames = slice(edit.first, edit.last + 1)
    person[frames] = person[frames, SWAP]


_APPLY: dict[str, Callable[[np.ndarray, np.ndarray, Edit], str | None]] = {
    "hide": _hide,
    "restore": _restore,
    "copy": _copy,
    "interpolate": _interpolate,
    "transform": _transform,
    "mirror": _mirror,
    "swap": _swap,
}


def _place(edit: Edit) -> tuple:
    return slice(edit.first, edit.last + 1), list(edit.points)


def _report(
    edits: Edits, people: Sequence[PoseSequence], trouble: dict[int, str], lost: set[int]
) -> list[str]:
    total = len(edits.edits)
    if not total:
        return ["no edits"]
    lines = [f"{total} edit{'s' * (total > 1)}: {total - len(lost)} applied"]
    if lost:
        lines[0] += f", {len(lost)} no longer appl{'ies' if len(lost) == 1 else 'y'}"
    lines += _differences(edits.made_for, people)
    for number in sorted(trouble)[:MOST_LISTED]:
        state = "not applied" if number in lost else "applied in part"
        lines.append(
            f"edit {number} ({describe(edits.edits[number - 1])}) {state}: {trouble[number]}"
        )
    if len(trouble) > MOST_LISTED:
        lines.append(f"… and {len(trouble) - MOST_LISTED} more")
    return lines


def _differences(made_for: dict[str, int], people: Sequence[PoseSequence]) -> list[str]:
    """How the clip differs from the one that the edits were made for."""
    height, width = people[0].canvas
    now = {"frames": len(people[0]), "people": len(people), "width": width, "height": height}
    lines = [
        f"the edits were made for {made_for[key]} {key}, the poses have {now[key]}"
        for key in ("frames", "people")
        if made_for.get(key, now[key]) != now[key]
    ]
    was = (made_for.get("width", width), made_for.get("height", height))
    if was != (width, height):
        lines.append(
            f"the edits were made on {was[0]}×{was[1]}, the poses are on {width}×{height}: places "
            "are kept as fractions of the image"
        )
    return lines
