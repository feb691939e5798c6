"""POSEDATA, the poses of ComfyUI-WanAnimatePreprocess (and of packs that build on it).

A dict of four: `pose_metas`, an object per frame with the points to draw, in pixels;
`pose_metas_original`, a dict per frame with the points as found, as fractions; `refer_pose_meta`
and `retarget_image`, of the reference, or None. An object has `width`, `height`, and arrays
`kps_body` (20, 2) with scores `kps_body_p` (20,), likewise `kps_lhand` and `kps_rhand` (21) and
`kps_face` (69). A dict has `width`, `height`, `keypoints_body` (20, 3), `keypoints_left_hand`,
`keypoints_right_hand` and `keypoints_face`. The body is OpenPose's 18 points and the middle of the
toes, left and right; the face is the right heel, which nothing reads, and the 68 points, or the 68
and both eyes. Nothing of that pack is imported: the objects only look like its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import PoseError
from .. import skeleton
from ..feet import TOES, toes_middle
from ..sequence import PoseSequence

_PARTS = (  # attribute, key of the dict, part of the skeleton
    ("kps_lhand", "keypoints_left_hand", skeleton.LEFT_HAND_SLICE),
    ("kps_rhand", "keypoints_right_hand", skeleton.RIGHT_HAND_SLICE),
    ("kps_face", "keypoints_face", skeleton.FACE_SLICE),
)
_BODY = ("kps_body", "keypoints_body")
_FEET = (skeleton.LEFT_FOOT_SLICE, skeleton.RIGHT_FOOT_SLICE)
# First of the 68 points, by the number of face points.
_FACE_STARTS = {68: 0, 69: 1, 70: 0}


@dataclass
class AAPose:
    """A frame of `pose_metas`; see the top of the file."""

    image_id: str
    width: int
    height: int
    kps_body: np.ndarray
    kps_body_p: np.ndarray
    kps_lhand: np.ndarray
    kps_lhand_p: np.ndarray
    kps_rhand: np.ndarray
    kps_rhand_p: np.ndarray
    kps_face: np.ndarray
    kps_face_p: np.ndarray


def write_posedata(drawn: PoseSequence, found: PoseSequence | None = None) -> dict[str, Any]:
    """Convert a person to POSEDATA.

    Args:
        drawn: the poses to draw, such as aligned ones.
        found: the poses as found in the driving frames; `drawn` by default.
    """
    found = drawn if found is None else found
    return {
        "pose_metas": [_object_of(drawn, t) for t in range(len(drawn))],
        "pose_metas_original": [_dict_of(found, t) for t in range(len(found))],
        "refer_pose_meta": None,
        "retarget_image": None,
    }


def read_posedata(value: Any, name: str = "posedata") -> list[PoseSequence]:
    """Convert POSEDATA to a sequence of its person: the poses to draw, which may be retargeted.

    Raises:
        PoseError: not POSEDATA, or arrays of other shapes than those above.
    """
    metas = None
    if isinstance(value, dict):
        metas = value.get("pose_metas") or value.get("pose_metas_original")
    if not isinstance(metas, (list, tuple)):
        raise PoseError(
            f"{name}: not poses of ComfyUI-WanAnimatePreprocess (a dict with 'pose_metas'). "
            "Connect an output of the type POSEDATA."
        )
    if not metas:
        raise PoseError(f"{name}: no frame in it. Use poses with at least one frame.")
    frames, sizes = [], []
    for t, meta in enumerate(metas):
        try:
            frame, size = _frame_of(meta)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as e:
            raise PoseError(
                f"{name}, frame {t}: arrays of other shapes than those of POSEDATA ({e}). Make "
                "them again with a node of ComfyUI-WanAnimatePreprocess."
            ) from e
        if min(size) < 1:
            raise PoseError(
                f"{name}, frame {t}: the size of its image is {size[1]}×{size[0]}. Make the poses "
                "again with a node of ComfyUI-WanAnimatePreprocess."
            )
        frames.append(frame)
        sizes.append(size)
    values = np.stack(frames)
    return [PoseSequence(values[..., :2], values[..., 2], sizes[0])]


def _object_of(pose: PoseSequence, t: int) -> AAPose:
    height, width = pose.canvas
    arrays = {}
    for attribute, points in _points_of(pose, t).items():
        arrays[attribute] = points[:, :2] * np.array([width, height], np.float32)
        arrays[f"{attribute}_p"] = points[:, 2]
    return AAPose(image_id="", width=width, height=height, **arrays)


def _dict_of(pose: PoseSequence, t: int) -> dict[str, Any]:
    points = _points_of(pose, t)
    keys = {attribute: key for attribute, key, _ in _PARTS} | {_BODY[0]: _BODY[1]}
    height, width = pose.canvas
    return {
        "width": width,
        "height": height,
        **{keys[attribute]: values for attribute, values in points.items()},
    }


def _points_of(pose: PoseSequence, t: int) -> dict[str, np.ndarray]:
    """(N, 3) float32 fractions and scores by attribute; 0, 0, 0 for a missing point."""
    values = np.concatenate([pose.points[t], pose.scores[t, :, None]], -1)
    toes = [np.hstack(toes_middle(values[foot, :2], values[foot, 2])) for foot in _FEET]
    parts = {attribute: values[part] for attribute, _, part in _PARTS}
    heel = values[skeleton.RIGHT_FOOT_SLICE][2:]
    parts["kps_face"] = np.concatenate([heel, parts["kps_face"]])
    parts["kps_body"] = np.concatenate([values[skeleton.BODY_SLICE], toes])
    return {key: np.nan_to_num(points).astype(np.float32) for key, points in parts.items()}


def _frame_of(meta: Any) -> tuple[np.ndarray, tuple[int, int]]:
    """(134, 3) fractions and scores, and (H, W)."""
    if isinstance(meta, dict):
        size = int(meta["height"]), int(meta["width"])
    else:
        size = int(meta.height), int(meta.width)
    values = np.zeros((skeleton.N_POINTS, 3))
    body = _array(meta, *_BODY, size)
    if len(body) < skeleton.N_BODY:
        raise ValueError(f"{len(body)} body points")
    values[skeleton.BODY_SLICE] = body[: skeleton.N_BODY]
    for toe, foot in zip(body[skeleton.N_BODY :], _FEET, strict=False):
        values[foot][TOES] = toe
    for attribute, key, part in _PARTS:
        points = _array(meta, attribute, key, size)
        if part == skeleton.FACE_SLICE and len(points):
            if len(points) not in _FACE_STARTS:
                raise ValueError(f"{len(points)} face points")
            points = points[_FACE_STARTS[len(points)] :][: skeleton.N_FACE]
        if len(points):
            values[part] = points
    return values, size


def _array(meta: Any, attribute: str, key: str, size: tuple[int, int]) -> np.ndarray:
    """(N, 3) fractions and scores of a part, empty where it is not there."""
    if isinstance(meta, dict):
        rows = meta.get(key)
        rows = [] if rows is None else [(0, 0, 0) if row is None else row for row in rows]
        if not rows:
            return np.empty((0, 3))
        values = np.array(rows, dtype=np.float64).reshape(len(rows), -1)
        if values.shape[1] == 2:  # without scores, every point that is given was found
            values = np.concatenate([values, np.ones((len(values), 1))], -1)
    else:
        places = getattr(meta, attribute, None)
        if places is None:
            return np.empty((0, 3))
        scores = getattr(meta, f"{attribute}_p", None)
        places = np.asarray(places, dtype=np.float64)[:, :2] / (size[1], size[0])
        scores = np.ones(len(places)) if scores is None else np.asarray(scores, dtype=np.float64)
        values = np.concatenate([places, scores.reshape(-1, 1)], -1)
    if not len(values):
        return np.empty((0, 3))
    missing = (values[:, :2] == 0).all(-1) | ~np.isfinite(values).all(-1)
    values = np.where(missing[:, None], 0.0, values[:, :3])
    values[:, 2] = values[:, 2].clip(0, 1)
    return values
