"""From files to a clip: the reference, the driver's poses, the motion between them."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from ..motion.densify import motion_field
from ..motion.field import MotionField
from ..motion.preview import preview_frames
from ..motion.skinning import SkinningDensifier
from ..picture import read_picture
from ..pose.align import AlignOptions, align_poses
from ..pose.detect import create_detector, detect_reference, extract_poses
from ..pose.openpose import load_openpose
from ..pose.sequence import PoseSequence, make_clip
from ..prepare import describe_fit, fit_poses, fit_size, frame_stride, resize_crop
from ..video import count_frames, probe, read_frames, write_video
from .console import Bar

RESOLUTION = 576  # short side the released weights were trained with (SPEC 0)


@dataclass(frozen=True)
class Reference:
    """The picture to animate, fitted, and the person in it."""

    picture: Tensor  # (3, H, W) 0…1
    people: list[PoseSequence]
    report: list[str]


def load_reference(options: Namespace) -> Reference:
    """The reference picture, fitted, with its pose from a file or found."""
    source = read_picture(options.reference)
    source_size = tuple(source.shape[-2:])
    size = options.size or fit_size(source_size, RESOLUTION)
    picture = resize_crop(source, size)
    if options.reference_pose:
        people = fit_poses(load_openpose(options.reference_pose), source_size, size)
    else:
        pixels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
        people = detect_reference(create_detector(options.detector), pixels)
    return Reference(picture, people, [describe_fit(source_size, size)])


def make_field(
    options: Namespace, reference: Reference
) -> tuple[MotionField, list[PoseSequence], list[str], Fraction | None]:
    """The field, the aligned poses, the report, and the frame rate where a video was read."""
    report, fps = list(reference.report), None
    if options.poses:
        driving = load_openpose(options.poses)
    else:
        driving, lines, fps = detect_clip(options.driving, options)
        report += lines
    size = tuple(reference.picture.shape[-2:])
    aligned, lines = align_poses(
        reference.people, driving, size, AlignOptions(method=options.method)
    )
    clip = make_clip(reference.people[0], aligned[0])
    with Bar("motion", len(clip)) as bar:
        field = motion_field(reference.picture, clip, SkinningDensifier(), on_entry=bar)
    return field, aligned, [*report, *lines, *field.report], fps


def detect_clip(source: Path, options: Namespace) -> tuple[list[PoseSequence], list[str], Fraction]:
    """People of a video, the report, and the frame rate of the sampled frames."""
    info = probe(source)
    stride = frame_stride(info.fps, options.stride)
    available = -(-count_frames(info, options.start, options.duration) // stride)
    total = min(available, options.max_frames or available)
    frames = read_frames(source, stride, options.start, options.duration, options.max_frames)
    with Bar("poses", total) as bar:
        detector = create_detector(options.detector)
        people, report = extract_poses(detector, frames, total, on_frame=bar, name=str(source))
    return people, [*info.notes, *report], info.fps / stride


def write_preview(
    path: Path, picture: Tensor, field: MotionField, mask: Tensor | None, fps: float | Fraction
) -> list[str]:
    """The moving person as a video; returns what the writer changed."""
    with Bar(path.name, len(field) - 1) as bar:
        frames = preview_frames(picture, field, range(1, len(field)), mask, bar)
        notes = write_video(path, (f.picture.permute(1, 2, 0).numpy() for f in frames), fps)
    return list(notes)
