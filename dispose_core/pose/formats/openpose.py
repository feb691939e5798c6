"""OpenPose JSON in its variants: frames, one frame, one person, and frames in a wrapper."""

from __future__ import annotations

from typing import Any

from .base import Frame, PoseFormat, is_list_of

_BODY = "pose_keypoints_2d"
# Keys under which programs put a list of frames.
_WRAPPERS = ("frames", "poses", "keypoints", "data", "results", "openpose")


def _is_frame(data: Any) -> bool:
    return isinstance(data, dict) and "people" in data


def _wrapped(data: Any) -> Any:
    """The list of frames in a wrapper, or None."""
    if not isinstance(data, dict):
        return None
    for key in _WRAPPERS:
        if is_list_of(data.get(key), dict) and all(map(_is_frame, data[key])):
            return data[key]
    if data and all(map(_is_frame, data.values())):  # by file name or frame number
        return [data[key] for key in sorted(data, key=lambda key: (len(key), key))]
    return None


def _is_person(data: Any) -> bool:
    return isinstance(data, dict) and _BODY in data


def _of_person(data: Any) -> list[Frame]:
    size = {key: value for key, value in data.items() if key.endswith(("width", "height"))}
    return [{"people": [data], **size}]


FORMATS = (
    PoseFormat(
        "OpenPose frames",
        lambda data: is_list_of(data, dict) and all(map(_is_frame, data)),
        lambda data: data,
    ),
    PoseFormat("an OpenPose frame", _is_frame, lambda data: [data]),
    PoseFormat("an OpenPose person", _is_person, _of_person),
    PoseFormat("OpenPose frames in a wrapper", lambda data: _wrapped(data) is not None, _wrapped),
)
