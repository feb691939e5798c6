"""Masks of a region to be painted anew: thresholded, grown, rounded up to blocks.

The outline of a person says who was there; a region that is larger and coarser keeps it from
telling the new person's outline.
"""

from __future__ import annotations

import cv2
import numpy as np


def region_mask(mask: np.ndarray, grow: int = 0, block: int = 0) -> np.ndarray:
    """Region of a mask.

    Args:
        mask: (H, W) 0…1; what is at least 0.5 belongs to it.
        grow: pixels to add on every side, corners included.
        block: side of the squares from the top left corner that are filled as a whole where the
            region touches them; 0 and 1 change nothing.

    Returns:
        (H, W) float32, 0 or 1.
    """
    region: np.ndarray = (mask >= 0.5).astype(np.uint8)
    if grow > 0:
        region = cv2.dilate(region, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8))
    if block > 1:
        height, width = region.shape
        rows, columns = -(-height // block), -(-width // block)
        padded = np.pad(region, ((0, rows * block - height), (0, columns * block - width)))
        touched = padded.reshape(rows, block, columns, block).any((1, 3))
        region = touched.repeat(block, 0).repeat(block, 1)[:height, :width]
    return region.astype(np.float32)
