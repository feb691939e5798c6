"""Trajectory maps: against the official arrays, and by hand."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
import torch
from pytest import approx
from torch.testing import assert_close

from dispose_core.motion.joints import body_joints, to_pixels
from dispose_core.motion.trajectory import (
    TrajectoryPoints,
    splat_trajectories,
    trajectory_maps,
    trajectory_marks,
    trajectory_points,
)


@pytest.mark.parametrize("prefix", ["s", "t"])
def test_tracks_are_the_official_ones(official_tracks, prefix):
    arrays, clip, size = official_tracks(prefix)

    points, visible = body_joints(clip)

    track = to_pixels(points, size).transpose(0, 1)
    assert_close(track, torch.from_numpy(arrays[f"{prefix}_track"]), atol=1e-12, rtol=0)
    missing = arrays[f"{prefix}_track_subset"][..., 0] == -1
    assert torch.equal(visible.t(), torch.from_numpy(~missing))


@pytest.mark.parametrize("prefix", ["s", "t"])
def test_marks_are_the_official_non_zeros(official_tracks, prefix):
    arrays, clip, size = official_tracks(prefix)

    pixels, displacements, shown = trajectory_marks(trajectory_points(clip, official=True), size)

    ours = torch.zeros(len(clip) - 1, *size, 2, dtype=torch.float64)
    frame, joint = shown.nonzero(as_tuple=True)
    x, y = pixels[frame, joint].unbind(-1)
    ours[frame - 1, y, x] = displacements[frame, joint]
    official = torch.zeros_like(ours)
    official[tuple(arrays[f"{prefix}_traj_nz_fyx"].T)] = torch.from_numpy(
        arrays[f"{prefix}_traj_nz_dxdy"]
    )
    assert_close(ours, official, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("prefix", "name", "step"), [("s", "fchw_sub1", 1), ("t", "fchw_sub6", 6)])
def test_maps_are_the_official_ones(official_tracks, prefix, name, step):
    arrays, clip, size = official_tracks(prefix)

    maps = trajectory_maps(trajectory_points(clip, official=True), size)

    official = torch.from_numpy(arrays[f"{prefix}_traj_blur_{name}"])
    assert maps.dtype == torch.float32
    assert not maps[0].any()
    assert_close(maps[1:, :, ::step, ::step], official, atol=1e-7, rtol=0)
    assert maps.abs().max().item() == approx(arrays[f"{prefix}_traj_blur_absmax"].item(), abs=1e-7)


def test_a_map_is_the_same_alone_and_in_a_long_clip(clip_of):
    size = (400, 440)
    path = [{4: (150 + 7 * i, 150 + 3 * i)} for i in range(20)]  # more than two chunks
    points = trajectory_points(clip_of(*path, size=size))

    together = trajectory_maps(points, size)

    for frame in range(20):
        alone = trajectory_maps(points.at(torch.tensor([frame])), size)
        assert_close(together[frame], alone[0], atol=1e-9, rtol=0)
    assert together.sum((2, 3))[1:].tolist() == [approx([7.0, 3.0], rel=1e-5)] * 19


def test_one_joint_leaves_a_gaussian_of_its_displacement():
    out = torch.empty(1, 2, 64, 96)

    splat_trajectories(torch.tensor([[[48, 32]]]), torch.tensor([[[4.0, -2.0]]]), out, sigma=5.0)

    assert out[0, :, 32, 48].tolist() == approx([4 / (50 * pi), -2 / (50 * pi)], rel=1e-3)
    assert out[0, :, 32, 53].tolist() == approx((out[0, :, 32, 48] * np.exp(-0.5)).tolist())
    assert out[0].sum((1, 2)).tolist() == approx([4.0, -2.0], rel=1e-5)  # the kernel sums to 1
    assert out[0].abs().amax((1, 2)).tolist() == out[0, :, 32, 48].abs().tolist()


def test_the_image_goes_on_mirrored_at_its_edge_pixels():
    out = torch.empty(1, 2, 40, 200)

    splat_trajectories(torch.tensor([[[1, 20]]]), torch.tensor([[[1.0, 0.0]]]), out, sigma=5.0)

    # A 1 at x = 1 has its mirror image at x = -1; x = 0 sees both, x = 1 the other from 2 away.
    row = out[0, 0, 20]
    g = [np.exp(-(d**2) / 50) for d in range(4)]
    assert (row[0] / row[2]).item() == approx(2 * g[1] / (g[1] + g[3]), rel=1e-5)
    assert (row[1] / row[2]).item() == approx((1 + g[2]) / (g[1] + g[3]), rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 30), (64, 3)])
def test_images_smaller_than_the_kernel_keep_the_whole_displacement(size):
    centre = torch.full((2, 18, 2), 0.5, dtype=torch.float64)
    points = TrajectoryPoints(centre, centre + 0.25, torch.ones(2, 18, dtype=torch.bool))

    maps = trajectory_maps(points, size)

    # All 18 joints stand on one pixel: the last one's displacement counts, once.
    constant = torch.ones(size).numel() == 1
    assert maps.shape == (2, 2, *size) and maps.isfinite().all()
    if constant:
        assert not maps.any()  # there is nowhere to go on one pixel
    else:
        # Blurring a constant gives the constant, so the transposed blur keeps the mean over
        # inner pixels only; a mirrored edge counts half.
        weights = [torch.ones(side) for side in size]
        for weight in weights:
            if len(weight) > 1:
                weight[[0, -1]] = 0.5
        start = to_pixels(centre, size)
        moved = (to_pixels(centre + 0.25, size) - start)[1, 0]
        x, y = start[1, 0].long().tolist()
        total = torch.einsum("chw,h,w->c", maps[1], *weights)
        expected = moved * weights[0][y] * weights[1][x]
        assert total.tolist() == approx(expected.tolist(), rel=1e-4, abs=1e-6)


def test_a_later_joint_covers_an_earlier_one_on_the_same_pixel(clip_of):
    clip = clip_of(
        {2: (50.2, 60.9), 9: (50.8, 60.1), 12: (51.0, 60.0)},
        {2: (60.2, 60.9), 9: (50.8, 65.1), 12: (51.0, 60.0)},
    )

    pixels, displacements, shown = trajectory_marks(trajectory_points(clip), (100, 200))

    assert pixels[1, [2, 9, 12]].tolist() == [[50, 60], [50, 60], [51, 60]]
    assert shown[1].nonzero()[:, 0].tolist() == [9, 12]
    assert displacements[1, 9].tolist() == approx([0.0, 5.0])


def test_a_missing_joint_does_not_cover_one_that_is_seen(clip_of):
    clip = clip_of({2: (0.0, 0.0)}, {2: (3.0, 4.0)})  # the other 17 are kept at (0, 0)

    _, displacements, shown = trajectory_marks(trajectory_points(clip), (100, 200))

    assert shown[1].nonzero()[:, 0].tolist() == [2]
    assert displacements[1, 2].tolist() == approx([3.0, 4.0])


def test_a_joint_that_disappears_is_left_out_and_jumps_to_the_corner_in_the_official_maps(clip_of):
    clip = clip_of({4: (80.0, 40.0)}, {}, {4: (90.0, 40.0)})

    ours = trajectory_points(clip)
    official = trajectory_points(clip, official=True)

    assert not trajectory_maps(ours, (100, 200)).any()
    _, displacements, shown = trajectory_marks(official, (100, 200))
    assert displacements[1, 4].tolist() == approx([-80.0, -40.0])
    assert shown[1, 4] and not shown[2, 4]  # nothing starts where nothing was


def test_a_point_that_is_too_uncertain_counts_as_missing(clip_of):
    clip = clip_of({4: (80.0, 40.0)}, {4: (90.0, 40.0)})
    scores = clip.scores.copy()
    scores[1, 4] = 0.3  # needed: above 0.3

    assert trajectory_points(clip).visible[1, 4]
    assert not trajectory_points(clip.with_points(clip.points, scores)).visible.any()


def test_joints_outside_are_held_at_the_edge(clip_of):
    clip = clip_of({4: (-30.0, 40.0)}, {4: (250.0, 120.0)})

    pixels, displacements, _ = trajectory_marks(trajectory_points(clip), (100, 200))

    assert pixels[1, 4].tolist() == [0, 40]
    assert displacements[1, 4].tolist() == approx([199.0, 59.0])


def test_some_frames_keep_their_points(clip_of):
    points = trajectory_points(clip_of({4: (1.0, 1.0)}, {4: (2.0, 2.0)}, {4: (4.0, 2.0)}, {}))

    some = points.at(torch.tensor([3, 2]))

    assert some.visible[:, 4].tolist() == [False, True]
    assert (some.start[1, 4] * 200).tolist() == approx([2.0, 4.0])  # y is of 100 pixels
    assert (some.end[1, 4] * 200).tolist() == approx([4.0, 4.0])


def test_no_frames_give_no_maps(clip_of):
    points = trajectory_points(clip_of({4: (1.0, 1.0)}, {4: (2.0, 2.0)}))

    assert trajectory_maps(points.at(torch.arange(0)), (8, 9)).shape == (0, 2, 8, 9)
