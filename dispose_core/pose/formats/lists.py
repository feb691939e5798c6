"""Keypoints of pose editors, and plain nested lists of numbers."""

from __future__ import annotations

from typing import Any

from ..keypoint_layouts import LAYOUTS
from .base import Frame, PoseFormat, person_of


def _is_editor(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("keypoints"), list)


def _of_editor(data: Any) -> list[Frame]:
    people = data["keypoints"]
    if _depth(people) < 3:  # one person
        people = [people]
    size = {key: value for key, value in data.items() if key.endswith(("width", "height"))}
    return [{"people": [person_of(person) for person in people], **size}]


def _depth(data: Any) -> int:
    """Number of nested lists around the first number."""
    depth = 0
    while isinstance(data, list) and data:
        data = next((item for item in data if item is not None), None)
        depth += 1
    return depth


def _is_people(data: Any) -> bool:
    """Whether these are points of one person: x, y or x, y, confidence each."""
    return len(data) in LAYOUTS and all(p is None or len(p) in (0, 2, 3) for p in data)


def _is_plain(data: Any) -> bool:
    return isinstance(data, list) and 2 <= _depth(data) <= 4 and _levels(data) is not None


def _levels(data: Any) -> list[Frame] | None:
    try:
        return _of_plain(data)
    except (ValueError, TypeError):
        return None


def _of_plain(data: Any) -> list[Frame]:
    depth = _depth(data)
    if depth == 2 and _is_people(data):
        return [{"people": [person_of(data)]}]
    if depth == 3:  # frames of one person each
        return [{"people": [person_of(person)] if person else []} for person in data]
    if depth == 4:
        return [{"people": [person_of(person) for person in people or []]} for people in data]
    raise ValueError("not lists of keypoints")


FORMATS = (
    PoseFormat("keypoints of a pose editor", _is_editor, _of_editor),
    PoseFormat("plain lists of keypoints", _is_plain, _of_plain),
)
