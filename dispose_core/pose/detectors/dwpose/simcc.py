"""DWPose's pose network (SimCC): input crops, and decoding of its output to keypoints.

See docs/reference_behaviour.md#pose-network–2.3. The network outputs 133 keypoints in
COCO-WholeBody order, each as one distribution over the columns and one over the rows of the crop,
with two bins per pixel.
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

_BINS = 2  # per pixel
_MARGIN = 1.25  # enlargement of the box
_MEAN = np.array([123.675, 116.28, 103.53])
_SPREAD = np.array([58.395, 57.12, 57.375])

_SHOULDERS = [5, 6]
# COCO-WholeBody index of each of the 134 points. The neck, which it has not, is computed from the
# shoulders afterwards. The face is iBUG's 68 points; the feet are in OpenPose's order.
_NECK = 1
_BODY = [0, 5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
_SOURCE = np.array([*_BODY, *range(91, 112), *range(112, 133), *range(23, 91), *range(17, 23)])


class PoseNetwork:
    """Estimates the keypoints of people with known boxes."""

    def __init__(self, network: Network) -> None:
        """
        Raises:
            CheckpointError: the outputs are not those of a pose network.
        """
        self.network = network
        height, width = network.size
        self._expected = [(N_WHOLEBODY, _BINS * width), (N_WHOLEBODY, _BINS * height)]
        if not self._fits(network.outputs):
            raise CheckpointError(
                f"{network.name}: gives {listed(network.outputs)}, a pose network of "
                f"{width}×{height} gives {self._needed}. As pose network choose "
                "dw-ll_ucoco_384, as person detector yolox_l."
            )

    @property
    def _needed(self) -> str:
        return " and ".join(f"(N, {rows}, {bins})" for rows, bins in self._expected)

    def _fits(self, shapes: Sequence[Shape]) -> bool:
        return len(shapes) == 2 and all(
            len(shape) == 3
            and all(
                actual in (None, side) for actual, side in zip(shape[1:], expected, strict=True)
            )
            for shape, expected in zip(shapes, self._expected, strict=True)
        )

    def find(self, crops: Sequence[np.ndarray], boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the 133 keypoints of each person.

        Args:
            crops: from `crop_person`.
            boxes: (n, 4) boxes of the crops.

        Returns:
            Points (n, 133, 2) in pixels of the image and raw scores (n, 133), which may be negative
            or above 1.

        Raises:
            NetworkError: the network cannot be run or its output has the wrong shape.
        """
        outputs = self.network.run(np.stack(crops))
        if not self._fits([output.shape for output in outputs]):
            raise NetworkError(
                f"{self.network.name}: gave {listed(output.shape for output in outputs)}, needed "
                f"{self._needed}. Use the file as it is published."
            )
        positions, scores = decode_simcc(*outputs)
        size = self.network.size
        scales = np.stack([_crop_sides(box, size) for box in boxes])
        corners = (boxes[:, :2] + boxes[:, 2:]) * 0.5 - scales / 2
        fractions = positions / (size[1], size[0])
        return fractions * scales[:, None] + corners[:, None], scores


def crop_person(image: np.ndarray, box: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Crop a box, enlarged to the network's aspect ratio, and normalise it.

    Args:
        image: (H, W, 3) uint8 RGB.
        box: (4,) left, top, right, bottom in pixels; may extend beyond the image.
        size: (h, w) of the result.

    Returns:
        (3, h, w) float32; black outside the image.
    """
    height, width = size
    centre = (box[:2] + box[2:]) * 0.5
    half = 0.5 * _crop_sides(box, size)[0]
    # Three point correspondences. They are float32 as in the official code, because the last bits
    # of the warp decide how it rounds.
    source = np.array([centre, centre - (0, half), (0, 0)], np.float32)
    source[2] = source[1] - ((source[0] - source[1])[1], 0)
    top = (height - width) / 2
    target = np.array([(width / 2, height / 2), (width / 2, top), (0, top)], np.float32)
    warp = cv2.getAffineTransform(source, target)
    crop = cv2.warpAffine(image, warp, (width, height), flags=cv2.INTER_LINEAR)
    return ((crop - _MEAN) / _SPREAD).transpose(2, 0, 1).astype(np.float32)


def decode_simcc(columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decode the distributions to the most likely position of every keypoint.

    Args:
        columns: (n, 133, 2·W) likelihood of each half pixel along the width.
        rows: (n, 133, 2·H) likewise along the height.

    Returns:
        Positions (n, 133, 2) in crop pixels, -0.5 where the score is not positive, and scores
        (n, 133), the smaller of the two maxima.
    """
    scores = np.minimum(columns.max(-1), rows.max(-1))
    positions = np.stack([columns.argmax(-1), rows.argmax(-1)], -1) / _BINS
    positions[scores <= 0] = -1 / _BINS
    return positions, scores


def to_skeleton(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert 133 keypoints (n, 133, 2) and scores to the 134 points of `skeleton.py`.

    The neck is the midpoint of the shoulders, with score 1 if both are visible and 0 otherwise.
    """
    converted, converted_scores = points[:, _SOURCE], scores[:, _SOURCE].astype(np.float64)
    converted[:, _NECK] = points[:, _SHOULDERS].mean(1)
    converted_scores[:, _NECK] = (scores[:, _SHOULDERS] > skeleton.VISIBLE).all(1)
    return converted, converted_scores


def _crop_sides(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(width, height) in pixels of the crop around a box."""
    width, height = (box[2:] - box[:2]) * _MARGIN
    aspect = size[1] / size[0]
    if width > height * aspect:
        return np.array([width, width / aspect])
    return np.array([height * aspect, height])
