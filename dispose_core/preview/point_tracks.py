"""Tracks of points for video models that follow them: Wan-Move, ATI and LTX.

Points lie on the joints, on a grid over the person, on the outline, or where the user wants them.
They move with the motion field and know in which frames they are visible. Tracks are resampled to
the model's frame rate, so that a point is at every second where the driver's is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DisPoseError
from ..media.resize import covering_crop
from ..media.video_models import VideoModel, frames_at
from ..motion.motion_field import MotionField
from ..pose import skeleton
from ..progress import Progress, no_progress
from .export import joint_positions, num_driving
from .point_places import Where, point_places
from .rasterizer import flow_of, forward_warp

# ATI reads this many points of a track, which it spreads over the clip (ComfyUI's nodes_wan.py).
ATI_POINTS = 121
# A point is hidden where the surface seen at its place comes from farther away than this share of
# the image's longer side in the reference.
_OTHER_SURFACE = 0.03


@dataclass(frozen=True, eq=False)
class PointTracks:
    """N tracks of T frames at a video model's frame rate; frame 0 is the reference image.

    Attributes:
        paths: (T, N, 2) float32 x, y in pixels of the video.
        visible: (T, N) bool: seen, inside the image and not behind another part of the body.
        size: (H, W) of the video.
        fps: frames per second.
        report: one sentence per line.
    """

    paths: Tensor
    visible: Tensor
    size: tuple[int, int]
    fps: float
    report: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def as_json(self, points: int | None = None) -> str:
        """Tracks as lists of {"x": …, "y": …}, without visibility.

        Args:
            points: points of a track, spread evenly over the clip; one per frame when None.
        """
        times = np.linspace(0, len(self) - 1, points or len(self))
        frames = np.arange(len(self))
        tracks = [
            [np.interp(times, frames, column).round(2).tolist() for column in path.T.numpy()]
            for path in self.paths.unbind(1)
        ]
        return json.dumps(
            [[{"x": x, "y": y} for x, y in zip(xs, ys, strict=True)] for xs, ys in tracks]
        )


def point_tracks(
    field: MotionField,
    model: VideoModel,
    fps: float,
    where: Where = "joints",
    count: int = 64,
    own_points: str = "",
    size: tuple[int, int] | None = None,
    length: int | None = None,
    on_frame: Progress = no_progress,
) -> PointTracks:
    """Tracks of points on the person for a video model.

    Args:
        field: motion field of F+1 frames.
        model: frame rate and lengths.
        fps: frames per second of the field's driving frames.
        where: on which points.
        count: about how many points on a grid or the outline.
        own_points: for "own points": "0.5,0.3 0.6,0.3", fractions of width and height.
        size: (H, W) of the video; the image's when None.
        length: frames of the video, as the model can make them; by the clip when None.

    Raises:
        DisPoseError: no driving frame, no person to place points on, or own points that cannot be
            read.
    """
    driving = num_driving(field)
    if where == "joints":
        places, visible = joint_positions(field)
        known = np.any(visible, axis=0)
        if not known.any():
            raise DisPoseError(
                "motion tracks: the motion field has no joints, as one that was loaded from flow. "
                "Place the points on a grid or the outline, or write own points."
            )
        places, visible = _bridged(places[:, known], visible[:, known]), visible[:, known]
        names = [name for name, seen in zip(skeleton.BODY, known, strict=True) if seen]
        what = f"joints: {', '.join(names)}"
        on_frame(driving, driving)
    else:
        points = point_places(field, where, count, own_points)
        places, visible = follow_points(field, points, on_frame)
        what = f"{len(points)} points, {where}"
    height, width = size or field.size
    places = _in_video(places, field.size, (height, width))
    visible &= ((places >= 0) & (places < 1)).all(-1)

    available = frames_at(driving, fps, model.fps)
    frames = length or model.length(available)
    # Driving frame n is at (n - 1) / fps, and the reference image takes the place of the first.
    at = np.concatenate([[0.0], 1 + np.arange(1, frames) * (fps / model.fps)]).clip(0, driving)
    before = np.floor(at).astype(int)
    after = np.minimum(before + 1, driving)
    share = (at - before)[:, None, None]
    paths = places[before] * (1 - share) + places[after] * share
    nearest = np.minimum((at + 0.5).astype(int), driving)
    lines = [
        f"{what}; {frames} frames at {model.fps} fps for {model.name}, from {driving} driving "
        f"frames at {fps:.4g} fps"
    ]
    if frames > available:
        lines.append(f"the points rest from frame {available} on, where the driver ends")
    elif frames < available - model.step:
        lines.append(f"of {available} frames the last {available - frames} are left out")
    return PointTracks(
        torch.from_numpy(paths * (width, height)).float(),
        torch.from_numpy(visible[nearest]),
        (height, width),
        model.fps,
        tuple(lines),
    )


def tracks_for(tracks: PointTracks, model: VideoModel) -> str:
    """The JSON that a model's own nodes read: ATI's 121 points, else one per frame."""
    return tracks.as_json(ATI_POINTS if model.name == "ATI" else None)


def follow_points(
    field: MotionField, points: np.ndarray, on_frame: Progress = no_progress
) -> tuple[np.ndarray, np.ndarray]:
    """Move points of the reference with a motion field.

    Args:
        points: (N, 2) x, y as fractions of the image.

    Returns:
        (F+1, N, 2) fractions in every frame, where nobody is as in the frame before; (F+1, N) bool,
        False also where another part of the body is in front.
    """
    height, width = field.grid.shape[-2:]
    size = np.array([width, height])
    at = torch.from_numpy(points * 2 - 1).float()[None, None]  # align_corners=False
    own = torch.from_numpy(points * size).float()
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    source = torch.stack([columns, rows]).float() + 0.5
    limit = _OTHER_SURFACE * max(height, width)
    places = np.repeat(points[None], len(field), 0)
    visible = np.ones(places.shape[:2], dtype=bool)
    for frame in range(1, len(field)):
        if not field.valid[frame]:
            places[frame], visible[frame] = places[frame - 1], False
            continue
        flow = flow_of(field, frame, (height, width))
        moved = F.grid_sample(flow[None], at, padding_mode="border", align_corners=False)
        places[frame] = points + moved[0, :, 0].T.numpy() / size
        seen, coverage = forward_warp(source, flow[None], field.subject, field.layer)
        there = torch.from_numpy(places[frame] * 2 - 1).float()[None, None]
        both = torch.cat([seen, coverage], 1)
        x, y, covered = F.grid_sample(both, there, mode="nearest", align_corners=False)[0, :, 0]
        apart = torch.hypot(x - own[:, 0], y - own[:, 1])
        visible[frame] = ~((covered > 0.5) & (apart > limit)).numpy()
        on_frame(frame, len(field) - 1)
    return places, visible


def draw_tracks(image: Tensor, tracks: PointTracks) -> Tensor:
    """The paths over the image, from dark (start) to bright; left out where hidden.

    Args:
        image: (3, H, W) 0…1, the reference.

    Returns:
        (3, H, W) 0…1.
    """
    height, width = image.shape[-2:]
    drawn = (image.movedim(0, -1).numpy() * 96).astype(np.uint8).copy()
    covering, (top, left) = covering_crop((height, width), tracks.size)
    in_covering = tracks.paths.numpy() + np.array([left, top])
    paths = in_covering * (width / covering[1], height / covering[0])
    thickness = max(round(min(height, width) / 250), 1)
    for n, path in enumerate(paths.swapaxes(0, 1)):
        hue = np.array([[[n * 179 // max(len(paths[0]) - 1, 1), 200, 255]]], np.uint8)
        colour = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].astype(float)
        for t in range(1, len(path)):
            if not tracks.visible[t - 1 : t + 1, n].all():
                continue
            shade = colour * (0.35 + 0.65 * t / len(path))
            start, end = path[t - 1 : t + 1].round().astype(int).tolist()
            cv2.line(drawn, start, end, shade.tolist(), thickness, cv2.LINE_AA)
    return torch.from_numpy(drawn.astype(np.float32) / 255).movedim(-1, 0)


def _in_video(places: np.ndarray, image: tuple[int, int], video: tuple[int, int]) -> np.ndarray:
    """Fractions of the image (…, 2) -> of a video, whose node scales and crops the image to it."""
    covering, (top, left) = covering_crop(image, video)
    scale = np.array([covering[1] / video[1], covering[0] / video[0]])
    return places * scale - (left / video[1], top / video[0])


def _bridged(places: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """(T, N, 2) with the places of unseen points interpolated in time, constant at the ends."""
    frames = np.arange(len(places))
    columns = [
        [np.interp(frames, frames[seen], path[seen, axis]) for axis in (0, 1)]
        for path, seen in zip(places.swapaxes(0, 1), visible.T, strict=True)
    ]
    return np.array(columns).reshape(-1, 2, len(places)).transpose(2, 0, 1)
