"""What the motion view in the browser shows, mode by mode: frames in, compressed sheets out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..strips import Strips, frame_strips


def motion_modes(pictures: Iterable[np.ndarray]) -> dict[str, Strips]:
    """The two modes of a motion field.

    Args:
        pictures: (h, 2·w, 3) uint8 from `motion_pictures`, or what was made of them; at least one.

    Returns:
        "flow", the left halves, and "arrows", the right ones.
    """
    halves = [np.split(picture, 2, axis=1) for picture in pictures]
    flow, arrows = zip(*halves, strict=True)
    return {"flow": frame_strips(flow), "arrows": frame_strips(arrows)}


def person_modes(
    animation: Iterable[np.ndarray], overlay: Iterable[np.ndarray]
) -> dict[str, Strips]:
    """The two modes of a preview: "person" over the filled background, "onion" over the picture.

    Args:
        animation, overlay: (H, W, 3) uint8, at least one.
    """
    return {"person": frame_strips(animation), "onion": frame_strips(overlay)}
