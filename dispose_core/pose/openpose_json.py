"""Read and write OpenPose JSON and ComfyUI's POSE_KEYPOINT.

One frame is a dict with `canvas_width`, `canvas_height` and `people`, each person with flat lists
of x, y, confidence. The reader accepts pixels or fractions, 17 (COCO), 18 or 25 body points, 68 or
70 face points, null or missing lists, and `width` and `height` for the canvas. The writer emits
pixels, every confidence, 0, 0, 0 for a missing point, all lists, and 70 face points: the 68, the
right eye and the left eye. ComfyUI's own pose nodes read no other form.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from ..errors import PoseError
from ..media.atomic_write import atomic_write
from ..memory import require_memory
from ..progress import Progress, no_progress
from . import skeleton
from .canvas import UNKNOWN, same_shape
from .json_stream import many_lists, write_list
from .keypoint_layouts import to_skeleton
from .sequence import PoseSequence, slots_in_use

# A list is taken as fractions when most of its points lie within this many canvases: nobody is
# three pixels large.
LARGEST_FRACTION = 3.0

# Limit on (maximum people per frame) × frames: an hour of a couple at 24 frames a second.
MOST_POSES = 200_000
# Bytes per pose while reading: values, the points of all people, and temporary copies.
_POSE_BYTES = 4 * 3 * 8 * skeleton.N_POINTS

# Longest side of a canvas in pixels; images of such a size are opened by no program.
LARGEST_CANVAS = 65_536

# Part of the skeleton by JSON key.
PARTS = {
    "pose_keypoints_2d": skeleton.BODY_SLICE,
    "hand_left_keypoints_2d": skeleton.LEFT_HAND_SLICE,
    "hand_right_keypoints_2d": skeleton.RIGHT_HAND_SLICE,
    "face_keypoints_2d": skeleton.FACE_SLICE,
    "foot_keypoints_2d": skeleton.FEET_SLICE,
}
# Accepted numbers of points.
_COUNTS = {
    "pose_keypoints_2d": (skeleton.N_BODY, 17, 25),
    "hand_left_keypoints_2d": (skeleton.N_HAND,),
    "hand_right_keypoints_2d": (skeleton.N_HAND,),
    "face_keypoints_2d": (skeleton.N_FACE, 70),
    "foot_keypoints_2d": (2 * skeleton.N_FOOT,),
}
_CANVAS_KEYS = (("canvas_height", "canvas_width"), ("height", "width"))
_EYES = [skeleton.R_EYE, skeleton.L_EYE]  # the last two of 70 face points
_CHUNK = 2000  # lists that are converted at once, between two calls of `on_frame`
_AT_WRIST = 0.25  # a hand lies at a wrist that is this much nearer than the other
_PERCENT = 10.0  # confidences that are mostly above this are percentages


@dataclass(frozen=True)
class _Lists:
    """All lists of one part and length.

    Attributes:
        at: (frame, person) of each list.
        flat: the lists.
    """

    at: list[tuple[int, int]]
    flat: list[Sequence[float]]


def read_openpose(
    frames: Sequence[dict] | dict,
    name: str = "poses",
    canvas: tuple[int, int] | None = None,
    on_frame: Progress = no_progress,
) -> list[PoseSequence]:
    """Convert OpenPose frames to pose sequences; sequence i holds the i-th person of each frame.

    Args:
        frames: one dict per frame, or a single dict for one frame.
        name: name of this input in error messages.
        canvas: (H, W) for frames without a canvas size; by default the first size in `frames`.
        on_frame: called now and then, also to interrupt.

    Returns:
        One sequence per person of the fullest frame, at least one, all of T frames. Left and right
        hands are exchanged where they lie at each other's wrists. Where a pack
        has chosen a person (`person_selection.choose_person`), that person comes first.

    Raises:
        PoseError: not OpenPose data, a list of the wrong length, a value that is not a finite
            number, more than `MOST_POSES` poses, pixels without a canvas, or canvases of different
            shapes. The message names frame, person and list.
    """
    frames = frames_of(frames, name)
    people = [_people_of(frame, f"{name}, frame {i}") for i, frame in enumerate(frames)]
    slots = max(1, *map(len, people))
    if slots * len(frames) > MOST_POSES:
        raise PoseError(
            f"{name}: up to {slots} people in {len(frames)} frames, at most {MOST_POSES} together. "
            "Keep the people who matter, or load a shorter clip."
        )
    require_memory(
        f"{name}: {slots} people in {len(frames)} frames",
        slots * len(frames) * _POSE_BYTES,
        "Keep the people who matter, or load a shorter clip.",
    )
    on_frame(0, len(PARTS))
    values = np.zeros((slots, len(frames), skeleton.N_POINTS, 3))
    units: dict[str, bool] = {}  # whether the lists of a part are fractions
    for done, key in enumerate(PARTS):
        with many_lists():
            for points, at in _read_part(people, key, name, on_frame):
                where = tuple(np.array(at).T[::-1])
                # A body list of 25 points has the feet, which must not erase other parts.
                values[where] = np.where(points[..., 2:] > 0, points, values[where])
        units[key] = are_fractions(values[:, :, PARTS[key]])
        on_frame(done + 1, len(PARTS))
    in_pixels = [key for key, fractions in units.items() if not fractions]
    sizes = _canvases(frames, canvas, not in_pixels, name)
    first = next((t for t, persons in enumerate(people) if persons), 0)
    for t, persons in enumerate(people):
        if persons and not same_shape(sizes[t], sizes[first]):
            (h, w), (height, width) = sizes[t], sizes[first]
            raise PoseError(
                f"{name}: found in images of different shapes, {width}×{height} in frame {first} "
                f"and {w}×{h} in frame {t}. Find them again in frames of one size."
            )
    scale = np.array([(w, h) for h, w in sizes], dtype=np.float64)[None, :, None]
    for key in in_pixels:
        values[:, :, PARTS[key], :2] /= scale
        on_frame(len(PARTS), len(PARTS))
    if _hands_are_exchanged(values, scale):
        hands = [skeleton.RIGHT_HAND_SLICE, skeleton.LEFT_HAND_SLICE]
        values[:, :, skeleton.HANDS_SLICE] = np.concatenate([values[:, :, h] for h in hands], 2)
    sequences = []
    for person in values:
        on_frame(len(PARTS), len(PARTS))
        sequences.append(PoseSequence(person[..., :2], person[..., 2], sizes[first]))
    return sequences


def frames_of(frames: Any, name: str = "poses") -> list[dict]:
    """Check that a value is a POSE_KEYPOINT list, or a single frame, which becomes a list of one.

    Raises:
        PoseError: it is not.
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
    return list(frames)


def write_openpose(people: Sequence[PoseSequence], on_frame: Progress = no_progress) -> list[dict]:
    """Convert people to a POSE_KEYPOINT list, the inverse of `read_openpose`."""
    height, width = people[0].canvas
    last = slots_in_use(people)
    frames = []
    with many_lists():
        for start in range(0, len(last), _CHUNK):
            lists = []  # [person][frame] -> dict
            for person in people:
                lists.append(_flat_lists(person[start : start + _CHUNK]))
                on_frame(start, len(last))
            frames += [
                {
                    "people": [of_person[t] for of_person in lists[:count]],
                    "canvas_height": height,
                    "canvas_width": width,
                }
                for t, count in enumerate(last[start : start + _CHUNK])
            ]
    return frames


def save_openpose(
    path: str | Path, people: Sequence[PoseSequence], on_frame: Progress = no_progress
) -> list[dict]:
    """Write poses as OpenPose JSON, atomically, and return what was written.

    Raises:
        MediaError: the folder cannot be written, or the disk is full.
    """
    frames = write_openpose(people, on_frame)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        write_list(file, frames, len(frames), on_frame)
    return frames


def _people_of(frame: dict, where: str) -> Sequence[dict]:
    if "people" not in frame:
        raise PoseError(
            f"{where}: no 'people' in it, but {', '.join(map(str, list(frame)[:6])) or 'nothing'}. "
            "Use the JSON that a pose node saves, or connect a POSE_KEYPOINT output."
        )
    people = frame["people"] or []
    if not isinstance(people, (list, tuple)) or not all(isinstance(p, dict) for p in people):
        raise PoseError(f"{where}: 'people' is not a list of objects. Save the poses again.")
    return people


def _read_part(
    people: Sequence[Sequence[dict]], key: str, name: str, on_frame: Progress
) -> Iterator[tuple[np.ndarray, list[tuple[int, int]]]]:
    """Yield the points (n, 134, 3) of a part for n people at a time, and their (frame, person)."""
    for lists in _lists_of(people, key, name, on_frame):
        for start in range(0, len(lists.at), _CHUNK):
            at = lists.at[start : start + _CHUNK]
            flat = lists.flat[start : start + _CHUNK]
            values = _points_of(flat, at, f"{name}, frame {{}}, person {{}}, {key}")
            on_frame(0, 1)
            if key == "pose_keypoints_2d":
                yield to_skeleton(values), at
                continue
            points = np.zeros((len(values), skeleton.N_POINTS, 3))
            part = PARTS[key]
            points[:, part] = values[:, : part.stop - part.start]  # 70 face points: 68, two eyes
            yield points, at


def _lists_of(
    people: Sequence[Sequence[dict]], key: str, name: str, on_frame: Progress
) -> list[_Lists]:
    """The lists of a part that are not empty, grouped by their length, which is checked."""
    groups: dict[int, _Lists] = {}
    lengths = [0, *(3 * count for count in _COUNTS[key])]
    for t, persons in enumerate(people):
        if t % _CHUNK == 0:
            on_frame(0, 1)
        for p, person in enumerate(persons):
            flat = person.get(key)
            if flat is None:
                continue
            where = f"{name}, frame {t}, person {p}, {key}"
            if isinstance(flat, (str, dict)) or not hasattr(flat, "__len__"):
                raise PoseError(
                    f"{where}: {flat!r:.40} is not a list of numbers. Save the poses again."
                )
            if len(flat) not in lengths:
                raise PoseError(
                    f"{where}: {len(flat)} values, needed {_either(lengths[1:])} (x, y, confidence "
                    "for each point). The file may be cut off or of another skeleton."
                )
            if len(flat):
                group = groups.setdefault(len(flat), _Lists([], []))
                group.at.append((t, p))
                group.flat.append(flat)
    return list(groups.values())


def _either(lengths: Sequence[int]) -> str:
    return " or ".join(map(str, sorted(lengths)))


def _points_of(
    flat: Sequence[Sequence[float]], at: Sequence[tuple[int, int]], where: str
) -> np.ndarray:
    """(n, N, 3) x, y, confidence of lists of equal length; confidence 0 for a missing point.

    Args:
        where: place of a list for messages, with gaps for frame and person.
    """
    try:
        values = np.array(flat)
    except (ValueError, OverflowError):
        values = np.empty(0, object)
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        values = np.array(
            [_checked(one, where.format(*place)) for one, place in zip(flat, at, strict=True)]
        )
    points = values.astype(np.float64).reshape(len(flat), -1, 3)
    confidence = points[..., 2]
    found = confidence[confidence > 0]
    if found.size and np.median(found) > _PERCENT:
        confidence /= 100
    # Every writer uses 0, 0 or -1, -1 for "not found", whatever the confidence.
    position = points[..., :2]
    confidence[(position == 0).all(-1) | (position == -1).all(-1)] = 0.0
    return points


def _checked(flat: Sequence[Any], where: str) -> list[float]:
    """Numbers of a list in which null marks a missing point, or a point without a confidence."""
    numbers = []
    for i in range(0, len(flat), 3):
        x, y, confidence = flat[i : i + 3]
        if x is None or y is None:
            numbers += [0.0, 0.0, 0.0]
            continue
        triple = (x, y, 1.0 if confidence is None else confidence)
        for k, value in enumerate(triple):
            if not _is_number(value):
                raise PoseError(
                    f"{where}: value {i + k} (point {i // 3}) is {value!r}, not a finite number. "
                    "Write 0, 0, 0 for a point that is missing."
                )
        numbers += map(float, triple)
    return numbers


def _is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number, NumPy scalars included (other packs emit them)."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def are_fractions(points: np.ndarray) -> bool:
    """Whether (P, T, N, 3) found points are mostly fractions.

    Guesses far outside count by their confidence; that of points that were not found is 0.
    """
    weight = points[..., 2]
    near = np.abs(points[..., :2]).max(-1) <= LARGEST_FRACTION
    return bool(weight[near].sum() >= weight.sum() / 2)


def _hands_are_exchanged(values: np.ndarray, scale: np.ndarray) -> bool:
    """Whether the program that wrote the poses calls left hands right, as ComfyUI's SDPose does.

    Args:
        values: (P, T, 134, 3) fractions and confidence.
        scale: (1, T, 1, 2) width and height in pixels.
    """
    wrists = values[:, :, [skeleton.L_WRIST, skeleton.R_WRIST]]
    roots = values[:, :, [skeleton.LEFT_HAND_SLICE.start, skeleton.RIGHT_HAND_SLICE.start]]
    seen = (wrists[..., 2] > 0).all(-1) & (roots[..., 2] > 0).all(-1)
    if not seen.any():
        return False
    apart = (
        (wrists[..., :2] - roots[..., :2]) * scale,
        (wrists - roots[:, :, ::-1])[..., :2] * scale,
    )
    own, other = (np.linalg.norm(each, axis=-1).sum(-1)[seen] for each in apart)
    return bool((other < _AT_WRIST * own).mean() > 0.5 and not (own < _AT_WRIST * other).any())


def _canvases(
    frames: Sequence[dict], fallback: tuple[int, int] | None, fractions: bool, name: str
) -> list[tuple[int, int]]:
    """(H, W) of every frame; the first size stands in for frames that lack one."""
    sizes = [_named_canvas(frame, name) for frame in frames]
    fallback = fallback or next((size for size in sizes if size), UNKNOWN if fractions else None)
    if fallback is None:
        raise PoseError(
            f"{name}: coordinates are pixels but canvas_width and canvas_height are missing. "
            "Add the size of the image the poses were found in."
        )
    return [size or fallback for size in sizes]


def _named_canvas(frame: dict, name: str) -> tuple[int, int] | None:
    for keys in _CANVAS_KEYS:
        height, width = (frame.get(key) for key in keys)
        if _is_number(height) and height >= 1 and _is_number(width) and width >= 1:
            if max(height, width) > LARGEST_CANVAS:
                raise PoseError(
                    f"{name}: a canvas of {width}×{height} pixels, at most {LARGEST_CANVAS} a side "
                    "are possible. Save the poses again with the size of their image."
                )
            return int(height), int(width)
    return None


def _flat_lists(person: PoseSequence) -> list[dict]:
    height, width = person.canvas
    values = np.concatenate([person.points * (width, height), person.scores[..., None]], -1)
    values = np.nan_to_num(values, nan=0.0)
    flat = {key: values[:, part].reshape(len(person), -1).tolist() for key, part in PARTS.items()}
    # The face list is zero as a whole where no face was looked for, also where eyes were found.
    eyes = values[:, _EYES] * np.any(person.face_scores, axis=-1)[:, None, None]
    for face, pair in zip(flat["face_keypoints_2d"], eyes.reshape(len(person), -1), strict=True):
        face += pair.tolist()
    return [{key: lists[t] for key, lists in flat.items()} for t in range(len(person))]
