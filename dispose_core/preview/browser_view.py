"""Sprite sheets for the motion view in the browser, one per mode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ..media.sprite_sheet import Strips, fit_longest, frame_strips
from ..motion.motion_field import MotionField
from .preview import preview_frames

# Image side and patch search side of the quick view of a motion field, which must appear within
# seconds; the Motion Preview node works at full quality.
GLANCE_SIDE, GLANCE_SEARCH = 320, 128


def motion_modes(images: Iterable[np.ndarray]) -> dict[str, Strips]:
    """Sprite sheets of a motion field.

    Args:
        images: (h, 2·w, 3) uint8 from `motion_images`; at least one.

    Returns:
        "flow", the left halves, and "arrows", the right ones.
    """
    columns = [np.split(image, 2, axis=1) for image in images]
    flow, arrows = zip(*columns, strict=True)
    return {"flow": frame_strips(flow), "arrows": frame_strips(arrows)}


def person_modes(
    animation: Iterable[np.ndarray], overlay: Iterable[np.ndarray]
) -> dict[str, Strips]:
    """Sprite sheets of a preview: "person" over the inpainted background, "onion" over the image.

    Args:
        animation, overlay: (H, W, 3) uint8, at least one.
    """
    return {"person": frame_strips(animation), "onion": frame_strips(overlay)}


def person_at_a_glance(
    image: Tensor, field: MotionField, frames: Sequence[int], mask: Tensor | None = None
) -> dict[str, Strips]:
    """`person_modes` of a motion field at low resolution.

    Args:
        image: (3, H, W) reference, 0…1.
        frames: absolute frames, at least one.
        mask: (H, W) 0…1, the person; that of the field when None.

    Returns:
        The sheets, or none if the mask is unknown or too small.
    """
    height, width = image.shape[-2:]
    size = fit_longest((height, width), GLANCE_SIDE)
    mask = field.subject if mask is None else mask
    if mask is None:
        return {}
    small = F.interpolate(mask[None, None].float(), size, mode="area")[0, 0]
    if not (small > 0.5).any():
        return {}
    image = F.interpolate(image[None], size, mode="area")[0]
    previews = preview_frames(image, field, frames, small, search_side=GLANCE_SEARCH)
    drawn_images = [(_channels_last(f.image), _channels_last(f.overlay)) for f in previews]
    return person_modes(*zip(*drawn_images, strict=True))


def _channels_last(image: Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy()
