from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import tensor
from torch.testing import assert_close

from dispose_core.motion.densifiers.skinning.volume_preservation import LimbVolume

STRAIGHT = np.array([[0.0, 0], [100, 0], [200, 0]])
BENT = np.array([[0.0, 0], [100, 0], [100, -100]])  # the forearm goes straight up
RADIUS = 10.0


def correction(
    point: tuple, place: tuple, chain: np.ndarray = BENT, share=1.0, size=1.0, usable=True
) -> torch.Tensor:
    """Of a pixel at `point` of the straight limb that was moved to `place`."""
    limb = LimbVolume(
        STRAIGHT, chain[None], np.array([usable]), np.array([size]),
        np.array([point], float), np.array([share], np.float32), RADIUS,
    )  # fmt: skip
    assert limb.at.tolist() == [0]
    return limb.correct(0, tensor([place], dtype=torch.float32))[0]


def test_the_outer_side_of_an_elbow_keeps_its_distance():
    assert_close(correction((100, 10), (103, 4)), tensor([3.0, 4.0]))  # from 5 to 10 pixels


def test_cloth_that_hangs_behind_a_raised_arm_is_drawn_back_to_it():
    assert_close(correction((50, 10), (50, 25)), tensor([0.0, -15.0]))


def test_the_inner_side_of_an_elbow_is_not_pushed_apart():
    assert_close(correction((100, -10), (95, -5)), tensor([0.0, 0.0]))


def test_the_middle_of_a_limb_may_roll_to_its_side():
    assert_close(correction((50, 4), (50, 9)), tensor([0.0, 0.0]))


@pytest.mark.parametrize(
    ("change", "expected"), [({"share": 0.5}, -7.5), ({"size": 0.5}, -20.0), ({"usable": False}, 0)]
)
def test_it_counts_as_much_as_a_pixel_follows_a_limb_that_is_seen_at_its_size(change, expected):
    assert_close(correction((50, 10), (50, 25), **change), tensor([0.0, float(expected)]))


def test_pixels_that_hardly_follow_a_limb_are_left_out():
    limb = LimbVolume(
        STRAIGHT, BENT[None], np.array([True]), np.ones(1),
        np.array([[50.0, 10], [50, 30]]), np.array([1.0, 0.01], np.float32), RADIUS,
    )  # fmt: skip
    assert limb.at.tolist() == [0]
