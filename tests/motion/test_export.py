"""Motion handed to other programs."""

from __future__ import annotations

import json

import pytest
import torch
from pytest import approx

from dispose_core.errors import DisPoseError
from dispose_core.motion.motion_field import MotionField
from dispose_core.motion.trajectory import trajectory_points
from dispose_core.preview.export import joint_tracks, optical_flow

# A person of 6×6 pixels, four to the right at every step.
STEP = 4.0
SIZE = (24, 32)


@pytest.fixture
def field(clip_of):
    clip = clip_of(*({4: (8 + STEP * n, 10)} for n in range(4)), size=SIZE)
    subject = torch.zeros(SIZE)
    subject[8:14, 4:10] = 1
    flow = torch.zeros(4, 2, *SIZE)
    flow[:, 0] = STEP * torch.arange(4.0)[:, None, None] * subject
    return MotionField(flow, trajectory_points(clip), SIZE, torch.ones(4, dtype=torch.bool),
                       subject=subject)  # fmt: skip


def test_flow_between_frames_lies_where_the_person_is_by_then(field):
    flow = optical_flow(field)
    assert flow.shape == (3, *SIZE, 2) and flow.dtype == torch.float32
    for n in range(3):
        left = 4 + int(STEP) * n
        inside = flow[n, 9:13, left + 1 : left + 5]
        assert inside[..., 0].flatten().tolist() == approx([STEP] * 16, abs=1e-4)
        assert inside[..., 1].abs().max() < 1e-4
        assert flow[n, :, : max(left - 2, 0)].abs().sum() == 0  # nothing moves where it was
        assert flow[n, :, left + 8 :].abs().sum() == 0


def test_flow_from_the_reference_is_the_field_itself(field):
    assert torch.equal(optical_flow(field, "reference"), field.flow([1, 2, 3]).movedim(1, -1))


def test_flow_is_in_pixels_of_the_size_asked_for(field):
    flow = optical_flow(field, "frames", (48, 32))
    assert flow.shape == (3, 48, 32, 2)
    assert flow[0, 22, 7].tolist() == approx([STEP, 0], abs=1e-4)


def test_a_track_goes_with_its_joint_in_pixels(field):
    (track,) = json.loads(joint_tracks(field))
    assert track == [{"x": 8 + STEP * n, "y": 10} for n in range(4)]
    (track,) = json.loads(joint_tracks(field, (48, 64)))
    assert track[1] == {"x": 2 * (8 + STEP), "y": 20}


def test_a_track_is_spread_over_as_many_points_as_asked_for(field):
    (track,) = json.loads(joint_tracks(field, points=7))
    assert [point["x"] for point in track] == [8 + STEP * n / 2 for n in range(7)]


def test_a_joint_that_is_hidden_moves_evenly_until_it_is_seen_again(clip_of):
    places = [{4: (8, 10)}, {4: (10, 10)}, {}, {}, {4: (16, 4)}, {4: (18, 4)}]
    clip = clip_of(*places, size=SIZE)
    field = MotionField(torch.zeros(6, 2, 2, 2), trajectory_points(clip), SIZE,
                        torch.ones(6, dtype=torch.bool))  # fmt: skip
    (track,) = json.loads(joint_tracks(field))
    assert [point["x"] for point in track] == [8, 10, 12, 14, 16, 18]
    assert [point["y"] for point in track] == [10, 10, 8, 6, 4, 4]


def test_a_field_of_the_reference_alone_is_refused(field):
    for export in (optical_flow, joint_tracks):
        with pytest.raises(DisPoseError, match="reference alone"):
            export(field.slice([0]))


def test_an_export_can_be_cancelled(field):
    def stop(done, total):
        assert total == 3
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optical_flow(field, on_frame=stop)
