"""Apply manual edits to poses.

Edits refer to frames, people and points, never to the values they replace, so they can be applied
to poses that were detected again; the report lists edits that no longer apply. The pose editor in
the browser follows the same rules (`web/js/editor/apply.js`).
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
# "swap" leaves the face alone: detectors confuse limbs, never the sides of a face.
SWAP = MIRROR.copy()
SWAP[skeleton.FACE_SLICE] = range(skeleton.FACE_SLICE.start, skeleton.FACE_SLICE.stop)


def apply_edits(
    people: Sequence[PoseSequence], edits: Edits | str
) -> tuple[list[PoseSequence], list[str]]:
    """Apply edits to poses in order.

    - move: set points to a position, with score 1.
    - hide: mark points as missing.
    - restore: bring back the values of `people`.
    - copy: copy points from another frame, or from several, repeated where `frames` are more.
    - interpolate: interpolate points between the first and the last frame, with an ease.
    - transform: scale about a point, then shift.
    - mirror: reflect the figure horizontally and exchange its left and right points.
    - swap: exchange left and right points without moving them.
    - reverse: play points backwards from the last frame to the first.
    - keys: set a point in some frames, with score 1, and interpolate it between them.

    With an ease, the share s of the way at the share t of the time is t for "linear",
    t^2 (3 - 2t) for "smooth" (slow at both ends, known as easy ease), and 0 until t = 1 for
    "hold"; between keys with "keep" the point is left as it is.

    Points missing in the source frames of copy and interpolate stay unchanged.

    Args:
        people: sequences of equal length.
        edits: from `parse_edits`, or their text.

    Returns:
        As many sequences, and a report: the number of edits applied, those that no longer apply,
        and how the poses differ from those the edits were made for.

    Raises:
        PoseError: the text is damaged; see `parse_edits`.
    """
    if isinstance(edits, str):
        edits = parse_edits(edits)
    points = np.stack([person.points for person in people])
    scores = np.stack([person.scores for person in people])
    original = np.concatenate([points, scores[..., None]], -1)  # (P, T, 134, 3)
    values = original.copy()
    problems: dict[int, str] = {}
    dropped: set[int] = set()
    for kind, run in groupby(enumerate(edits.edits, 1), key=lambda item: item[1].do):
        applicable = []
        for number, edit in run:
            problem, applies = _problem(edit, *original.shape[:2])
            if problem:
                problems[number] = problem
            if applies:
                applicable.append((number, edit))
            else:
                dropped.add(number)
        if kind == "move":
            _move(values, [edit for _, edit in applicable])
            continue
        for number, edit in applicable:
            if fault := _APPLY[kind](values[edit.person], original[edit.person], edit):
                problems[number] = fault
                dropped.add(number)
    changed = [
        person.with_points(value[..., :2], value[..., 2])
        for person, value in zip(people, values, strict=True)
    ]
    return changed, _report(edits, people, problems, dropped)


def describe(edit: Edit) -> str:
    """Text such as "move RWrist, frame 12" for a report."""
    what = f"{edit.do} {edit.label}".strip()
    person = f", person {edit.person}" if edit.person else ""
    plural = "s" if edit.last > edit.first else ""
    return f"{what}{person}, frame{plural} {_span(edit.first, edit.last)}"


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}–{last}"


def _problem(edit: Edit, people: int, frames: int) -> tuple[str, bool]:
    """Return why an edit does not (fully) apply, or "", and whether the rest of it applies."""
    if edit.person >= people:
        count = "is 1 person" if people == 1 else f"are {people} people"
        return f"there {count}, counted from 0", False
    end = f"the clip ends at frame {frames - 1}"
    if edit.first >= frames or (edit.do in ("interpolate", "reverse") and edit.last >= frames):
        return end, False
    if edit.do == "copy" and edit.source_last >= frames:
        return f"frame {edit.source_last} to copy from is gone, {end}", False
    return (end if edit.last >= frames else ""), True


def _move(values: np.ndarray, edits: Sequence[Edit]) -> None:
    """Apply consecutive move edits at once; the last move of a point wins."""
    frames = values.shape[1]
    indices, values_to_set, counts = [], [], []
    for edit in edits:
        spans = np.arange(edit.first, min(edit.last + 1, frames))
        grid = np.stack(np.meshgrid(spans, edit.points, indexing="ij"), -1).reshape(-1, 2)
        indices.append(np.insert(grid, 0, edit.person, axis=1))
        values_to_set.append((*edit.to, 1.0))
        counts.append(len(grid))
    if indices:
        person, frame, point = np.concatenate(indices).T
        values[person, frame, point] = np.repeat(values_to_set, counts, axis=0)


def _hide(person: np.ndarray, original: np.ndarray, edit: Edit) -> None:
    person[_selection(edit)] = (np.nan, np.nan, 0.0)


def _restore(person: np.ndarray, original: np.ndarray, edit: Edit) -> None:
    person[_selection(edit)] = original[_selection(edit)]


def _copy(person: np.ndarray, original: np.ndarray, edit: Edit) -> str | None:
    points = np.array(edit.points)
    source = person[edit.source : edit.source_last + 1, points].copy()  # (S, K, 3)
    if not (source[..., 2] > 0).any():
        plural = "s" if edit.source_last > edit.source else ""
        return f"missing in frame{plural} {_span(edit.source, edit.source_last)}"
    target = np.arange(edit.first, min(edit.last + 1, len(person)))
    source = source[(target - edit.first) % len(source)]  # (T, K, 3)
    known = source[..., 2:] > 0
    cells = np.ix_(target, points)
    person[cells] = np.where(known, source, person[cells])
    return None


def _interpolate(person: np.ndarray, original: np.ndarray, edit: Edit) -> str | None:
    points = np.array(edit.points)
    before, after = person[edit.first, points], person[edit.last, points]  # (K, 3)
    known = (before[:, 2] > 0) & (after[:, 2] > 0)
    if not known.any():
        end = edit.last if (before[:, 2] > 0).any() else edit.first
        return f"missing in frame {end}"
    before, after = before[known], after[known]
    share = np.arange(1, edit.last - edit.first) / (edit.last - edit.first)
    share = _EASE[edit.ease](share)[:, None, None]
    between = before + (after - before) * share  # (frames between, K, 3)
    between[..., 2] = np.minimum(before[:, 2], after[:, 2])
    person[edit.first + 1 : edit.last, points[known]] = between
    return None


def _transform(person: np.ndarray, original: np.ndarray, edit: Edit) -> None:
    about, moved = np.array(edit.about), person[_selection(edit)]
    moved[..., :2] = about + (moved[..., :2] - about) * edit.scale + edit.shift
    person[_selection(edit)] = moved


def _mirror(person: np.ndarray, original: np.ndarray, edit: Edit) -> None:
    frames = slice(edit.first, edit.last + 1)
    mirrored = person[frames, MIRROR]
    mirrored[..., 0] = 2 * edit.about[0] - mirrored[..., 0]
    person[frames] = mirrored


def _swap(person: np.ndarray, original: np.ndarray, edit: Edit) -> None:
    frames = slice(edit.first, edit.last + 1)
    person[frames] = person[frames, SWAP]


def _reverse(person: np.ndarray, original: np.ndarray, edit: Edit) -> None:
    person[_selection(edit)] = person[_selection(edit)][::-1]


def _keys(person: np.ndarray, original: np.ndarray, edit: Edit) -> None:
    (point,) = edit.points
    for key, following in zip(edit.keys, (*edit.keys[1:], None), strict=True):
        if key.frame >= len(person):
            return
        person[key.frame, point] = (*key.to, 1.0)
        if following is None or key.ease == "keep":
            continue
        between = np.arange(key.frame + 1, min(following.frame, len(person)))
        share = _EASE[key.ease]((between - key.frame) / (following.frame - key.frame))[:, None]
        start, end = np.array(key.to), np.array(following.to)
        person[between, point, :2] = start + (end - start) * share
        person[between, point, 2] = 1.0


_EASE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda time: time,
    "smooth": lambda time: time * time * (3 - 2 * time),
    "hold": np.floor,
}
_APPLY: dict[str, Callable[[np.ndarray, np.ndarray, Edit], str | None]] = {
    "hide": _hide,
    "restore": _restore,
    "copy": _copy,
    "interpolate": _interpolate,
    "transform": _transform,
    "mirror": _mirror,
    "swap": _swap,
    "reverse": _reverse,
    "keys": _keys,
}


def _selection(edit: Edit) -> tuple:
    return slice(edit.first, edit.last + 1), list(edit.points)


def _report(
    edits: Edits, people: Sequence[PoseSequence], problems: dict[int, str], dropped: set[int]
) -> list[str]:
    total = len(edits.edits)
    if not total:
        return ["no edits"]
    lines = [f"{total} edit{'s' * (total > 1)}: {total - len(dropped)} applied"]
    if dropped:
        lines[0] += f", {len(dropped)} no longer appl{'ies' if len(dropped) == 1 else 'y'}"
    lines += _differences(edits.made_for, people)
    for number in sorted(problems)[:MOST_LISTED]:
        state = "not applied" if number in dropped else "applied in part"
        lines.append(
            f"edit {number} ({describe(edits.edits[number - 1])}) {state}: {problems[number]}"
        )
    if len(problems) > MOST_LISTED:
        lines.append(f"… and {len(problems) - MOST_LISTED} more")
    return lines


def _differences(made_for: dict[str, int], people: Sequence[PoseSequence]) -> list[str]:
    height, width = people[0].canvas
    current = {"frames": len(people[0]), "people": len(people), "width": width, "height": height}
    lines = [
        f"the edits were made for {made_for[key]} {key}, the poses have {current[key]}"
        for key in ("frames", "people")
        if made_for.get(key, current[key]) != current[key]
    ]
    made_on = (made_for.get("width", width), made_for.get("height", height))
    if made_on != (width, height):
        lines.append(
            f"the edits were made on {made_on[0]}×{made_on[1]}, the poses are on {width}×{height}: "
            "places are kept as fractions of the image"
        )
    return lines
