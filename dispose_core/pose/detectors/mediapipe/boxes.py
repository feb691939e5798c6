"""Decode the outputs of MediaPipe's two detection networks (people, faces)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MAX_LOGIT = 100.0
_MIN_SCORE = 0.5
_MAX_OVERLAP = 0.3  # intersection over union of two boxes of different people


@dataclass(frozen=True)
class Detection:
    """A detected person or face.

    Attributes:
        score: confidence, 0…1.
        keypoints: (K, 2) x, y as fractions of the network's input.
    """

    score: float
    keypoints: np.ndarray


def anchors(side: int, strides: tuple[int, ...]) -> np.ndarray:
    """Return the (N, 2) centers of the anchors as fractions of the input.

    Args:
        side: of the input image, in pixels.
        strides: of the layers; each has two anchors a cell. Layers of equal stride share a grid.
    """
    grids = []
    for stride in sorted(set(strides)):
        cells = -(-side // stride)
        y, x = np.mgrid[:cells, :cells]
        grid = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells
        grids.append(grid.repeat(2 * strides.count(stride), axis=0))
    return np.concatenate(grids)


def decode(raw: np.ndarray, logits: np.ndarray, centers: np.ndarray, side: int) -> list[Detection]:
    """Decode a network's outputs, the best detection first.

    Overlapping candidates are averaged, weighted by their scores.

    Args:
        raw: (N, 4 + 2 K) box (x, y, width, height) and keypoints, in pixels relative to the anchor.
        logits: (N, 1) of the scores.
        centers: (N, 2) of the anchors.
        side: of the input image, in pixels.
    """
    scores = 1 / (1 + np.exp(-logits[:, 0].clip(-_MAX_LOGIT, _MAX_LOGIT).astype(np.float64)))
    kept = np.flatnonzero(scores >= _MIN_SCORE)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    scores = scores[kept]
    values = raw.reshape(len(raw), -1, 2)[kept].astype(np.float64) / side
    center, extent = values[:, 0] + centers[kept], values[:, 1]
    corners = np.concatenate([center - extent / 2, center + extent / 2], axis=-1)
    keypoints = values[:, 2:] + centers[kept][:, None]

    found = []
    left = np.arange(len(kept))
    while len(left):
        same = _overlap(corners[left[0]], corners[left]) > _MAX_OVERLAP
        same[0] = True
        group = left[same]
        weights = scores[group] / scores[group].sum()
        found.append(Detection(scores[left[0]], np.tensordot(weights, keypoints[group], 1)))
        left = left[~same]
    return found


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a (4,) box (left, top, right, bottom) and (N, 4) others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = (high - low).clip(0).prod(-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(-1) for each in (box, others)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-12)
