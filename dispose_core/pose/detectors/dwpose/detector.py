"""DWPose: everybody's body, hands and face, by two networks from files.

See docs/reference_behaviour.md#pose-detector.

YOLOX finds the people, the pose network the points of each. Frames stream through both in the
batches that these take, so memory does not grow with the clip.
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

# Under these names the files are published, https://huggingface.co/yzd-v/DWPose (ONNX).

T = TypeVar("T")
Crop = tuple[int, np.ndarray, np.ndarray]  # number of the frame, box, what the network sees


class DWPoseDetector:
    """Finds everybody in each frame; see `PoseDetector`.

    People come by falling score of their boxes, frame by frame: who is who from one frame to the
    next is `tracking`'s to tell. Where YOLOX finds nobody, the pose network is shown the whole
    image, as in the official code; its scores then are low.
    """

    name = "dwpose"

    def __init__(self, person_file: str | Path, pose_file: str | Path, device: str = "cpu") -> None:
        """
        Args:
            person_file: YOLOX, .onnx or TorchScript.
            pose_file: DWPose's network, likewise.
            device: as torch names it, such as "cuda:0".

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
                numbers, boxes, shown = zip(*batch, strict=True)
                for number, person in zip(numbers, self._people(shown, boxes), strict=True):
                    if number == len(found):  # the first of a frame: the one before is done
                        if found:
                            on_frame(len(found), total or len(found))
                        found.append([])
                    found[number].append(person)
        on_frame(len(found), total or len(found))
        height, width = first.shape[:2]
        return people_in_slots(found, (height, width))

    def _crops(self, frames: Iterable[np.ndarray]) -> Iterator[Crop]:
        """Everybody of every frame."""
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
        """Our 128 points, in pixels, and scores of each crop."""
        points, scores = simcc.to_skeleton(*self.poses.find(crops, np.stack(boxes)))
        # A SimCC maximum is no probability and can exceed 1, which a score does not.
        return zip(points, scores.clip(0, 1), strict=True)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch
