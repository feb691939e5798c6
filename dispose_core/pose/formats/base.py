"""What all readers of pose files share: the description of a format, and OpenPose frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..keypoint_layouts import LAYOUTS, to_skeleton
from ..openpose_json import PARTS

Frame = dict[str, Any]  # see `openpose_json.read_openpose`


@dataclass(frozen=True)
class PoseFormat:
    """A kind of pose file.

    Attributes:
        name: for the report.
        recognize: returns whether parsed JSON is of this kind; it looks at the structure alone.
        read: converts it to OpenPose frames. Raises ValueError with the reason if it cannot.
    """

    name: str
    recognize: Callable[[Any], bool]
    read: Callable[[Any], list[Frame]]


def is_list_of(data: Any, kind: type) -> bool:
    """Whether `data` is a list with at least one item, all of a type."""
    return isinstance(data, list) and bool(data) and all(isinstance(item, kind) for item in data)


def person_of(points: Any, scores: Any = None) -> Frame:
    """Convert the keypoints of one person to an OpenPose person.

    Args:
        points: flat x, y, confidence, or a list of x, y or x, y, confidence; null for a missing
            point.
        scores: confidence of each point; by default every point that is given counts as found.

    Raises:
        ValueError: not keypoints, or of no known layout.
    """
    values = _array_of(points)
    if scores is not None:
        given = np.array(scores, dtype=np.float64)
        if given.shape != (len(values),):
            raise ValueError(f"{len(values)} points with {given.size} confidences")
        values[:, 2] = np.where(values[:, 2] > 0, given, 0.0)
    if len(values) not in LAYOUTS:
        known = ", ".join(f"{count} ({name})" for count, name in LAYOUTS.items())
        raise ValueError(f"{len(values)} points, known are {known}")
    values[:, 2] = values[:, 2].clip(0, 1)  # some networks give a confidence a little above 1
    missing = (values[:, :2] == 0).all(1) | (values[:, :2] == -1).all(1) | ~(values[:, 2] > 0)
    values[missing] = 0.0
    converted = to_skeleton(values[None])[0]
    return {key: converted[part].ravel().tolist() for key, part in PARTS.items()}


def frames_by_id(people: Sequence[tuple[Any, Frame]]) -> list[Frame]:
    """Group people by the frame they name, in its order.

    Frames that are left out between the first and the last number are frames without people.
    """
    groups: dict[Any, list[Frame]] = {}
    for frame, person in people:
        groups.setdefault(frame, []).append(person)
    numbers = {frame: _last_number(frame) for frame in groups}
    by_number = {n: groups[frame] for frame, n in numbers.items() if n is not None}
    if len(by_number) < len(groups):  # not numbered, or not by one number
        return [{"people": group} for group in groups.values()]
    first, last = min(by_number), max(by_number)
    if last - first >= 4 * len(by_number) + 100:  # times or other numbers, not frames
        return [{"people": by_number[number]} for number in sorted(by_number)]
    return [{"people": by_number.get(number, [])} for number in range(first, last + 1)]


def _last_number(frame: Any) -> int | None:
    """Number of a frame: itself, or the last digits of a file name."""
    if isinstance(frame, int):
        return frame
    digits = re.findall(r"\d+", str(frame).rpartition(".")[0] or str(frame))
    return int(digits[-1]) if digits else None


def _array_of(points: Any) -> np.ndarray:
    """(N, 3) x, y, confidence of flat or nested keypoints."""
    if not isinstance(points, (list, tuple)) or not points:
        raise ValueError(f"{str(points)[:40]} is not a list of keypoints")
    if all(point is None or isinstance(point, (list, tuple)) for point in points):
        rows = [(0, 0, 0) if _is_null(point) else (*point, 1.0)[:3] for point in points]
        if any(len(row) != 3 for row in rows):
            raise ValueError("a point without x and y")
    elif len(points) % 3 == 0:
        rows = [tuple(points[i : i + 3]) for i in range(0, len(points), 3)]
    else:
        raise ValueError(f"{len(points)} numbers are not x, y, confidence of each point")
    try:
        return np.array(rows, dtype=np.float64)
    except (TypeError, ValueError) as e:
        raise ValueError("a coordinate that is not a number") from e


def _is_null(point: Any) -> bool:
    return point is None or len(point) == 0 or point[0] is None
