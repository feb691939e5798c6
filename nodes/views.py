"""UI outputs for the views in the browser: names and layout of small temporary files.

Views are optional: if their files cannot be written, a warning is logged and the node still returns
its results.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import numpy as np

from ..dispose_core.errors import MediaError
from ..dispose_core.features.browser_view import PointView
from ..dispose_core.media.sprite_sheet import Strips, jpeg
from .comfy_adapters.temp_files import SUBFOLDER, write_temp

Ui = dict[str, list[dict]]  # what ComfyUI sends to the page and keeps in the history


def motion_ui(frames: range, modes: Mapping[str, Strips]) -> Ui | None:
    """UI output of the motion view, which counts driving frames from 0, as reports and editor do.

    Args:
        frames: frame indices of the motion field, whose frame 0 is the reference.
        modes: sheets by mode: "flow", "arrows", "person", "onion".
    """

    def view() -> dict:
        described = {
            mode: {**strips.describe(), "files": [write_temp(s, ".jpg") for s in strips.sheets]}
            for mode, strips in modes.items()
        }
        return {"first": frames.start - 1, "stride": frames.step, "modes": described}

    return _ui("dispose_motion", view)


def tracks_ui(picture: np.ndarray) -> Ui | None:
    """UI output of the view of tracks, in which points are picked.

    Args:
        picture: (H, W, 3) uint8, paths over the image.
    """
    return _ui("dispose_tracks", lambda: {"file": write_temp(jpeg(picture), ".jpg")})


def points_ui(view: PointView | None) -> Ui | None:
    """UI output of the point view; None if there is nothing to display."""
    if view is None:
        return None

    def points_data() -> dict:
        files = {
            "reference": write_temp(view.reference, ".jpg"),
            "target": write_temp(view.target, ".jpg"),
            "maps": write_temp(view.maps, ".png"),
        }
        return {**view.describe(), "files": files}

    return _ui("dispose_points", points_data)


def _ui(key: str, view: Callable[[], dict]) -> Ui | None:
    try:
        return {key: [{"subfolder": SUBFOLDER, **view()}]}
    except MediaError as e:
        logging.warning("DisPose: no view in the browser: %s", e)
        return None
