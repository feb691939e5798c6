"""DWPose's pose network: the crop it sees, its output as the points of a person.

See docs/reference_behaviour.md#pose-network–2.3.

It finds 133 points in COCO-WholeBody order, each as a distribution over the crop's columns and
one over its rows, two bins a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ....checkpoints.onnx_header import Shape
from ....errors import CheckpointError, NetworkError
from ... import skeleton
from .runtime import Network, listed

SIZE = (384, 288)  # (H, W) of the published file
N_WHOLEBODY = 133

_BINS = 2  # a pixel
_MARGIN = 1.25  # around the box
_MEAN = np.array([123.675, 116.28, 103.53])
_SPREAD = np.array([58.395, 57.12, 57.375])

_SHOULDERS = [5, 6]
# For each of our 128 points the one of the 133; the neck, between the shoulders, keeps the place
# of one of them. The face's are iBUG's 68, the feet are left out.
_NECK = 1
_BODY = [0, 5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
_SOURCE = np.array([*_BODY, *range(91, 112), *range(112, 133), *range(23, 91)])


class PoseNetwork:
    """Finds the points of people whose boxes are known."""

    def __init__(self, network: Network) -> None:
        """
        Raises:
            CheckpointError: the network is another.
        """
        self.network = network
        height, width = network.size
        self._wanted = [(N_WHOLEBODY, _BINS * width), (N_WHOLEBODY, _BINS * height)]
        if not self._fits(network.outputs):
            raise CheckpointError(
                f"{network.name}: gives {listed(network.outputs)}, a pose network of "
                f"{width}×{height} gives {self._needed}. As pose network choose "
                "dw-ll_ucoco_384, as person detector yolox_l."
            )

    @property
    def _needed(self) -> str:
        return " and ".join(f"(N, {rows}, {bins})" for rows, bins in self._wanted)

    def _fits(self, shapes: Sequence[Shape]) -> bool:
        return len(shapes) == 2 and all(
            len(shape) == 3
            and all(found in (None, side) for found, side in zip(shape[1:], wanted, strict=True))
            for shape, wanted in zip(shapes, self._wanted, strict=True)
        )

    def find(self, crops: Sequence[np.ndarray], boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The 133 points of each person.

        Args:
            crops: from `crop_person`.
            boxes: (n, 4), of which they are crops.

        Returns:
            Points (n, 133, 2) in pixels of the image and scores (n, 133), as the network gives
            them: they may be negative or above 1.

        Raises:
            NetworkError: the network cannot be run or gives what no pose network gives.
        """
        outputs = self.network.run(np.stack(crops))
        if not self._fits([output.shape for output in outputs]):
            raise NetworkError(
                f"{self.network.name}: gave {listed(output.shape for output in outputs)}, needed "
                f"{self._needed}. Use the file as it is published."
            )
        places, scores = decode_simcc(*outputs)
        size = self.network.size
        scales = np.stack([_crop_sides(box, size) for box in boxes])
        corners = (boxes[:, :2] + boxes[:, 2:]) * 0.5 - scales / 2
        fractions = places / (size[1], size[0])
        return fractions * scales[:, None] + corners[:, None], scores


def crop_person(image: np.ndarray, box: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    """The image around a box, widened to the network's proportions and normalised.

    Args:
        image: (H, W, 3) uint8 RGB.
        box: (4,) left, top, right, bottom in pixels; may reach beyond the image.
        size: (h, w) of the result.

    Returns:
        (3, h, w) float32; black beyond the image.
    """
    height, width = size
    centre = (box[:2] + box[2:]) * 0.5
    half = 0.5 * _crop_sides(box, size)[0]
    # Three points of the image and where they go. All is float32, as in the official code: the
    # last bits of the warp's numbers decide how it rounds.
    here = np.array([centre, centre - (0, half), (0, 0)], np.float32)
    here[2] = here[1] - ((here[0] - here[1])[1], 0)
    top = (height - width) / 2
    there = np.array([(width / 2, height / 2), (width / 2, top), (0, top)], np.float32)
    warp = cv2.getAffineTransform(here, there)
    crop = cv2.warpAffine(image, warp, (width, height), flags=cv2.INTER_LINEAR)
    return ((crop - _MEAN) / _SPREAD).transpose(2, 0, 1).astype(np.float32)


def decode_simcc(columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest place of every point.

    Args:
        columns: (n, 133, 2·W) how likely each half pixel of the width is.
        rows: (n, 133, 2·H) of the height.

    Returns:
        Places (n, 133, 2) in pixels of the crop, -0.5 where the score is not positive, and
        scores (n, 133), the smaller of the two maxima.
    """
    scores = np.minimum(columns.max(-1), rows.max(-1))
    places = np.stack([columns.argmax(-1), rows.argmax(-1)], -1) / _BINS
    places[scores <= 0] = -1 / _BINS
    return places, scores


def to_skeleton(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From the 133 points (n, 133, 2) and scores to our 128 (`skeleton.py`).

    The neck lies between the shoulders and is found, with score 1, where both are.
    """
    ours, ours_scores = points[:, _SOURCE], scores[:, _SOURCE].astype(np.float64)
    ours[:, _NECK] = points[:, _SHOULDERS].mean(1)
    ours_scores[:, _NECK] = (scores[:, _SHOULDERS] > skeleton.VISIBLE).all(1)
    return ours, ours_scores


def _crop_sides(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(width, height) in pixels of what is cut out around a box."""
    width, height = (box[2:] - box[:2]) * _MARGIN
    aspect = size[1] / size[0]
    if width > height * aspect:
        return np.array([width, width / aspect])
    return np.array([height * aspect, height])
