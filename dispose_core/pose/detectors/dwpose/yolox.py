"""YOLOX, the person detector: the image it sees, and its output as boxes.

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
_BOX = 5  # x, y, width, height and objectness come before the scores of the classes
_PERSON = 0  # among the 80 classes of COCO
_PADDING = 114
_LEAST_SCORE, _OVERLAP = 0.3, 0.45


class PersonDetector:
    """Finds the people of an image as boxes."""

    def __init__(self, network: Network) -> None:
        """
        Raises:
            CheckpointError: the network is another.
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
        """Boxes of the people in each (H, W, 3) uint8 RGB image.

        Returns:
            For each image (n, 4) left, top, right, bottom in pixels, by falling score.

        Raises:
            NetworkError: the network cannot be run or gives what no YOLOX gives.
        """
        shown, shrunk = zip(*(letterbox(p, self.network.size) for p in images), strict=True)
        outputs = self.network.run(np.stack(shown))
        if not self._fits([output.shape for output in outputs]):
            raise NetworkError(
                f"{self.network.name}: gave {listed(output.shape for output in outputs)}, needed "
                f"(N, {self._boxes}, 85). Use the file as it is published."
            )
        decoded = _decode(outputs[0], self.network.size)
        return [_people(rows, scale) for rows, scale in zip(decoded, shrunk, strict=True)]


def letterbox(image: np.ndarray, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, float]:
    """The image scaled into the top left of a grey one, and by how much.

    Args:
        image: (H, W, 3) uint8.
        size: (h, w) of the result.

    Returns:
        (3, h, w) float32, 0…255; what a pixel of the image is long in it.
    """
    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    # A strip so thin that nothing would be left of it keeps one pixel.
    inner = max(int(width * scale), 1), max(int(height * scale), 1)
    padded = np.full((*size, 3), _PADDING, np.uint8)
    padded[: inner[1], : inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    return padded.transpose(2, 0, 1).astype(np.float32), scale


def suppress(boxes: np.ndarray, overlap: float = _OVERLAP) -> list[int]:
    """Which boxes remain when each takes away the later ones that it covers.

    Args:
        boxes: (n, 4) left, top, right, bottom in pixels, the best first.
        overlap: intersection over union from which two are one, sides counted as +1.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    areas = sides.prod(1)
    left, kept = np.arange(len(boxes)), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        lower = np.maximum(boxes[best, :2], boxes[left, :2])
        upper = np.minimum(boxes[best, 2:], boxes[left, 2:])
        common = np.maximum(upper - lower + 1, 0).prod(1)
        left = left[common <= overlap * (areas[best] + areas[left] - common)]
    return kept


def _decode(output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Centres and sides in pixels instead of relative to the cells; (N, n, 5 + classes)."""
    cells = [np.indices(grid)[::-1].reshape(2, -1).T for grid in _grids(size)]
    strides = np.repeat(_STRIDES, [len(part) for part in cells])[:, None]
    decoded = output.copy()
    decoded[..., :2] = (output[..., :2] + np.concatenate(cells)) * strides
    with np.errstate(over="ignore"):
        decoded[..., 2:4] = np.exp(output[..., 2:4]) * strides
    return decoded


def _people(rows: np.ndarray, scale: float) -> np.ndarray:
    """Boxes (n, 4) in pixels of the image.

    The official code suppresses among scores above 0.1 and then keeps those above 0.3; as a box
    is only taken away by a better one, keeping first comes to the same.
    """
    scores = rows[:, 4] * rows[:, _BOX + _PERSON]
    rows, scores = rows[scores > _LEAST_SCORE], scores[scores > _LEAST_SCORE]
    boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
    boxes = (boxes / scale).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(boxes[order]).all(1)]
    return boxes[order][suppress(boxes[order])]


def _grids(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows and columns of cells at each stride."""
    return [(size[0] // stride, size[1] // stride) for stride in _STRIDES]
