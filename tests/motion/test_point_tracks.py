"""Tracks of points for other video models."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from pytest import approx

from dispose_core.errors import DisPoseError
from dispose_core.media.video_models import VIDEO_MODELS, VideoModel, frames_at
from dispose_core.motion.motion_field import MotionField
from dispose_core.motion.trajectory import trajectory_points
from dispose_core.preview.point_tracks import (
    draw_tracks,
    follow_points,
    point_tracks,
    tracks_for,
)

SIZE = (48, 64)
PERSON = slice(16, 32), slice(8, 20)  # rows, columns
FPS = 12.0
WAN_MOVE, ATI, LTX = (VIDEO_MODELS[name] for name in ("Wan-Move", "ATI", "LTX 24 fps"))


def place(seconds: float) -> float:
    """x of the wrist in pixels: swings once in two seconds."""
    return 14 + 5 * math.sin(math.pi * seconds)


@pytest.fixture(scope="module")
def field(clip_of) -> MotionField:
    """Two seconds at 12 fps: a wrist that swings, and the person's mask with it."""
    driving = [place(n / FPS) for n in range(25)]
    clip = clip_of({4: (14, 20)}, *({4: (x, 20)} for x in driving), size=SIZE)
    subject = torch.zeros(SIZE)
    subject[PERSON] = 1
    flow = torch.zeros(len(clip), 2, *SIZE)
    flow[1:, 0] = torch.tensor(driving)[:, None, None] - 14
    valid = torch.ones(len(clip), dtype=torch.bool)
    return MotionField(flow, trajectory_points(clip), SIZE, valid, subject=subject)


@pytest.mark.parametrize("model", [WAN_MOVE, ATI, LTX, VIDEO_MODELS["LTX 25 fps"]])
def test_a_joint_is_at_every_second_where_the_driver_s_is(field, model):
    tracks = point_tracks(field, model, FPS)

    assert (len(tracks) - 1) % model.step == 0
    assert len(tracks) == model.length(frames_at(25, FPS, model.fps))
    fastest = 5 * math.pi / model.fps  # pixels in a frame of the video
    for frame in range(1, len(tracks)):
        assert tracks.paths[frame, 0, 0].item() == approx(place(frame / model.fps), abs=fastest / 2)
    assert tracks.paths[0, 0].tolist() == approx([14, 20])  # the reference itself


def test_ati_reads_121_points_over_the_clip_and_ltx_one_a_frame(field):
    ati, ltx = (point_tracks(field, model, FPS) for model in (ATI, LTX))

    (spread,) = json.loads(tracks_for(ati, ATI))
    (single,) = json.loads(tracks_for(ltx, LTX))

    assert len(spread) == 121 and len(single) == len(ltx) == 49
    # ATI's point k is at k · (length - 1) / 120 frames of 16 a second.
    for k in (30, 60, 120):
        seconds = k * (len(ati) - 1) / 120 / 16
        assert spread[k]["x"] == approx(place(seconds), abs=0.5)
    assert single[24]["x"] == approx(place(1.0), abs=0.5)


def test_a_grid_covers_the_person_and_moves_with_the_field(field):
    tracks = point_tracks(field, WAN_MOVE, FPS, "grid", count=48)

    assert 36 <= tracks.paths.shape[1] <= 60
    start = tracks.paths[0]
    assert start[:, 0].min() >= 8 and start[:, 0].max() <= 20
    assert start[:, 1].min() >= 16 and start[:, 1].max() <= 32
    moved = tracks.paths[8] - start  # half a second
    assert moved[:, 0].tolist() == approx([5.0] * len(start), abs=0.2)
    assert moved[:, 1].abs().max() < 1e-4
    assert tracks.visible.all()


def test_an_outline_is_evenly_spaced_along_the_person(field):
    start = point_tracks(field, WAN_MOVE, FPS, "outline", count=20).paths[0].numpy()

    assert start.shape == (20, 2)
    on_edge = np.minimum.reduce(
        [start[:, 0] - 8, 20 - start[:, 0], start[:, 1] - 16, 32 - start[:, 1]]
    )
    assert on_edge.min() >= 0.5 and on_edge.max() <= 2


def test_own_points_are_fractions_of_the_image(field):
    tracks = point_tracks(field, WAN_MOVE, FPS, "own points", own_points="[[0.25, 0.5], [.2,0.4]]")
    assert tracks.paths[0].tolist() == [approx([16, 24]), approx([12.8, 19.2])]
    for text in ("", "here", "0.5", "0.5,0.3 head", "1.5,0.3", "12,40"):
        with pytest.raises(DisPoseError, match=r"own points: .* such as 0\.5,0\.3"):
            point_tracks(field, WAN_MOVE, FPS, "own points", own_points=text)


def test_tracks_are_in_pixels_of_the_video(field):
    tracks = point_tracks(field, WAN_MOVE, FPS, size=(480, 640))
    assert tracks.paths[0, 0].tolist() == approx([140, 200])


def test_a_point_is_hidden_behind_a_nearer_part():
    """A torso of 24 columns, and an arm beside it in a nearer layer that moves over it."""
    subject, layer = torch.zeros(40, 80), torch.zeros(40, 80)
    subject[8:32, 10:34] = 1
    subject[12:28, 50:62] = 1
    layer[:, 44:] = 5
    flow = torch.zeros(2, 2, 40, 80)
    flow[1, 0, :, 44:] = -32.0
    field = MotionField(
        flow, trajectory_points_of(2), (40, 80), torch.ones(2, dtype=torch.bool),
        layer=layer, subject=subject,
    )  # fmt: skip
    covered, free, arm = (24.5, 20.5), (12.5, 20.5), (56.5, 20.5)

    places, visible = follow_points(field, np.array([covered, free, arm]) / (80, 40))

    assert (places[1] * (80, 40)).tolist() == [approx(covered), approx(free), approx((24.5, 20.5))]
    assert visible[1].tolist() == [False, True, True]


def test_points_leave_the_image_and_are_then_not_visible(clip_of):
    clip = clip_of({4: (60, 10)}, {4: (60, 10)}, {4: (63, 10)}, {4: (90, 10)}, size=SIZE)
    valid = torch.ones(4, dtype=torch.bool)
    field = MotionField(torch.zeros(4, 2, *SIZE), trajectory_points(clip), SIZE, valid)
    model = VideoModel("test", 24, 1, 100)

    tracks = point_tracks(field, model, 24.0)

    assert tracks.visible[:, 0].tolist() == [True, True, False]


def test_a_longer_video_rests_where_the_driver_ends_and_says_so(field):
    tracks = point_tracks(field, WAN_MOVE, FPS, length=49)

    assert len(tracks) == 49
    assert torch.equal(tracks.paths[35:], tracks.paths[34:35].expand(14, -1, -1))
    assert tracks.report[-1] == "the points rest from frame 33 on, where the driver ends"


def test_points_need_a_person(field, clip_of):
    bare = MotionField(field.grid, field.trajectories, SIZE, field.valid)
    with pytest.raises(DisPoseError, match="no mask of the person"):
        point_tracks(bare, WAN_MOVE, FPS, "grid")
    with pytest.raises(DisPoseError, match="reference alone"):
        point_tracks(field.slice([0]), WAN_MOVE, FPS)


def test_the_picture_shows_paths_over_the_dimmed_image(field):
    image = torch.full((3, 96, 128), 0.5)
    drawn = draw_tracks(image, point_tracks(field, WAN_MOVE, FPS))

    assert drawn.shape == image.shape
    assert drawn[:, 0, 0].tolist() == approx([48 / 255] * 3, abs=0.01)
    assert drawn[:, 40, 20:40].max() > 0.6


def trajectory_points_of(frames: int):
    from dispose_core.pose.sequence import PoseSequence

    return trajectory_points(PoseSequence.empty(frames, (40, 80)))


def test_a_video_of_another_shape_crops_the_picture_and_the_tracks(field):
    """64×48 in a video of 48×48: the picture loses 8 columns on either side."""
    tracks = point_tracks(field, WAN_MOVE, FPS, size=(48, 48))
    assert tracks.paths[0, 0].tolist() == approx([14 - 8, 20])


def test_points_at_the_edge_move_with_their_surroundings(clip_of):
    clip = clip_of({4: (14, 20)}, {4: (14, 20)}, size=SIZE)
    flow = torch.zeros(2, 2, *SIZE)
    flow[1, 1] = -4.0
    valid = torch.ones(2, dtype=torch.bool)
    moving = MotionField(flow, trajectory_points(clip), SIZE, valid)
    tracks = point_tracks(moving, VideoModel("test", 24, 1, 9), 24.0, "own points",
                          own_points="1,1 0,1 0.5,0.5", length=2)  # fmt: skip
    assert (tracks.paths[1] - tracks.paths[0])[:, 1].tolist() == approx([-4, -4, -4])
    assert tracks.visible.all()


def test_a_field_without_joints_asks_for_other_points(field):
    flow_alone = MotionField(field.grid, trajectory_points_of(26), SIZE, field.valid)
    with pytest.raises(DisPoseError, match="the motion field has no joints"):
        point_tracks(flow_alone, WAN_MOVE, FPS)


@pytest.mark.parametrize("size", [None, (48, 48), (96, 192)])
def test_the_picture_is_the_image_whatever_the_video_s_shape(field, size):
    """A wrist between x = 9 and 19 at y = 20, in an image of 64×48 drawn twice as large."""
    drawn = draw_tracks(torch.zeros(3, 96, 128), point_tracks(field, WAN_MOVE, FPS, size=size))
    rows, columns = drawn.amax(0).gt(0.2).nonzero().T
    assert rows.min() >= 38 and rows.max() <= 42
    assert columns.min() == approx(18, abs=3) and columns.max() == approx(38, abs=3)
