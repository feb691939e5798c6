"""From files to a clip: the reference, the driver's poses, the motion between them."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..media.image import read_picture
from ..media.prepare import frame_stride
from ..media.resize import describe_fit, fit_size, resize_crop
from ..media.video_read import count_frames, probe, read_frames
from ..media.video_write import write_video
from ..motion.densify import motion_field
from ..motion.motion_field import MotionField
from ..pose.alignment.align import AlignOptions, align_poses
from ..pose.detect import detect_reference, extract_poses
from ..pose.detectors.base import PoseDetector
from ..pose.detectors.registry import create_detector, detector_from_folder
from ..pose.fit import fit_poses
from ..pose.openpose_json import load_openpose
from ..pose.sequence import PoseSequence, make_clip
from ..pose.tracking.person_selection import choose_person, first_person
from ..preview.preview import preview_frames
from .console import Bar
from .densify import load_densifier

# See docs/reference_behaviour.md#top-level-flow.
RESOLUTION = 576  # short side the released weights were trained with


@dataclass(frozen=True)
class Reference:
    """The picture to animate, fitted, and the person in it."""

    picture: Tensor  # (3, H, W) 0…1
    people: list[PoseSequence]
    report: list[str]


def make_detector(options: Namespace) -> PoseDetector:
    """The detector that was chosen, on the GPU where there is one.

    Raises:
        CheckpointError: it needs files and no folder was named, or see `detector_from_folder`.
    """
    if options.detector == "mediapipe":
        return create_detector(options.detector)
    if options.detector_files is None:
        raise CheckpointError(
            f"--detector {options.detector} needs its networks: name the folder they are in with "
            "--detector-files. Which files and where to get them: python -m dispose_core models."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return detector_from_folder(options.detector, options.detector_files, device)


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
        people = detect_reference(make_detector(options), pixels)
    return Reference(picture, people, [describe_fit(source_size, size)])


def make_field(
    options: Namespace, reference: Reference
) -> tuple[MotionField, list[PoseSequence], list[str], Fraction | None]:
    """The field, the aligned poses, the report, and the frame rate where a video was read."""
    report, fps = list(reference.report), None
    size = tuple(reference.picture.shape[-2:])
    densifier = load_densifier(options, size)
    if options.poses:
        people = load_openpose(options.poses)
        driving, lines = choose_person(people, options.person, str(options.poses))
        report += lines
    else:
        driving, lines, fps = detect_clip(options.driving, options)
        report += lines
    how = AlignOptions(method=options.method, smoothing=options.smoothing)
    aligned, lines = align_poses(reference.people, driving, size, how)
    person, notes = first_person(reference.people, "reference picture")
    clip = make_clip(person, aligned[0])
    with Bar("motion", len(clip)) as bar:
        field = motion_field(reference.picture, clip, densifier, on_entry=bar)
    return field, aligned, [*report, *lines, *notes, *field.report], fps


def detect_clip(source: Path, options: Namespace) -> tuple[list[PoseSequence], list[str], Fraction]:
    """People of a video, the report, and the frame rate of the sampled frames."""
    info = probe(source)
    stride = frame_stride(info.fps, options.stride)
    available = -(-count_frames(info, options.start, options.duration) // stride)
    total = min(available, options.max_frames or available)
    frames = read_frames(source, stride, options.start, options.duration, options.max_frames)
    with Bar("poses", total) as bar:
        people, report = extract_poses(
            make_detector(options),
            frames,
            total,
            on_frame=bar,
            name=str(source),
            choice=options.person,
        )
    return people, [*info.notes, *report], info.fps / stride


def write_preview(
    path: Path, picture: Tensor, field: MotionField, mask: Tensor | None, fps: float | Fraction
) -> list[str]:
    """The moving person as a video; returns what the writer changed."""
    with Bar(path.name, len(field) - 1) as bar:
        frames = preview_frames(picture, field, range(1, len(field)), mask, bar)
        notes = write_video(path, (f.picture.permute(1, 2, 0).numpy() for f in frames), fps)
    return list(notes)
