"""Read and write OpenPose JSON and ComfyUI's POSE_KEYPOINT.

One frame is a dict with `canvas_width`, `canvas_height` and `people`, each person with flat lists
of x, y, confidence. The reader accepts pixels or fractions, 18 or 25 body points, 68 or 70 face
points, and null or missing lists. The writer emits pixels, every confidence, 0, 0, 0 for a missing
point, all lists, and 70 face points: the 68, the right eye and the left eye. ComfyUI's own pose
nodes read no other form.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

import numpy as np

from ..errors import PoseError
from ..media.atomic_write import atomic_write
from . import skeleton
from .sequence import PoseSequence

# BODY_25 to BODY_18 (OpenPose's output order), without the mid-hip and the six foot points.
BODY_25_TO_18 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
BODY_25_FEET = slice(19, 25)  # left, then right

# Coordinates are taken as fractions when none exceeds this: nobody is three pixels large, and
# fractional points do not lie that far outside the canvas.
LARGEST_FRACTION = 3.0

# Limit on (maximum people per frame) × frames, which keeps reading below 1 GB of memory.
MOST_POSES = 80_000

# JSON key, slice of the skeleton, accepted numbers of points
_PARTS = (
    ("pose_keypoints_2d", skeleton.BODY_SLICE, (skeleton.N_BODY, 25)),
    ("hand_left_keypoints_2d", skeleton.LEFT_HAND_SLICE, (skeleton.N_HAND,)),
    ("hand_right_keypoints_2d", skeleton.RIGHT_HAND_SLICE, (skeleton.N_HAND,)),
    ("face_keypoints_2d", skeleton.FACE_SLICE, (skeleton.N_FACE, 70)),
    ("foot_keypoints_2d", skeleton.FEET_SLICE, (2 * skeleton.N_FOOT,)),
)
_EYES = [skeleton.R_EYE, skeleton.L_EYE]  # the last two of 70 face points


def read_openpose(
    frames: Sequence[dict] | dict, name: str = "poses", canvas: tuple[int, int] | None = None
) -> list[PoseSequence]:
    """Convert OpenPose frames to pose sequences; sequence i holds the i-th person of each frame.

    Args:
        frames: one dict per frame, or a single dict for one frame.
        name: name of this input in error messages.
        canvas: (H, W) for frames without a canvas size; by default the first size in `frames`.

    Returns:
        One sequence per person of the fullest frame, at least one, all of T frames. Where a pack
        has chosen a person (`person_selection.choose_person`), that person comes first.

    Raises:
        PoseError: not OpenPose data, a list of the wrong length, a value that is not a finite
            number, more than `MOST_POSES` poses, or pixels without a canvas. The message names
            frame, person and list.
    """
    if isinstance(frames, dict):
        frames = [frames]
    if not isinstance(frames, (list, tuple)) or not all(isinstance(f, dict) for f in frames):
        raise PoseError(
            f"{name}: not OpenPose keypoints (a list with one object per frame). "
            "Use the JSON that a pose node saves, or connect a POSE_KEYPOINT output."
        )
    if not frames:
        raise PoseError(f"{name}: no frame in it. Use poses with at least one frame.")
    people_per_frame = [_people_of(frame, f"{name}, frame {i}") for i, frame in enumerate(frames)]
    slots = max(1, *map(len, people_per_frame))
    if slots * len(frames) > MOST_POSES:
        raise PoseError(
            f"{name}: up to {slots} people in {len(frames)} frames, at most {MOST_POSES} together. "
            "Keep the people who matter, or load a shorter clip."
        )
    raw = [
        [_read_person(person, f"{name}, frame {i}, person {p}") for p, person in enumerate(people)]
        for i, people in enumerate(people_per_frame)
    ]
    fractions = _are_fractions(raw)
    sizes = _canvases(frames, canvas, fractions, name)

    values = np.zeros((slots, len(frames), skeleton.N_POINTS, 3))
    for t, people in enumerate(raw):
        for p, person in enumerate(people):
            values[p, t] = person
    points = values[..., :2]
    if not fractions:
        points = points / np.array([(w, h) for h, w in sizes], dtype=np.float64)[None, :, None]
    return [PoseSequence(points[p], values[p, ..., 2], sizes[0]) for p in range(slots)]


def write_openpose(people: Sequence[PoseSequence]) -> list[dict]:
    """Convert people to a POSE_KEYPOINT list, the inverse of `read_openpose`."""
    height, width = people[0].canvas
    lists = [_flat_lists(person) for person in people]  # [person][frame] -> dict
    return [
        {
            "people": [frames[t] for frames in lists[: _last_present(people, t) + 1]],
            "canvas_height": height,
            "canvas_width": width,
        }
        for t in range(len(people[0]))
    ]


def load_openpose(path: str | Path, canvas: tuple[int, int] | None = None) -> list[PoseSequence]:
    """Read poses from a JSON file (see `read_openpose`).

    Raises:
        PoseError: the file is missing, is not JSON, or holds no OpenPose data.
    """
    path = Path(path)
    try:
        frames = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as e:
        raise PoseError(f"pose file {path}: cannot be read ({e.strerror}). Check the path.") from e
    except (ValueError, RecursionError) as e:
        raise PoseError(f"pose file {path}: not valid JSON ({e}). Save the poses again.") from e
    return read_openpose(frames, name=f"pose file {path.name}", canvas=canvas)


def save_openpose(path: str | Path, people: Sequence[PoseSequence]) -> None:
    """Write poses as OpenPose JSON, atomically.

    Raises:
        MediaError: the folder cannot be written, or the disk is full.
    """
    text = json.dumps(write_openpose(people), separators=(",", ":"), allow_nan=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _last_present(people: Sequence[PoseSequence], t: int) -> int:
    """Index of the last person present in frame t, or -1; absent people before it keep a slot."""
    return max((p for p, person in enumerate(people) if person.present[t]), default=-1)


def _people_of(frame: dict, where: str) -> Sequence[dict]:
    people = frame.get("people") or []
    if not isinstance(people, (list, tuple)) or not all(isinstance(p, dict) for p in people):
        raise PoseError(f"{where}: 'people' is not a list of objects. Save the poses again.")
    return people


def _read_person(person: dict, where: str) -> np.ndarray:
    values = np.zeros((skeleton.N_POINTS, 3))
    for key, part, counts in _PARTS:
        flat = person.get(key)
        if flat is None:
            continue
        values_of_part = _read_list(flat, counts, f"{where}, {key}")
        if len(values_of_part) == 0:
            continue
        if len(values_of_part) == 25:
            values[skeleton.FEET_SLICE] = values_of_part[BODY_25_FEET]
            values_of_part = values_of_part[list(BODY_25_TO_18)]
        values[part] = values_of_part[: part.stop - part.start]  # 70 face points: 68 and two eyes
    return values


def _read_list(flat: Sequence[float], counts: tuple[int, ...], where: str) -> np.ndarray:
    """Validate a flat x, y, confidence list and return it as (n, 3)."""
    if isinstance(flat, (str, dict)) or not hasattr(flat, "__len__"):
        raise PoseError(f"{where}: {flat!r:.40} is not a list of numbers. Save the poses again.")
    if len(flat) not in [0, *(3 * n for n in counts)]:
        raise PoseError(
            f"{where}: {len(flat)} values, needed {' or '.join(str(3 * n) for n in counts)} "
            "(x, y, confidence for each point). The file may be cut off or of another skeleton."
        )
    for i, value in enumerate(flat):
        if not _is_number(value):
            raise PoseError(
                f"{where}: value {i} (point {i // 3}) is {value!r}, not a finite number. "
                "Write 0, 0, 0 for a point that is missing."
            )
    points = np.array(flat, dtype=np.float64).reshape(-1, 3)
    # Every OpenPose writer uses (0, 0) for "not found", whatever the confidence.
    points[(points[:, 0] == 0) & (points[:, 1] == 0), 2] = 0.0
    return points


def _is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number, NumPy scalars included (other packs emit them)."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _are_fractions(raw: list[list[np.ndarray]]) -> bool:
    coordinates = [person[person[:, 2] > 0, :2] for people in raw for person in people]
    return (
        not coordinates or np.abs(np.concatenate(coordinates)).max(initial=0.0) <= LARGEST_FRACTION
    )


def _canvases(
    frames: Sequence[dict], fallback: tuple[int, int] | None, fractions: bool, name: str
) -> list[tuple[int, int]]:
    """(H, W) of every frame; the first size stands in for frames that lack one."""
    sizes = [_named_canvas(frame) for frame in frames]
    fallback = fallback or next((size for size in sizes if size), (1, 1) if fractions else None)
    if fallback is None:
        raise PoseError(
            f"{name}: coordinates are pixels but canvas_width and canvas_height are missing. "
            "Add the size of the image the poses were found in."
        )
    return [size or fallback for size in sizes]


def _named_canvas(frame: dict) -> tuple[int, int] | None:
    height, width = frame.get("canvas_height"), frame.get("canvas_width")
    if _is_number(height) and height >= 1 and _is_number(width) and width >= 1:
        return int(height), int(width)
    return None


def _flat_lists(person: PoseSequence) -> list[dict]:
    height, width = person.canvas
    values = np.concatenate([person.points * (width, height), person.scores[..., None]], -1)
    values = np.nan_to_num(values, nan=0.0)
    flat = {key: values[:, part].reshape(len(person), -1).tolist() for key, part, _ in _PARTS}
    # The face list is zero as a whole where no face was looked for, also where eyes were found.
    eyes = values[:, _EYES] * np.any(person.face_scores, axis=-1)[:, None, None]
    for face, pair in zip(flat["face_keypoints_2d"], eyes.reshape(len(person), -1), strict=True):
        face += pair.tolist()
    return [{key: lists[t] for key, lists in flat.items()} for t in range(len(person))]
