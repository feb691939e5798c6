"""Motion fields: sizes and frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest import approx

from dispose_core.errors import DisPoseError
from dispose_core.motion.motion_field import MotionField, resize_flow
from dispose_core.motion.trajectory import trajectory_maps


def test_flow_is_in_pixels_of_the_size_asked_for(field):
    assert field.flow([2]).shape == (1, 2, 24, 32)
    assert field.flow([2])[0, :, 5, 5].tolist() == approx([2 * 32 / 4, -2 * 24 / 6])
    assert field.flow([2], (60, 8))[0, :, 30, 3].tolist() == approx([2 * 8 / 4, -2 * 60 / 6])
    assert torch.equal(field.flow([2], (6, 4)), field.grid[2:3])


def test_frames_are_absolute_numbers_in_any_order(field):
    size = (6, 4)

    assert field.flow([4, 1, 4], size)[:, 0, 0, 0].tolist() == [4.0, 1.0, 4.0]
    assert field.flow(slice(3, None), size)[:, 0, 0, 0].tolist() == [3.0, 4.0, 5.0]
    assert field.flow(range(1, 3), size)[:, 0, 0, 0].tolist() == [1.0, 2.0]
    assert field.flow(None, size).shape == (6, 2, 6, 4)
    assert field.flow([]).shape == (0, 2, 24, 32)


@pytest.mark.parametrize("frames", [[6], [0, -1]])
def test_a_frame_that_is_not_there_is_named(field, frames):
    with pytest.raises(DisPoseError, match=rf"frame {frames[-1]} .* frames 0…5"):
        field.flow(frames)


def test_what_is_handed_out_is_the_callers_own(field):
    field.flow([1], (6, 4)).zero_()
    field.flow(slice(None), (6, 4)).zero_()

    assert field.grid[1, 0, 0, 0] == 1.0


def test_skinning_is_enlarged_smoothly_and_cmp_by_repetition():
    flow = torch.tensor([0.0, 8.0]).view(1, 1, 1, 2).repeat(1, 2, 1, 1)

    smooth = resize_flow(flow, (1, 4))[0, 0, 0]
    nearest = resize_flow(flow, (1, 4), "nearest")[0, 0, 0]

    # Pixel centres at 1/8, 3/8, 5/8, 7/8; grid centres at 1/4 and 3/4; twice as many pixels.
    assert smooth.tolist() == approx([0.0, 2 * 2.0, 2 * 6.0, 2 * 8.0])
    assert nearest.tolist() == approx([0.0, 0.0, 16.0, 16.0])


def test_the_field_uses_its_own_way_of_enlarging(field):
    steps = MotionField(
        torch.arange(24.0).view(1, 1, 6, 4).repeat(1, 2, 1, 1),
        field.trajectories.at(torch.tensor([0])),
        (12, 8),
        torch.ones(1, dtype=torch.bool),
        resample="nearest",
    )

    assert steps.flow()[0, 0, 1, :4].tolist() == approx([0.0, 0.0, 2.0, 2.0])


def test_a_trajectory_is_from_the_frame_before_whichever_frames_are_asked_for(field):
    whole = trajectory_maps(field.trajectories, (24, 32))

    assert torch.equal(field.trajectory([5, 2]), whole[[5, 2]])
    assert field.trajectory([2], (48, 64)).shape == (1, 2, 48, 64)
    assert not field.trajectory([0]).any() and field.trajectory([1]).any()


def test_a_slice_is_a_field_of_its_frames_with_the_same_values(field):
    part = field.slice([0, 3, 5])

    assert len(part) == 3
    assert torch.equal(part.flow(), field.flow([0, 3, 5]))
    assert torch.equal(part.trajectory(), field.trajectory([0, 3, 5]))
    assert part.valid.tolist() == [True, True, False]
    assert torch.equal(part.layer, field.layer) and part.report == field.report


def test_the_largest_motion_is_in_pixels_of_the_image(field):
    assert field.largest_motion() == approx(5 * np.hypot(32 / 4, 24 / 6))
    assert field.largest_motion((6, 4)) == approx(5 * np.hypot(1, 1))
