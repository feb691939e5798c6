"""What Wan-Animate is driven by: pose video, face video, and for replacing a person the character
mask and the background, as ComfyUI's `WanAnimateToVideo` and Wan2.2's own preprocessing have them.

Everything is computed frame by frame, when it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import PoseError
from ..media.region_mask import region_mask
from ..media.resize import resize_crop
from ..media.video_models import VIDEO_MODELS, frames_at, nearest_frames
from .canvas import same_shape
from .exchange.posedata import write_posedata
from .face_crops import crop_faces, face_boxes
from .fit import fit_to_drawing, fit_to_image
from .render import DrawOptions, render_poses
from .sequence import PoseSequence

_MODEL = VIDEO_MODELS["Wan-Animate"]
_MULTIPLE = 16  # of WanAnimateToVideo's width and height


@dataclass(frozen=True)
class Clip:
    """Frames that are read one at a time.

    Attributes:
        count, size: number of frames and (H, W).
        read: frame number -> (H, W, 3) uint8 of images, (H, W) 0…1 of masks.
    """

    count: int
    size: tuple[int, int]
    read: Callable[[int], np.ndarray]


@dataclass(frozen=True)
class WanAnimateOptions:
    """How the set is made.

    Attributes:
        size: (H, W) of the videos; 0 follows from the poses (`fit_to_drawing`).
        fps: frames per second of the driving frames, to repeat or leave out some for 30; 0 keeps
            them all.
        smoothing: of the face boxes, in frames (`face_crops.face_boxes`).
        grow, block: of the mask, in pixels (`region_mask`).
    """

    size: tuple[int, int] = (0, 0)
    fps: float = 0.0
    smoothing: float = 2.0
    grow: int = 9
    block: int = 32


@dataclass(frozen=True)
class WanAnimateSet:
    """Videos for Wan-Animate; the iterators are read once.

    Attributes:
        size: (H, W) of all of them but the faces.
        frames: length of every video.
        length: the longest one of 4n + 1 frames, which Wan-Animate makes of them.
        poses: (H, W, 3) uint8.
        faces: (512, 512, 3) uint8.
        scenes: region mask (H, W), 1 where the character is to be, and the background (H, W, 3)
            uint8, black there; None without a mask.
        posedata: the poses for ComfyUI-WanAnimatePreprocess.
    """

    size: tuple[int, int]
    frames: int
    length: int
    poses: Iterator[np.ndarray]
    faces: Iterator[np.ndarray]
    scenes: Iterator[tuple[np.ndarray, np.ndarray]] | None
    posedata: dict[str, Any]
    report: list[str]


def wan_animate_set(
    driving: Sequence[PoseSequence],
    images: Clip,
    drawn: Sequence[PoseSequence] | None = None,
    mask: Clip | None = None,
    options: WanAnimateOptions | None = None,
) -> WanAnimateSet:
    """Prepare a clip for Wan-Animate. The first person is the one that drives.

    Args:
        driving: poses as found in the driving frames.
        images: the driving frames.
        drawn: poses to draw, such as aligned ones, one per driving frame; `driving` by default.
        mask: where the person is in the driving frames, one for all or one for each.

    Raises:
        PoseError: different numbers of frames, poses of an image of another shape than the driving
            frames or the video, or no face in any frame.
    """
    options = options or WanAnimateOptions()
    total = images.count
    _require_length(len(driving[0]), total, "driving pose: {} poses")
    if drawn is not None:
        _require_length(len(drawn[0]), total, "aligned pose: {} poses")
    if mask is not None:
        _require_mask(mask, images)
    person, report = fit_to_image(
        driving[:1],
        images.size,
        "driving pose",
        "the driving images",
        "Give the images in which the poses were found.",
    )
    to_draw = fit_to_drawing(driving if drawn is None else drawn, options.size[1], options.size[0])
    size = to_draw[0].canvas
    chosen = _frames_at_rate(total, options.fps)
    if options.fps:
        report.append(f"{total} frames at {options.fps:g} fps: {len(chosen)} at {_MODEL.fps} fps")
    boxes, faces_report = face_boxes(person[0], options.smoothing)
    length = _MODEL.length(len(chosen), len(chosen))
    report += [*faces_report, *_lengths(len(chosen), length), *_sizes(size)]
    return WanAnimateSet(
        size,
        len(chosen),
        length,
        render_poses(
            [each[chosen] for each in to_draw[:1]], size, DrawOptions(style="wan-animate")
        ),
        crop_faces(map(images.read, chosen.tolist()), boxes[chosen]),
        None if mask is None else _scenes(images, mask, chosen, size, options),
        write_posedata(to_draw[0][chosen], person[0][chosen]),
        report,
    )


def _scenes(
    images: Clip,
    mask: Clip,
    chosen: np.ndarray,
    size: tuple[int, int],
    options: WanAnimateOptions,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield `WanAnimateSet.scenes`."""
    for t in chosen.tolist():
        whole = torch.from_numpy(np.ascontiguousarray(images.read(t))).movedim(-1, 0)
        frame = resize_crop(whole, size).movedim(0, -1).numpy()
        outline = mask.read(t if mask.count > 1 else 0)
        given = torch.from_numpy(np.ascontiguousarray(outline, dtype=np.float32))[None]
        region = region_mask(resize_crop(given, size)[0].numpy(), options.grow, options.block)
        yield region, np.where(region[..., None] > 0, np.uint8(0), frame)


def _frames_at_rate(total: int, fps: float) -> np.ndarray:
    """Numbers of the frames nearest in time to the model's; all if `fps` is 0."""
    if not fps:
        return np.arange(total)
    count = frames_at(total, fps, _MODEL.fps)
    return np.minimum(nearest_frames(count, fps, _MODEL.fps), total - 1)


def _require_length(count: int, total: int, found: str) -> None:
    if count != total:
        raise PoseError(
            f"{found.format(count)} for {total} driving images, needed one for each. "
            "Connect the images in which the poses were found, without the reference image."
        )


def _require_mask(mask: Clip, images: Clip) -> None:
    if mask.count not in (1, images.count) or not same_shape(mask.size, images.size):
        raise PoseError(
            f"mask: {mask.count} of {mask.size[1]}×{mask.size[0]} for {images.count} driving "
            f"images of {images.size[1]}×{images.size[0]}, needed one for each. Make the mask from "
            "the driving images, for example with Person Mask."
        )


def _lengths(frames: int, length: int) -> list[str]:
    lines = []
    if length != frames:
        cut = frames - length
        lines.append(
            f"{frames} frames: Wan-Animate makes 4n + 1, so the last "
            f"{'one is' if cut == 1 else f'{cut} are'} cut at a length of {length}; with "
            f"{length + _MODEL.step} the last frame is repeated"
        )
    if frames > _MODEL.usual:
        lines.append(
            f"{frames} frames: it makes {_MODEL.usual} at once; for more, connect "
            "video_frame_offset and continue_motion"
        )
    return lines


def _sizes(size: tuple[int, int]) -> list[str]:
    if all(side % _MULTIPLE == 0 for side in size):
        return []
    return [
        f"{size[1]}×{size[0]}: WanAnimateToVideo makes multiples of {_MULTIPLE} and crops the rest"
    ]
