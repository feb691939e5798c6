"""Preprocessing shared by all commands: resized reference, poses, alignment, motion field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

from ..errors import PoseError
from ..media.image import read_image, to_pixels
from ..media.prepare import frame_stride
from ..media.resize import describe_fit, resize_crop
from ..media.video_read import VideoInfo, count_frames, probe, read_frames
from ..motion.densifiers.base import Densifier
from ..motion.densify import motion_field
from ..motion.motion_field import MotionField
from ..pose.alignment.align import AlignOptions, align_poses
from ..pose.canvas import same_shape
from ..pose.detect import detect_reference, extract_poses
from ..pose.detectors.base import PoseDetector
from ..pose.fit import fit_poses, fit_to_reference
from ..pose.pose_files import CanvasSize, load_poses
from ..pose.sequence import PoseSequence, join_sequences
from ..pose.tracking.person_selection import PersonChoice, choose_person, first_person
from ..progress import Progress, no_progress
from .config import THRESHOLD

MakeDetector = Callable[[], PoseDetector]  # called only if detection is needed


@dataclass(frozen=True)
class VideoRange:
    """Frames of a video to use; see `RunConfig` for the values."""

    stride: int = 2
    start: float = 0.0
    duration: float | None = None
    max_frames: int | None = None

    def stride_of(self, info: VideoInfo) -> int:
        """Stride in frames of the video."""
        return frame_stride(info.fps, self.stride)

    def count(self, info: VideoInfo) -> int:
        """Number of frames used, according to the file's metadata."""
        available = -(-count_frames(info, self.start, self.duration) // self.stride_of(info))
        return min(available, self.max_frames or available)

    def fps(self, info: VideoInfo) -> Fraction:
        return info.fps / self.stride_of(info)

    def read(self, source: Path, info: VideoInfo) -> Iterator[np.ndarray]:
        """Read the frames, (H, W, 3) uint8 RGB."""
        return read_frames(source, self.stride_of(info), self.start, self.duration, self.max_frames)


@dataclass(frozen=True, eq=False)
class FittedReference:
    """The resized reference image and the people in it, the one to animate first."""

    image: Tensor  # (3, H, W) 0…1
    people: list[PoseSequence]
    report: list[str]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return int(self.image.shape[-2]), int(self.image.shape[-1])


@dataclass(frozen=True, eq=False)
class AlignedPoses:
    """Aligned poses for the motion field and for the skeleton images."""

    poses: PoseSequence  # F+1 poses of the person, frame 0 the reference
    driving: list[PoseSequence]  # aligned, the chosen person first
    report: list[str]


def fit_reference(
    source: Tensor,
    size: tuple[int, int],
    detector: MakeDetector,
    pose_file: Path | None = None,
    threshold: float = THRESHOLD,
    official: bool = False,
) -> FittedReference:
    """Resize the reference and load or detect its pose.

    Args:
        source: (3, H, W) 0…1, at its original size.
        detector: creates the detector; called only without `pose_file`.
        pose_file: poses of the reference image, before or after it is resized.
        threshold: least score of detected points.
        official: resize as the official code does.

    Raises:
        PoseError: nobody in the image, the file does not have exactly one pose, or it was made from
            an image of another shape.
    """
    source_size = (int(source.shape[-2]), int(source.shape[-1]))
    image = resize_crop(source, size, official)
    report = [describe_fit(source_size, size)]
    if pose_file is None:
        people = detect_reference(detector(), to_pixels(image), threshold=threshold)
        return FittedReference(image, people, report)
    people, lines = load_poses(pose_file, CanvasSize(*source_size))
    report += lines
    if len(people[0]) != 1:
        raise PoseError(
            f"{pose_file}: {len(people[0])} poses, needed 1, that of the reference image."
        )
    canvas = people[0].canvas
    if same_shape(canvas, size) and not same_shape(canvas, source_size):
        report.append(f"{pose_file.name}: poses of the resized image")
        return FittedReference(image, [replace(p, canvas=size) for p in people], report)
    people, cropped = fit_to_reference(people, source_size)
    return FittedReference(image, fit_poses(people, source_size, size), report + cropped)


def load_driving_poses(
    file: Path,
    choice: PersonChoice,
    frames: int | None = None,
    canvas: CanvasSize | None = None,
) -> tuple[list[PoseSequence], list[str]]:
    """Load driving poses from a file, the chosen person first, with a report.

    Args:
        frames: number of frames of the driving video, if there is one.
        canvas: see `pose_files.load_poses`.

    Raises:
        PoseError: the number of poses differs from the number of frames, or see `choose_person`.
    """
    people, report = load_poses(file, canvas)
    # The length in a video's metadata may be off by one frame.
    if frames is not None and abs(len(people[0]) - frames) > 1:
        raise PoseError(
            f"{file}: {len(people[0])} poses, the driving video gives {frames} frames. Make them "
            "with `pose` and the same --stride, --start, --duration and --max-frames."
        )
    chosen, lines = choose_person(people, choice, str(file))
    return chosen, report + lines


def detect_driving_poses(
    source: Path,
    frames: VideoRange,
    detector: MakeDetector,
    choice: PersonChoice,
    threshold: float = THRESHOLD,
    on_frame: Progress = no_progress,
) -> tuple[list[PoseSequence], list[str]]:
    """Detect the people of a driving video, the chosen one first, with a report.

    Raises:
        DisPoseError: the video cannot be read, or shows nobody.
    """
    info = probe(source)
    total = frames.count(info)
    people, report = extract_poses(
        detector(),
        frames.read(source, info),
        total,
        threshold=threshold,
        on_frame=on_frame,
        name=str(source),
        choice=choice,
    )
    return people, [*info.notes, *report]


def align_to_reference(
    reference: FittedReference,
    driving: Sequence[PoseSequence],
    options: AlignOptions,
    official: bool = False,
) -> AlignedPoses:
    """Align the driving poses to the reference and join both to one sequence."""
    aligned, notes = align_poses(reference.people, driving, reference.size, options, official)
    person, others = first_person(reference.people, "reference image")
    return AlignedPoses(join_sequences(person, aligned[0]), aligned, [*notes, *others])


def build_motion_field(
    reference: FittedReference,
    aligned_poses: AlignedPoses,
    densifier: Densifier,
    official: bool = False,
    on_frame: Progress = no_progress,
) -> MotionField:
    """Motion field of aligned poses over the reference image; see `motion_field`."""
    return motion_field(
        reference.image, aligned_poses.poses, densifier, official=official, on_frame=on_frame
    )


def fitted_mask(path: Path | None, size: tuple[int, int]) -> Tensor | None:
    """Load a mask, white on the person, and resize it like the reference; (H, W) 0…1."""
    return None if path is None else resize_crop(read_image(path), size).mean(0)
