"""Sheets of frames for the browser: where each frame lies, and how large they may get."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dispose_core.media.sprite_sheet import every_nth, fit_longest, frame_strips


def opened(sheet: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(sheet)))


def test_frames_lie_in_reading_order_in_sheets_of_sixteen():
    frames = [np.full((20, 30, 3), 10 * i, np.uint8) for i in range(18)]

    strips = frame_strips(iter(frames))

    assert (strips.num_frames, strips.size, strips.step) == (18, (30, 20), (32, 32))
    assert [opened(sheet).shape for sheet in strips.sheets] == [(128, 128, 3), (32, 128, 3)]
    for i in (0, 1, 4, 15, 16, 17):
        row, column = divmod(i % 16, 4)
        place = opened(strips.sheets[i // 16])[32 * row : 32 * row + 20, 32 * column :][:, :30]
        assert np.abs(place.astype(int) - 10 * i).max() <= 2


def test_a_frame_does_not_bleed_into_its_neighbour():
    frames = [np.full((17, 17, 3), shade, np.uint8) for shade in (0, 255)]

    sheet = opened(frame_strips(frames).sheets[0])

    assert sheet[:17, :17].max() <= 2
    assert sheet[:17, 32:49].min() >= 253


def test_large_frames_are_made_smaller_and_small_ones_left():
    assert fit_longest((1024, 576)) == (512, 288)
    assert fit_longest((100, 60)) == (100, 60)
    assert fit_longest((4000, 1)) == (512, 1)
    strips = frame_strips([np.zeros((600, 1200, 3), np.uint8)])
    assert strips.size == (512, 256)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(1, 73, range(1, 73)), (1, 98, range(1, 98, 2)), (1, 97, range(1, 97)), (1, 1, range(1, 1))],
)
def test_long_clips_are_thinned_evenly_to_96_frames(first, last, expected):
    chosen = every_nth(first, last)
    assert chosen == expected and len(chosen) <= 96
