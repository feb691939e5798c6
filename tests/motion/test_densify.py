"""From poses to a motion field: what is checked, decided and reported."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest import approx

from dispose_core.errors import DisPoseError, MediaError, PoseError
from dispose_core.motion.densifiers.base import DenseMotion
from dispose_core.motion.densify import motion_field
from dispose_core.motion.trajectory import trajectory_points
from dispose_core.pose.sequence import PoseSequence

SIZE = (24, 32)
IMAGE = torch.full((3, *SIZE), 0.5)


class Everywhere:
    """Moves the whole image by (n, 1) in frame n, whatever the poses."""

    def __init__(self, **more):
        self.more = more

    def __call__(self, image, clip, on_frame):
        grid = torch.ones(len(clip), 2, 3, 4)
        for frame in range(len(clip)):
            grid[frame, 0] = frame
            on_frame(frame + 1, len(clip))
        return DenseMotion(grid, **self.more)


@pytest.fixture
def clip(clip_of):
    return clip_of(*({4: (8 + n, 10), 5: (20, 10)} for n in range(4)), size=SIZE)


def test_the_field_is_the_densifiers_with_the_clips_trajectories(clip):
    layer = torch.rand(3, 4)

    field = motion_field(IMAGE, clip, Everywhere(layer=layer, resample="nearest"))

    assert field.grid.shape == (4, 2, 3, 4) and field.size == (24, 32)
    assert field.grid[2, :, 1, 1].tolist() == [2.0, 1.0]
    assert field.layer is layer and field.resample == "nearest"
    assert torch.equal(field.trajectories.end, trajectory_points(clip).end)
    assert field.valid.tolist() == [True] * 4


def test_the_reference_itself_never_moves(clip):
    assert not motion_field(IMAGE, clip, Everywhere()).grid[0].any()


def test_frames_without_a_pose_do_not_move_and_are_named(clip_of):
    clip = clip_of(*({4: (8 + n, 10)} if n not in (2, 3, 5) else {} for n in range(7)), size=SIZE)

    field = motion_field(IMAGE, clip, Everywhere())

    assert field.valid.tolist() == [True, True, False, False, True, False, True]
    assert not field.grid[~field.valid].any() and field.grid[[1, 4, 6]].abs().amin() == 1
    assert any("no pose in driving frames 1–2, 4" in line for line in field.report)


def test_hands_alone_or_uncertain_joints_are_no_pose(clip):
    scores = clip.scores.copy()
    scores[2, :18] *= 0.3
    points = clip.points.copy()
    points[3, :18] = np.nan
    points[3, 20], scores[3, 20] = 0.5, 1.0

    field = motion_field(IMAGE, clip.with_points(points, scores), Everywhere())

    assert field.valid.tolist() == [True, True, False, False]


def test_the_report_says_what_was_decided(clip_of):
    clip = clip_of({4: (8, 10), 5: (20, 10)}, {4: (9, 10)}, {4: (9, 10), 5: (20, 10)}, size=SIZE)

    report = motion_field(IMAGE, clip, Everywhere(report=["from the densifier"])).report

    assert report[0] == "2 driving poses; motion on a grid of 4×3 for an image of 32×24"
    assert "not seen in the reference pose: Nose, Neck, RShoulder, RElbow, LElbow" in report[1]
    assert "trajectories: 2 steps of joints missing before or after left out" in report[2]
    assert report[3] == "from the densifier"


def test_the_official_reading_of_missing_joints_is_passed_on(clip_of):
    clip = clip_of({4: (8, 10)}, {5: (9, 10)}, size=SIZE)

    assert not motion_field(IMAGE, clip, Everywhere()).trajectories.visible.any()
    official = motion_field(IMAGE, clip, Everywhere(), official=True)
    assert official.trajectories.visible[1].nonzero().tolist() == [[4]]


def test_a_pose_of_another_picture_is_refused(clip_of):
    """A copy padded to a square, as detectors of other packs make it."""
    clip = clip_of({4: (8, 10)}, {4: (9, 10)}, size=(32, 32))

    with pytest.raises(PoseError, match=r"reference pose: found in .* 32×32 .* \(32×24\)"):
        motion_field(IMAGE, clip, Everywhere())


def test_a_pose_of_the_image_before_prepare_cropped_it_is_cropped_too(clip_of):
    """36×24 to 32×24 loses two columns on either side: x = 8 is 6 there."""
    clip = clip_of({4: (8, 10)}, {4: (20, 10)}, size=(24, 36))

    field = motion_field(IMAGE, clip, Everywhere())

    assert (field.trajectories.start[1, 4] * torch.tensor([32, 24])).tolist() == approx([6, 10])
    assert field.report[0] == (
        "reference pose: found in an image of 36×24 pixels, cropped to 32×24 as Prepare crops "
        "images"
    )


def test_progress_and_cancelling_reach_the_caller(clip):
    seen = []
    motion_field(IMAGE, clip, Everywhere(), on_frame=lambda *step: seen.append(step))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        motion_field(IMAGE, clip, Everywhere(), on_frame=cancel)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(24, 32), r"shape \(24, 32\), needed \(3, H, W\)"),
        (torch.zeros(3, 32), r"shape \(3, 32\)"),
        (torch.zeros(4, 24, 32), r"shape \(4, 24, 32\)"),
        (torch.zeros(3, 0, 32), r"shape \(3, 0, 32\)"),
        (IMAGE * 255, r"values 127\.5…127\.5, needed 0…1"),
        (IMAGE - 1, "values -0.5…-0.5"),
        (IMAGE * torch.nan, "values nan"),
    ],
)
def test_what_is_no_image_is_refused(clip, image, message):
    with pytest.raises(MediaError, match=message):
        motion_field(image, clip, Everywhere())


def test_a_clip_needs_a_driving_pose(clip):
    with pytest.raises(PoseError, match="1 poses, needed the reference pose and at least one"):
        motion_field(IMAGE, clip[0], Everywhere())


def test_a_reference_without_joints_says_how_close_it_was(clip):
    scores = clip.scores.copy()
    scores[0] *= 0.25

    with pytest.raises(PoseError, match=r"best score 0\.25, needed above 0\.30.*head and should"):
        motion_field(IMAGE, clip.with_points(clip.points, scores), Everywhere())
    with pytest.raises(PoseError, match=r"best score 0\.00"):
        motion_field(IMAGE, PoseSequence.empty(3, (24, 32)), Everywhere())


@pytest.mark.parametrize(
    "grid", [torch.zeros(3, 2, 3, 4), torch.zeros(4, 3, 3, 4), torch.zeros(4, 2, 3, 4) / 0]
)
def test_a_densifier_that_gives_something_else_is_named(clip, grid):
    def odd(image, clip, on_frame):
        return DenseMotion(grid)

    with pytest.raises(DisPoseError, match="densifier function: gave flow"):
        motion_field(IMAGE, clip, odd)
