"""Crop the face out of every frame of a clip, as Wan-Animate's face video wants it.

The box around the face points is that of Wan-Animate's own preprocessing (Wan2.2,
animate/preprocess/utils.py `get_face_bboxes`, scale 1.3); its own boxes tremble with the points, so
here they are steadied over time, without lag, and held where the face is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from ..errors import PoseError
from ..progress import Progress, no_progress
from . import skeleton
from .frame_ranges import name_frames
from .sequence import PoseSequence

SIZE = 512  # width and height of a crop
_AREA = 1.3  # of the box against that of the points
_TOP_SHARE = 3 / 4  # of what is added to the height
_FEWEST_POINTS = 34  # half a face; the box of fewer says little about the whole
_SMALLEST = 2.0  # pixels; a smaller box shows nothing
# The size of a face changes more slowly than its place.
_SIZE_STEADIER = 2.0


def face_boxes(
    pose: PoseSequence, smoothing: float = 2.0, name: str = "driving pose"
) -> tuple[np.ndarray, list[str]]:
    """Box of the face in every frame.

    Args:
        pose: the person, with a canvas of the frames' size.
        smoothing: standard deviation in frames of the Gaussian that steadies the centre; the size
            is steadied over twice as many. 0: the box of each frame by itself.
        name: of the poses in messages.

    Returns:
        (T, 4) left, top, right, bottom in pixels of the canvas, inside it and never empty; and a
        report of the frames in which no face was found.

    Raises:
        PoseError: no face in any frame.
    """
    height, width = pose.canvas
    points = pose.face * (width, height)
    seen = pose.face_scores >= skeleton.VISIBLE
    boxes = _expanded(np.where(seen[..., None], points, np.nan), seen)
    found = np.isfinite(boxes).all(-1) & _shows_something(boxes, (height, width))
    if not found.any():
        raise PoseError(
            f"{name}: no face in {len(pose)} frame{'s' if len(pose) != 1 else ''}. Switch on "
            "'face' in Pose Extract; or draw the poses with Pose Render in the style wan-animate, "
            "and leave face_video unconnected."
        )
    frames = np.arange(len(pose))
    held = np.stack([np.interp(frames, frames[found], side) for side in boxes[found].T], -1)
    limits = (width, height, width, height)
    steady = np.clip(_steadied(held, smoothing), 0, limits)
    empty = ~_shows_something(steady, (height, width))
    steady[empty] = np.clip(held[empty], 0, limits)
    report = []
    if not found.all():
        report.append(f"{name_frames(~found)}: no face found, its place is held or interpolated")
    return steady, report


def crop_faces(
    frames: Iterable[np.ndarray], boxes: np.ndarray, on_frame: Progress = no_progress
) -> Iterator[np.ndarray]:
    """Yield the boxes of the frames, stretched to squares as Wan-Animate was trained.

    Args:
        frames: (H, W, 3) uint8.
        boxes: (T, 4) from `face_boxes`, one for each frame.

    Returns:
        (512, 512, 3) uint8 for each frame.
    """
    for t, (frame, box) in enumerate(zip(frames, boxes, strict=True)):
        yield _crop(frame, box)
        on_frame(t + 1, len(boxes))


def _expanded(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T, 4) boxes around face points (T, 68, 2), NaN where there are too few.

    The area grows by 1.3 and each side by the root of it: the width as much to the left as to the
    right, the height by three quarters at the top and one quarter at the bottom.
    """
    boxes = np.full((len(points), 4), np.nan)
    enough = seen.sum(-1) >= _FEWEST_POINTS
    if not enough.any():
        return boxes
    low = np.nanmin(points[enough], axis=1)
    high = np.nanmax(points[enough], axis=1)
    added = (high - low) * (np.sqrt(_AREA) - 1)
    before = added * (1 / 2, _TOP_SHARE)
    boxes[enough, :2], boxes[enough, 2:] = low - before, high + added - before
    return boxes


def _shows_something(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(T,) whether boxes overlap the image by at least `_SMALLEST` pixels each way."""
    height, width = size
    inside = np.clip(np.nan_to_num(boxes), 0, (width, height, width, height))
    return np.all(inside[:, 2:] - inside[:, :2] >= _SMALLEST, axis=-1)


def _steadied(boxes: np.ndarray, smoothing: float) -> np.ndarray:
    """Boxes (T, 4) with centre and size averaged over time."""
    if smoothing <= 0 or len(boxes) < 2:
        return boxes
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    centre = _gaussian(centre, smoothing)
    size = _gaussian(size, smoothing * _SIZE_STEADIER)
    return np.concatenate([centre - size / 2, centre + size / 2], -1)


def _gaussian(values: np.ndarray, sigma: float) -> np.ndarray:
    """(T, N) averaged over time; at the ends the line through them is continued, so that a face
    that moves evenly stays where it is."""
    sigma = min(sigma, (len(values) - 1) / 3)  # the line does not reach further than the clip
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    index = np.arange(1, reach + 1)
    before = 2 * values[0] - values[np.minimum(index, len(values) - 1)][::-1]
    after = 2 * values[-1] - values[np.maximum(len(values) - 1 - index, 0)]
    padded = np.concatenate([before, values, after])
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], -1)


def _crop(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Stretch a box of an image, with parts of pixels, to 512×512."""
    # Bilinear sampling reads two pixels, so faces much larger than the crop are reduced before.
    shrink = max(int(np.min(box[2:] - box[:2]) // SIZE), 1)
    if shrink > 1:
        height, width = frame.shape[:2]
        small = (width // shrink, height // shrink)
        frame = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
        box = box * (small * 2) / ((width, height) * 2)
    left, top, right, bottom = box
    across, down = (right - left) / SIZE, (bottom - top) / SIZE
    # Pixel centres: crop pixel i shows image position left + (i + 0.5) · across - 0.5.
    matrix = np.array([[across, 0, left + (across - 1) / 2], [0, down, top + (down - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, matrix, (SIZE, SIZE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
