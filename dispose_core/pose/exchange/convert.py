"""Read poses from whichever wire they come on."""

from __future__ import annotations

from typing import Any

from ...errors import PoseError
from ..openpose_json import read_openpose
from ..sequence import PoseSequence
from ..tracking.list_order import order_report
from .dwposes import read_dwposes
from .posedata import read_posedata


def read_any(
    poses: Any = None,
    dwposes: Any = None,
    posedata: Any = None,
    canvas: tuple[int, int] | None = None,
) -> tuple[list[PoseSequence], list[str]]:
    """Convert POSE_KEYPOINT, DWPOSES or POSEDATA to one sequence per person, and a report.

    Args:
        canvas: (H, W) of the image in which the poses were found; needed for DWPOSES, which do not
            say it.

    Raises:
        PoseError: none or several of them, or not what its wire carries.
    """
    given = [
        name
        for name, value in (("poses", poses), ("dwposes", dwposes), ("posedata", posedata))
        if value is not None
    ]
    if len(given) != 1:
        raise PoseError(
            f"{' and '.join(given) or 'nothing'} connected, needed one of poses, dwposes and "
            "posedata. Use a node for each."
        )
    if dwposes is not None:
        if canvas is None:
            raise PoseError(
                "dwposes: fractions of an image whose size they do not say. Set width and height "
                "to those of the image in which the poses were found."
            )
        people = read_dwposes(dwposes, canvas)
    elif posedata is not None:
        people = read_posedata(posedata)
    else:
        people = read_openpose(poses, canvas=canvas)
    count = len(people)
    who = "one person" if count == 1 else f"up to {count} people"
    height, width = people[0].canvas
    report = [f"{given[0]}: {who} in {len(people[0])} frames of {width}×{height}"]
    return people, [*report, *order_report(people, given[0])]
