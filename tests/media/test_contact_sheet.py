from __future__ import annotations

import numpy as np

from dispose_core.media.contact_sheet import CELL_WIDTH, GAP, LABEL, REFERENCE_WIDTH, contact_sheet


def test_every_image_has_its_place():
    """Rows below one another, moments side by side, each cell in its own colour."""
    red, green, blue = (np.full((20, 10, 3), 80 * np.eye(3)[c], np.uint8) for c in range(3))
    wide = np.full((10, 20, 3), 33, np.uint8)
    sheet = contact_sheet(red[:5], {"driver": [green, blue], "motion": [wide, wide]}, [0, 7])

    column, tall, low = CELL_WIDTH + GAP, 2 * CELL_WIDTH, CELL_WIDTH // 2
    assert sheet.shape == (2 * LABEL + tall + low, REFERENCE_WIDTH + GAP + 2 * column, 3)
    left = REFERENCE_WIDTH + GAP
    assert sheet[LABEL + 5, GAP + 5].tolist() == [80, 0, 0]
    assert sheet[LABEL + 5, left + GAP + 5].tolist() == [0, 80, 0]
    assert sheet[LABEL + 5, left + column + GAP + 5].tolist() == [0, 0, 80]
    assert sheet[2 * LABEL + tall + 5, left + GAP + 5].tolist() == [33, 33, 33]


def test_columns_are_named():
    image = np.zeros((20, 10, 3), np.uint8)
    sheet = contact_sheet(image, {"driver": [image]}, [3])
    assert sheet[:LABEL].min() < 100  # ink above the images
