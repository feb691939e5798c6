"""From files to `ClipInputs`: fitted reference, poses, motion, features, drawn skeletons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError, PoseError
from ..features.features_file import load_features
from ..features.keypoint_features import KeypointFeatures, keypoint_features
from ..media.image import read_picture
from ..media.resize import resize_crop
from ..media.video_read import read_frames
from ..motion.densify import motion_field
from ..pose.alignment.align import AlignOptions, align_poses
from ..pose.detect import detect_reference, extract_poses
from ..pose.detectors.base import PoseDetector
from ..pose.fit import fit_poses
from ..pose.openpose_json import load_openpose
from ..pose.render import render_poses
from ..pose.sequence import PoseSequence, make_clip
from ..pose.tracking.person_selection import choose_person, first_person
from .components import Networks
from .config import Settings
from .inputs import ClipInputs
from .pipeline import StageProgress
from .plan import ClipPlan


class SkeletonPictures:
    """Drawn skeletons of a clip, the reference's first; drawn when they are asked for.

    Attributes:
        shape: (F+1, 3, H, W)
    """

    def __init__(
        self,
        reference: Sequence[PoseSequence],
        driving: Sequence[PoseSequence],
        size: tuple[int, int],
    ) -> None:
        self._reference, self._driving, self._size = reference, driving, size
        self.shape = (1 + len(driving[0]), 3, *size)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, entries: slice) -> Tensor:
        """(n, 3, H, W) float32, 0…1."""
        pictures = torch.from_numpy(np.stack(list(self.drawn(range(len(self))[entries]))))
        return pictures.permute(0, 3, 1, 2) / 255

    def drawn(self, entries: range):
        """(H, W, 3) uint8 of each entry of a range without gaps."""
        if 0 in entries:
            yield from render_poses(self._reference, self._size)
        inner = slice(max(entries.start, 1) - 1, entries.stop - 1)
        if inner.stop > inner.start:
            yield from render_poses([person[inner] for person in self._driving], self._size)


@dataclass(frozen=True, eq=False)
class FittedReference:
    """The reference picture as all stages use it, and the people in it."""

    picture: Tensor  # (3, H, W) 0…1
    people: list[PoseSequence]


def read_clip(
    plan: ClipPlan, networks: Networks, stage_progress: StageProgress
) -> tuple[ClipInputs, list[str]]:
    """All inputs of a clip, and the report.

    Raises:
        DisPoseError: nobody in the picture or the video, poses that do not fit it, a file that
            cannot be read.
    """
    settings, size = plan.settings, plan.size
    official = settings.sampling.reference

    def detector() -> PoseDetector:
        return networks.detector(settings.detector, detector_folder(settings))

    reference = fit_reference(plan.picture, settings, size, detector)
    driving, lines = _driving_poses(plan, detector, stage_progress)
    how = AlignOptions(method=settings.method, smoothing=settings.smoothing)
    aligned, notes = align_poses(reference.people, driving, size, how, reference_mode=official)
    person, others = first_person(reference.people, "reference picture")
    clip = make_clip(person, aligned[0])

    motion, moved, features = None, [], None
    if settings.uses_control:
        subject = _mask(settings.mask, size)
        motion = motion_field(
            reference.picture,
            clip,
            networks.densifier(settings.uses_cmp, subject, official),
            reference=official,
            on_entry=stage_progress("motion field"),
        )
        moved = motion.report
        if settings.features is not None:
            features = load_features(settings.features)
        elif settings.makes_features:
            features = make_features(reference, size, networks, stage_progress)
    inputs = ClipInputs(
        picture=reference.picture,
        pose_pictures=SkeletonPictures(reference.people, aligned, size),
        motion=motion,
        poses=clip,
        features=features,
    )
    return inputs, [*lines, *notes, *others, *moved]


def fit_reference(
    source: Tensor,
    settings: Settings,
    size: tuple[int, int],
    detector: Callable[[], PoseDetector],
) -> FittedReference:
    """The reference at its final size, its poses from the file that is named or found."""
    picture = resize_crop(source, size, settings.sampling.reference)
    if settings.reference_pose is not None:
        people = load_openpose(settings.reference_pose)
        if len(people[0]) != 1:
            raise PoseError(
                f"{settings.reference_pose}: {len(people[0])} poses, needed 1, that of the "
                "reference picture."
            )
        return FittedReference(picture, fit_poses(people, tuple(source.shape[-2:]), size))
    pixels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
    return FittedReference(picture, detect_reference(detector(), pixels))


def make_features(
    reference: FittedReference,
    size: tuple[int, int],
    networks: Networks,
    stage_progress: StageProgress,
) -> KeypointFeatures:
    """Keypoint features of the reference's first person."""
    feature_map = networks.feature_map(reference.picture, stage_progress("features"))
    return keypoint_features(feature_map, reference.people[0], size)


def detector_folder(settings: Settings) -> Path | None:
    """Where the detector's files are; None for one that needs none.

    Raises:
        CheckpointError: it needs files and neither they nor a models folder are named.
    """
    if settings.detector == "mediapipe":
        return None
    if settings.detector_files is not None:
        return settings.detector_files
    if settings.models is not None:
        return settings.models / "detection"
    raise CheckpointError(
        f"detector {settings.detector} needs its networks: name the folder they are in with "
        "--detector-files, or ComfyUI's models folder with --models."
    )


def _driving_poses(
    plan: ClipPlan, detector: Callable[[], PoseDetector], stage_progress: StageProgress
) -> tuple[list[PoseSequence], list[str]]:
    settings = plan.settings
    if settings.poses is not None:
        people = load_openpose(settings.poses)
        # What the file of a video tells of its length may be one frame off.
        if abs(len(people[0]) - plan.frames) > 1:
            raise PoseError(
                f"{settings.poses}: {len(people[0])} poses, the driving video gives {plan.frames} "
                "frames. Make them with `pose` and the same --stride, --start, --duration and "
                "--max-frames."
            )
        return choose_person(people, settings.person, str(settings.poses))
    return extract_poses(
        detector(),
        read_frames(
            settings.driving, plan.stride, settings.start, settings.duration, settings.max_frames
        ),
        plan.frames,
        on_frame=stage_progress("detection"),
        name=str(settings.driving),
        choice=settings.person,
    )


def _mask(path: Path | None, size: tuple[int, int]) -> Tensor | None:
    return None if path is None else resize_crop(read_picture(path), size).mean(0)
