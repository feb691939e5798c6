"""What the motion view shows of a motion field: the person at a glance."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from dispose_core.media.sprite_sheet import Strips
from dispose_core.motion.motion_field import MotionField
from dispose_core.motion.trajectory import TrajectoryPoints
from dispose_core.preview.browser_view import GLANCE_SIDE, person_at_a_glance

H, W = 320, 480
SMALL_H, SMALL_W = 213, 320


@pytest.fixture
def block() -> tuple[torch.Tensor, MotionField]:
    """A red block on grey, moved 120 pixels to the right; the field's grid is a quarter as fine."""
    image = torch.full((3, H, W), 0.5)
    image[:, 100:220, 120:180] = torch.tensor([0.8, 0.1, 0.1])[:, None, None]
    grid = torch.zeros(2, 2, H // 4, W // 4)
    grid[1, 0] = 120 / 4
    subject = torch.zeros(H // 4, W // 4)
    subject[25:55, 30:45] = 1.0
    nowhere = torch.zeros(2, 18, 2)
    points = TrajectoryPoints(nowhere, nowhere, torch.zeros(2, 18, dtype=torch.bool))
    field = MotionField(grid, points, (H, W), torch.tensor([True, True]), subject=subject)
    return image, field


def frame_of(strips: Strips, frame: int) -> np.ndarray:
    """(h, w, 3) RGB of a frame in the first sheet."""
    file = np.frombuffer(strips.sheets[0], np.uint8)
    sheet = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
    width, height = strips.size
    left = frame * strips.step[0]
    return sheet[:height, left : left + width]


def red_columns(image: np.ndarray) -> tuple[int, int]:
    red = image[len(image) // 2].astype(int)
    columns = np.flatnonzero(red[:, 0] - red[:, 1] > 60)
    return int(columns[0]), int(columns[-1])


def test_the_person_moves_in_images_of_the_size_they_are_shown_at(block):
    modes = person_at_a_glance(*block, range(2))
    assert list(modes) == ["person", "onion"]
    assert modes["person"].size == (SMALL_W, SMALL_H) and max(SMALL_W, SMALL_H) == GLANCE_SIDE
    assert red_columns(frame_of(modes["person"], 0)) == pytest.approx((80, 119), abs=2)
    moved = frame_of(modes["person"], 1)
    assert red_columns(moved) == pytest.approx((160, 199), abs=2)
    assert np.abs(moved[SMALL_H // 2, 85:115].astype(int) - 127).max() < 12  # the wall behind
    onion = frame_of(modes["onion"], 1)
    assert red_columns(onion) == pytest.approx((80, 199), abs=2)  # the still one and the moved one


def test_a_given_mask_says_who_moves_instead_of_the_field(block):
    image, field = block
    mask = torch.zeros(H, W)
    mask[100:220, 150:180] = 1.0  # the right half of the block alone
    modes = person_at_a_glance(image, replace(field, subject=None), [1], mask)
    row = frame_of(modes["person"], 0)[SMALL_H // 2].astype(int)
    # A little less than the whole half stays: what was beside the person is taken out with it.
    assert row[85, 0] - row[85, 1] > 60 and row[190, 0] - row[190, 1] > 60
    assert row[150, 0] - row[150, 1] < 30


def test_without_anybody_to_draw_there_is_no_such_mode(block):
    image, field = block
    assert person_at_a_glance(image, replace(field, subject=None), [1]) == {}
    assert person_at_a_glance(image, field, [1], torch.zeros(H, W)) == {}
