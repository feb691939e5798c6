"""Contact sheet: the stages of a run as rows, selected frames as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

CELL_WIDTH = 230
REFERENCE_WIDTH = 420
GAP = 8
LABEL = 28
INK, PAPER = (40, 40, 40), 250


def contact_sheet(
    reference: np.ndarray, rows: Mapping[str, Sequence[np.ndarray]], moments: Sequence[int]
) -> np.ndarray:
    """One row per stage, one column per frame, the reference image large on the left.

    Args:
        reference: (H, W, 3) uint8.
        rows: name -> images (h, w, 3) uint8, one per frame, of one size within a row.
        moments: frame indices that label the columns.

    Returns:
        (h, w, 3) uint8.
    """
    still = _add_label(_fit_width(reference, REFERENCE_WIDTH), "reference")
    table = np.concatenate([_row(name, images, moments) for name, images in rows.items()])
    height = max(len(still), len(table))
    return np.concatenate([_pad_height(still, height), _pad_height(table, height)], 1)


def _row(name: str, images: Sequence[np.ndarray], moments: Sequence[int]) -> np.ndarray:
    cells = zip(images, moments, strict=True)
    return np.concatenate(
        [
            _add_label(_fit_width(image, CELL_WIDTH), f"{name}, frame {moment}")
            for image, moment in cells
        ],
        1,
    )


def _add_label(image: np.ndarray, text: str) -> np.ndarray:
    cell = np.pad(image, ((LABEL, 0), (GAP, 0), (0, 0)), constant_values=PAPER)
    position = (GAP, LABEL - 9)
    return cv2.putText(cell, text, position, cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)


def _fit_width(image: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _pad_height(part: np.ndarray, height: int) -> np.ndarray:
    return np.pad(part, ((0, height - len(part)), (0, 0), (0, 0)), constant_values=PAPER)
