"""Motion in colour and arrows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest import approx

from dispose_core.errors import DisPoseError
from dispose_core.motion.motion_field import MotionField
from dispose_core.motion.trajectory import TrajectoryPoints
from dispose_core.motion.visualize import (
    ARROW_DEPTH,
    FADE,
    colour_wheel,
    draw_arrows,
    motion_images,
)


def flow_of(*motion: tuple[float, float]) -> torch.Tensor:
    """(1, 2, 1, k): one pixel a motion."""
    return torch.tensor(motion, dtype=torch.float32).t()[None, :, None, :]


def a_field(grid: torch.Tensor, size: tuple[int, int]) -> MotionField:
    count = len(grid)
    nowhere = torch.zeros(count, 18, 2)
    points = TrajectoryPoints(nowhere, nowhere, torch.zeros(count, 18, dtype=torch.bool))
    return MotionField(grid, points, size, torch.ones(count, dtype=torch.bool))


def test_hue_is_the_direction():
    right, left, down, up = colour_wheel(flow_of((1, 0), (-1, 0), (0, 1), (0, -1)))[0, :, 0].t()

    assert right.tolist() == approx([1, 0, 0], abs=0.01)  # red
    # The wheel has 55 steps. Half round is 27.5: from cyan (25) on, 2.5 of 11 towards blue.
    assert left.tolist() == approx([0, 1 - 2.5 / 11, 1], abs=0.01)
    # A quarter is 13.75 of the 15 steps from red to yellow.
    assert down.tolist() == approx([1, 13.75 / 15, 0], abs=0.01)
    # Three quarters is 41.25: from blue (36) on, 5.25 of 13 towards magenta.
    assert up.tolist() == approx([5.25 / 13, 0, 1], abs=0.01)


def test_strength_is_the_root_of_the_distance_and_white_is_at_rest():
    colours = colour_wheel(flow_of((0, 0), (1, 0), (4, 0)))[0, :, 0].t()

    assert colours.tolist() == [
        approx([1, 1, 1]),
        approx([1, 0.5, 0.5], abs=0.01),
        approx([1, 0, 0], abs=0.01),
    ]


def test_a_given_scale_holds_for_all_images_and_longer_motion_is_darker():
    near, far = colour_wheel(flow_of((1, 0), (9, 0)), max_motion=4.0)[0, :, 0].t()

    assert near.tolist() == approx([1, 0.5, 0.5], abs=0.01)
    assert far.tolist() == approx([0.75, 0, 0], abs=0.01)


def test_a_field_at_rest_is_white():
    assert (colour_wheel(torch.zeros(2, 2, 5, 6)) == 1).all()


def test_colours_go_round_without_a_jump():
    angle = torch.linspace(-np.pi, np.pi, 4000)
    colours = colour_wheel(torch.stack([angle.cos(), angle.sin()])[None, :, None])[0, :, 0]

    assert colours.diff(dim=1).abs().max() < 0.02
    assert (colours[:, 0] - colours[:, -1]).abs().max() < 0.02


def test_an_arrow_runs_from_a_place_to_where_it_moves():
    flow = torch.zeros(2, 100, 100)
    flow[0, 45:55, 25:35] = 60.0  # of the places 10, 30, 50 … only (30, 50) moves
    black = np.zeros((100, 100, 3), np.uint8)

    drawn = draw_arrows(black, flow, spacing=100 // 5)

    red = drawn[50, 40:80].astype(int)
    # Smoothed lines let some of the white below show through.
    assert (np.abs(red - [255 * ARROW_DEPTH, 0, 0]).max(-1) <= 30).all()
    assert drawn[50, 90, 0] > 150  # the tip
    assert not drawn[:40].any() and not drawn[:, :26].any() and not drawn[:, 95:].any()


def test_what_hardly_moves_shows_no_arrow():
    image = np.full((40, 40, 3), 90, np.uint8)

    assert (draw_arrows(image, torch.full((2, 40, 40), 1.0), 8) == 90).all()
    assert (draw_arrows(image, torch.full((2, 40, 40), 3.0), 8) != 90).any()


def test_the_image_under_the_arrows_is_pale_and_the_given_one_untouched():
    blue = np.zeros((10, 10, 3), np.uint8)
    blue[..., 2] = 200

    drawn = draw_arrows(blue, torch.zeros(2, 10, 10), 5)

    grey = 200 * 0.114
    expected = [grey * (1 - FADE), grey * (1 - FADE), grey * (1 - FADE) + 200 * FADE]
    assert drawn[5, 5].tolist() == approx(expected, abs=1.5)
    assert (blue[..., 2] == 200).all()


def test_images_show_colours_beside_arrows_on_one_scale():
    grid = torch.zeros(3, 2, 12, 10)
    grid[1, 0, :4], grid[2, 0, :4] = 1.0, 4.0  # cells of 10 pixels; the largest motion is 40
    image = torch.full((3, 120, 100), 0.5)

    frames = list(motion_images(image, a_field(grid, (120, 100))))

    assert [f.shape for f in frames] == [(120, 200, 3)] * 3
    assert all(f.dtype == np.uint8 for f in frames)
    assert frames[0][10, 50].tolist() == [255, 255, 255]
    assert frames[1][10, 50].tolist() == approx([255, 127.5, 127.5], abs=3)
    assert frames[2][10, 50].tolist() == approx([255, 0, 0], abs=3)
    assert (frames[0][:, 100:] == 128).all()  # no arrow on the reference itself
    assert (frames[2][:40, 100:] != 128).any() and (frames[2][80:, 100:] == 128).all()


def test_smaller_images_show_the_same_colours():
    grid = torch.zeros(2, 2, 12, 10)
    grid[1, 0, :4] = 4.0

    (frame,) = motion_images(torch.rand(3, 120, 100), a_field(grid, (120, 100)), [1], (60, 50))

    assert frame.shape == (60, 100, 3)
    assert frame[5, 25].tolist() == approx([255, 0, 0], abs=3)


def test_the_key_stands_in_the_corner_of_every_image():
    grid = torch.zeros(2, 2, 12, 10)
    grid[1] = 3.0
    frames = list(motion_images(torch.zeros(3, 240, 200), a_field(grid, (240, 200))))

    # A disc 40 across in the lower left corner with the strongest colours at its rim, and the
    # distance below it.
    corner = frames[0][180:, :40].astype(int)
    assert (corner.max(-1) - corner.min(-1)).max() > 240
    assert frames[0][-12:, :40].min() < 150
    assert (frames[0][:180, :200] == 255).all()


def test_some_frames_are_drawn_as_in_the_whole_clip():
    grid = torch.zeros(5, 2, 6, 5) + torch.arange(5.0)[:, None, None, None]
    image = torch.rand(3, 60, 50, generator=torch.Generator().manual_seed(0))
    field = a_field(grid, (60, 50))

    whole = list(motion_images(image, field))
    some = list(motion_images(image, field, [3, 1]))

    assert np.array_equal(some[0], whole[3]) and np.array_equal(some[1], whole[1])


def test_an_image_of_another_size_is_refused():
    with pytest.raises(DisPoseError, match="image is 30×40, its motion field is for 50×60"):
        motion_images(torch.zeros(3, 40, 30), a_field(torch.zeros(2, 2, 6, 5), (60, 50)))
