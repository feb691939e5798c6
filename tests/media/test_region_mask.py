from __future__ import annotations

import numpy as np

from dispose_core.media.region_mask import region_mask


def test_a_region_grows_by_whole_pixels_on_every_side():
    mask = np.zeros((20, 30), np.float32)
    mask[8:10, 12:15] = 0.5
    mask[2, 2] = 0.49
    region = region_mask(mask, grow=3)
    expected = np.zeros((20, 30))
    expected[5:13, 9:18] = 1
    assert np.array_equal(region, expected) and region.dtype == np.float32


def test_blocks_that_are_touched_are_filled_also_at_the_border():
    mask = np.zeros((20, 30), np.float32)
    mask[7, 8] = mask[19, 29] = 1
    region = region_mask(mask, block=8)
    expected = np.zeros((20, 30))
    expected[0:8, 8:16] = expected[16:20, 24:30] = 1
    assert np.array_equal(region, expected)


def test_no_mask_stays_empty():
    assert not region_mask(np.zeros((9, 9)), 4, 4).any()
