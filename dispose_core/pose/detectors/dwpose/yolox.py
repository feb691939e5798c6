"""YOLOX person detector: letterboxed input, and decoding of its output to boxes.

See docs/reference_behaviour.md#person-detector.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ....checkpoints.onnx_header import Shape
from ....errors import CheckpointError, NetworkError
from .runtime import Network, listed

SIZE = (640, 640)  # of the published file

_STRIDES = (8, 16, 32)
_BOX = 5  # x, y, width, height and objectness precede the class scores
_PERSON = 0  # COCO class index
_PADDING = 114
_LEAST_SCORE, _OVERLAP = 0.3, 0.45


class PersonDetector:
    """Detects people as bounding boxes."""

    def __init__(self, network: Network) -> None:
        """
        Raises:
            CheckpointError: the output is not that of a YOLOX network.
        """
        self.network = network
        self._boxes = sum(rows * columns for rows, columns in _grids(network.size))
        if not self._fits(network.outputs):
            raise CheckpointError(
                f"{network.name}: gives {listed(network.outputs)}, a YOLOX of this size gives "
                f"(N, {self._boxes}, 85). As person detector choose yolox_l, as pose network "
                "dw-ll_ucoco_384."
            )

    def _fits(self, shapes: Sequence[Shape]) -> bool:
        if len(shapes) != 1 or len(shapes[0]) != 3:
            return False
        _, boxes, columns = shapes[0]
        return boxes in (None, self._boxes) and (columns is None or columns > _BOX)

    def find(self, images: list[np.ndarray]) -> list[np.ndarray]:
        """Detect people in (H, W, 3) uint8 RGB images.

        Returns:
            For each image (n, 4) left, top, right, bottom in pixels, by falling score.

        Raises:
            NetworkError: the network cannot be run or its output has the wrong shape.
        """
        inputs, scales = zip(
            *(letterbox(image, self.network.size) for image in images), strict=True
        )
        outputs = self.network.run(np.stack(inputs))
        if not self._fits([output.shape for output in outputs]):
            raise NetworkError(
                f"{self.network.name}: gave {listed(output.shape for output in outputs)}, needed "
                f"(N, {self._boxes}, 85). Use the file as it is published."
            )
        decoded = _decode(outputs[0], self.network.size)
        return [_people(rows, scale) for rows, scale in zip(decoded, scales, strict=True)]


def letterbox(image: np.ndarray, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, float]:
    """Letterbox an image into the top left corner of a grey one.

    Args:
        image: (H, W, 3) uint8.
        size: (h, w) of the result.

    Returns:
        (3, h, w) float32 in 0…255, and the scale factor from image to result.
    """
    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    # Keep at least one pixel of a very thin strip.
    inner = max(int(width * scale), 1), max(int(height * scale), 1)
    padded = np.full((*size, 3), _PADDING, np.uint8)
    padded[: inner[1], : inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    return padded.transpose(2, 0, 1).astype(np.float32), scale


def suppress(boxes: np.ndarray, overlap: float = _OVERLAP) -> list[int]:
    """Non-maximum suppression; returns the indices of the remaining boxes.

    Args:
        boxes: (n, 4) left, top, right, bottom in pixels, by falling score.
        overlap: intersection over union above which the later box is dropped; sides count as +1,
            as in the official code.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    areas = sides.prod(1)
    remaining, selected = np.arange(len(boxes)), []
    while len(remaining):
        best, remaining = remaining[0], remaining[1:]
        selected.append(int(best))
        lower = np.maximum(boxes[best, :2], boxes[remaining, :2])
        upper = np.minimum(boxes[best, 2:], boxes[remaining, 2:])
        common = np.maximum(upper - lower + 1, 0).prod(1)
        remaining = remaining[common <= overlap * (areas[best] + areas[remaining] - common)]
    return selected


def _decode(output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Convert cell-relative outputs to centres and sides in pixels; (N, n, 5 + classes)."""
    cells = [np.indices(grid)[::-1].reshape(2, -1).T for grid in _grids(size)]
    strides = np.repeat(_STRIDES, [len(part) for part in cells])[:, None]
    decoded = output.copy()
    decoded[..., :2] = (output[..., :2] + np.concatenate(cells)) * strides
    with np.errstate(over="ignore"):
        decoded[..., 2:4] = np.exp(output[..., 2:4]) * strides
    return decoded


def _people(rows: np.ndarray, scale: float) -> np.ndarray:
    """Boxes (n, 4) in pixels of the image.

    The official code applies non-maximum suppression above score 0.1 and then keeps those above
    0.3. Thresholding first is equivalent, as only a box with a higher score can suppress another.
    """
    scores = rows[:, 4] * rows[:, _BOX + _PERSON]
    rows, scores = rows[scores > _LEAST_SCORE], scores[scores > _LEAST_SCORE]
    boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
    boxes = (boxes / scale).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(boxes[order]).all(1)]
    return boxes[order][suppress(boxes[order])]


def _grids(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Number of rows and columns of cells at each stride."""
    return [(size[0] // stride, size[1] // stride) for stride in _STRIDES]
