"""DWPOSES, the poses of ComfyUI-SCAIL-Pose.

A dict with `poses`, one dict per frame, and `swap_hands`. A frame holds `bodies` with `candidate`
(P, 18, 2) and `subset` (P, 18), -1 where a point is hidden; `hands` (2P, 21, 2), `faces` (P, 68 or
70, 2), and `body_score`, `hand_score`, `face_score`. Coordinates are fractions of an image whose
size is not said. Hands are left, right of each person; right, left with `swap_hands`, which its
ViTPose node sets. Older code has `candidate` as (18 P, 2), to which `subset` points, and no scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import PoseError
from .. import skeleton
from ..openpose_json import are_fractions
from ..sequence import PoseSequence, slots_in_use

# 68 points and both eyes, as convert_openpose_to_target_format gives them.
_FACE = [
    *range(skeleton.FACE_SLICE.start, skeleton.FACE_SLICE.stop),
    skeleton.R_EYE,
    skeleton.L_EYE,
]
_HANDS = (skeleton.LEFT_HAND_SLICE, skeleton.RIGHT_HAND_SLICE)
_WRISTS = (skeleton.L_WRIST, skeleton.R_WRIST)


def read_dwposes(value: Any, canvas: tuple[int, int], name: str = "dwposes") -> list[PoseSequence]:
    """Convert DWPOSES to one sequence per person.

    Args:
        value: as above.
        canvas: (H, W) of the image in which they were found.
        name: of the input in messages.

    Raises:
        PoseError: not DWPOSES, or arrays of other shapes than those above.
    """
    poses = value.get("poses") if isinstance(value, dict) else None
    if not isinstance(poses, (list, tuple)) or not all(isinstance(p, dict) for p in poses):
        raise PoseError(
            f"{name}: not poses of ComfyUI-SCAIL-Pose (a dict with a list 'poses'). Connect an "
            "output of the type DWPOSES."
        )
    if not poses:
        raise PoseError(f"{name}: no frame in it. Use poses with at least one frame.")
    swapped = bool(value.get("swap_hands", False))
    frames = []
    for t, pose in enumerate(poses):
        try:
            frames.append(_people_of(pose, swapped))
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as e:
            raise PoseError(
                f"{name}, frame {t}: arrays of other shapes than those of DWPOSES ({e}). Make them "
                "again with a node of ComfyUI-SCAIL-Pose."
            ) from e
    slots = max(1, *map(len, frames))
    values = np.zeros((slots, len(frames), skeleton.N_POINTS, 3))
    for t, people in enumerate(frames):
        values[: len(people), t] = people
    if not are_fractions(values):
        values[..., :2] /= canvas[::-1]
    return [PoseSequence(person[..., :2], person[..., 2], canvas) for person in values]


def write_dwposes(people: Sequence[PoseSequence]) -> dict[str, Any]:
    """Convert people to DWPOSES; who is absent before somebody who is there keeps a place."""
    return {
        "poses": [_frame_of(people[:count], t) for t, count in enumerate(slots_in_use(people))],
        "swap_hands": False,
    }


def _frame_of(people: Sequence[PoseSequence], t: int) -> dict[str, Any]:
    points = np.array([person.points[t] for person in people]).reshape(-1, skeleton.N_POINTS, 2)
    scores = np.array([person.scores[t] for person in people]).reshape(-1, skeleton.N_POINTS)
    points, scores = np.nan_to_num(points).astype(np.float32), scores.astype(np.float32)
    body, hands = skeleton.BODY_SLICE, skeleton.HANDS_SLICE
    numbers = np.arange(skeleton.N_BODY, dtype=np.float32)
    return {
        "bodies": {
            "candidate": points[:, body],
            "subset": np.where(scores[:, body] > skeleton.VISIBLE, numbers, np.float32(-1)),
        },
        "hands": points[:, hands].reshape(-1, skeleton.N_HAND, 2),
        "faces": points[:, _FACE],
        "body_score": scores[:, body],
        "hand_score": scores[:, hands].reshape(-1, skeleton.N_HAND),
        "face_score": scores[:, _FACE],
    }


def _people_of(pose: dict[str, Any], swapped: bool) -> np.ndarray:
    """(P, 134, 3) coordinates and scores of a frame."""
    places, scores = _bodies(pose)
    values = np.zeros((len(places), skeleton.N_POINTS, 3))
    values[:, skeleton.BODY_SLICE] = _joined(places, scores)
    if not len(values):
        return values
    hands = _joined(*_points(pose, "hands", "hand_score", skeleton.N_HAND))
    order = _HANDS[::-1] if swapped else _HANDS
    if len(hands) == 2 * len(values):
        for i, hand in enumerate(hands):
            values[i // 2, order[i % 2]] = hand
    else:  # some hands were left out, so that their order says nothing
        _place_by_distance(values, hands, skeleton.BODY_SLICE, _WRISTS, _HANDS, 0)
    faces = _joined(*_points(pose, "faces", "face_score", None))[:, : skeleton.N_FACE]
    if len(faces) == len(values):
        values[:, skeleton.FACE_SLICE] = faces
    else:
        tip = 30  # of the nose
        whole = (skeleton.FACE_SLICE,)
        _place_by_distance(values, faces, skeleton.BODY_SLICE, (skeleton.NOSE,), whole, tip)
    return values


def _bodies(pose: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(P, 18, 2) coordinates and (P, 18) scores."""
    candidate = np.asarray(pose["bodies"]["candidate"], dtype=np.float64)
    subset = pose["bodies"].get("subset")
    subset = np.empty((0, 0)) if subset is None else np.asarray(subset, dtype=np.float64)
    if not candidate.size:
        return np.empty((0, skeleton.N_BODY, 2)), np.empty((0, skeleton.N_BODY))
    if candidate.ndim == 2:  # one list for everyone; what follows the body are toes
        joints = subset.astype(int)[:, : skeleton.N_BODY]
        places, visible = candidate[np.maximum(joints, 0)], joints >= 0
    else:
        places = candidate[:, : skeleton.N_BODY]
        shown = subset[:, : skeleton.N_BODY] if subset.size else np.zeros(places.shape[:2])
        visible = shown >= 0
    given = pose.get("body_score")
    scores = visible if given is None else np.asarray(given)[:, : skeleton.N_BODY]
    return places, np.asarray(scores, dtype=np.float64)


def _points(
    pose: dict[str, Any], key: str, score_key: str, count: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """(n, N, 2) coordinates and (n, N) scores of hands or faces."""
    given = pose.get(key)
    places = np.empty(0) if given is None else np.asarray(given, dtype=np.float64)
    if not places.size:
        return np.empty((0, count or len(_FACE), 2)), np.empty((0, count or len(_FACE)))
    scores = pose.get(score_key)
    scores = np.ones(places.shape[:2]) if scores is None else np.asarray(scores, dtype=np.float64)
    if places.ndim != 3 or (count and places.shape[1] != count):
        raise ValueError(f"{key} of shape {places.shape}")
    if count is None and places.shape[1] not in (skeleton.N_FACE, len(_FACE)):
        raise ValueError(f"{key} of shape {places.shape}")
    return places, scores


def _joined(places: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(n, N, 3) with score 0 for points that are marked as missing."""
    if places.shape[:2] != scores.shape:
        raise ValueError(f"{places.shape[:2]} points with {scores.shape} scores")
    missing = (places == 0).all(-1) | (places == -1).all(-1) | ~np.isfinite(places).all(-1)
    scores = np.clip(np.where(missing, 0.0, scores), 0, 1)
    return np.concatenate([np.where(missing[..., None], 0.0, places), scores[..., None]], -1)


def _place_by_distance(
    values: np.ndarray,
    parts: np.ndarray,
    body: slice,
    joints: Sequence[int],
    slots: Sequence[slice],
    anchor: int,
) -> None:
    """Put hands or faces to the nearest body joint that has none yet, nearest pairs first.

    Args:
        values: (P, 134, 3), filled in place.
        parts: (n, N, 3).
        joints: of the body; slot i of a person belongs to joint i.
        anchor: point of a part that lies at its joint.
    """
    at = values[:, body][:, list(joints)]  # (P, J, 3)
    apart = np.linalg.norm(parts[:, None, None, anchor, :2] - at[None, ..., :2], axis=-1)
    apart[:, at[..., 2] <= 0] = np.inf
    apart[parts[:, anchor, 2] <= 0] = np.inf
    while apart.size and np.isfinite(apart).any():
        part, person, joint = np.unravel_index(apart.argmin(), apart.shape)
        values[person, slots[joint]] = parts[part]
        apart[part], apart[:, person, joint] = np.inf, np.inf
