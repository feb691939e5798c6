"""Recognize the format of a pose file by its content."""

from __future__ import annotations

from typing import Any

from ...errors import PoseError
from . import coco, lists, openpose
from .base import Frame

# The first that recognizes a file reads it.
FORMATS = (*openpose.FORMATS, *coco.FORMATS, *lists.FORMATS)


def to_openpose(data: Any, name: str) -> tuple[list[Frame], str]:
    """Convert parsed JSON of any known format to OpenPose frames.

    Returns:
        The frames, and the name of the format.

    Raises:
        PoseError: of no known format, or keypoints that cannot be read; the message says what was
            found.
    """
    for pose_format in FORMATS:
        if pose_format.recognize(data):
            try:
                return pose_format.read(data), pose_format.name
            except ValueError as e:
                raise PoseError(f"{name}: {pose_format.name}, but {e}.") from e
    raise PoseError(
        f"{name}: no poses that are known here; it holds {_describe(data)}. Use OpenPose JSON, as "
        "Save Poses writes it, or the results of AlphaPose, mmpose or a COCO program."
    )


def _describe(data: Any) -> str:
    if isinstance(data, dict):
        keys = ", ".join(map(str, list(data)[:6])) or "no keys"
        return f"an object with {keys}{', …' if len(data) > 6 else ''}"
    if isinstance(data, list):
        return f"a list of {len(data)}" + (f", first {_describe(data[0])}" if data else "")
    return f"{type(data).__name__} {str(data)[:40]!r}"
