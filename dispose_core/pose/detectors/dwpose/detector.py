"""DWPose detector: body, hands and face of several people, by two networks from files.

See docs/reference_behaviour.md#pose-detector. YOLOX detects the people, the pose network estimates
their keypoints. Frames are streamed in batches, so memory does not grow with the video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from ....progress import Progress, no_progress
from ...sequence import PoseSequence
from ..base import checked_frames
from ..slots import Found, people_in_slots
from . import simcc, yolox
from .runtime import open_network

T = TypeVar("T")
Crop = tuple[int, np.ndarray, np.ndarray]  # frame index, box, network input


class DWPoseDetector:
    """Detects several people in each frame independently; see `PoseDetector`.

    People are ordered by falling box score in each frame; `tracking` matches them across frames. If
    YOLOX finds nobody, the pose network runs on the whole image, as in the official code; its
    scores are then low.
    """

    name = "dwpose"

    def __init__(self, person_file: str | Path, pose_file: str | Path, device: str = "cpu") -> None:
        """
        Args:
            person_file: YOLOX person detector, .onnx or TorchScript.
            pose_file: DWPose network, likewise.
            device: torch device name, such as "cuda:0".

        Raises:
            CheckpointError: a file is missing, damaged, or not that network.
        """
        self.people = yolox.PersonDetector(open_network(person_file, device, yolox.SIZE))
        self.poses = simcc.PoseNetwork(open_network(pose_file, device, simcc.SIZE))

    def detect(
        self,
        frames: Iterable[np.ndarray],
        total: int | None = None,
        on_frame: Progress = no_progress,
    ) -> list[PoseSequence]:
        images = checked_frames(frames)
        first = next(images)
        found: list[list[Found]] = []
        with ExitStack() as stack:
            stack.enter_context(self.people.network.ready())
            stack.enter_context(self.poses.network.ready())
            crops = self._crops(chain([first], images))
            for batch in _batches(crops, self.poses.network.batch):
                numbers, boxes, inputs = zip(*batch, strict=True)
                for number, person in zip(numbers, self._people(inputs, boxes), strict=True):
                    if number == len(found):  # first crop of a frame: the previous frame is done
                        if found:
                            on_frame(len(found), total or len(found))
                        found.append([])
                    found[number].append(person)
        on_frame(len(found), total or len(found))
        height, width = first.shape[:2]
        return people_in_slots(found, (height, width))

    def _crops(self, frames: Iterable[np.ndarray]) -> Iterator[Crop]:
        """Yield a crop for every person of every frame."""
        number = 0
        for images in _batches(frames, self.people.network.batch):
            for image, boxes in zip(images, self.people.find(images), strict=True):
                height, width = image.shape[:2]
                for box in boxes if len(boxes) else np.array([[0.0, 0.0, width, height]]):
                    yield number, box, simcc.crop_person(image, box, self.poses.network.size)
                number += 1

    def _people(
        self, crops: tuple[np.ndarray, ...], boxes: tuple[np.ndarray, ...]
    ) -> Iterator[Found]:
        """Points (134, 2) in pixels and scores (134,) of each crop."""
        points, scores = simcc.to_skeleton(*self.poses.find(crops, np.stack(boxes)))
        # A SimCC maximum is not a probability and can exceed 1.
        return zip(points, scores.clip(0, 1), strict=True)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch
