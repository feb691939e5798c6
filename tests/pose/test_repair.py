from __future__ import annotations

import numpy as np
import pytest

from dispose_core.pose import skeleton
from dispose_core.pose.alignment.gap_filling import fill_gaps, hold_pose, one_euro, smooth
from dispose_core.pose.frame_ranges import name_frames
from dispose_core.pose.sequence import PoseSequence

WRIST = 4


def walking(frames: int) -> PoseSequence:
    """All 134 points at (t / 100, t² / 10000) with scores 0.5 + t / 100."""
    t = np.arange(frames) / 100
    points = np.broadcast_to(np.stack([t, t * t], -1)[:, None], (frames, 134, 2))
    return PoseSequence(points, np.broadcast_to(0.5 + t[:, None], (frames, 134)), (100, 100))


def test_a_gap_is_filled_along_a_straight_line(hide):
    filled, report = fill_gaps(hide(walking(20), slice(12, 16)), max_gap=12)

    # From frame 11 at (0.11, 0.0121) to frame 16 at (0.16, 0.0256): 0.0027 a frame.
    assert filled.points[12:16, 0, 0].tolist() == pytest.approx([0.12, 0.13, 0.14, 0.15])
    assert filled.points[12:16, 127, 1].tolist() == pytest.approx([0.0148, 0.0175, 0.0202, 0.0229])
    assert filled.scores[12:16, 60].tolist() == pytest.approx([0.62, 0.63, 0.64, 0.65])
    assert report == ["frames 12–15: no person found; filled by interpolation"]


def test_a_gap_at_the_limit_is_filled_and_one_longer_is_not(hide):
    pose = hide(hide(walking(60), slice(5, 8)), slice(30, 34))

    filled, report = fill_gaps(pose, max_gap=3)

    assert filled.present[5:8].all()
    assert not filled.present[30:34].any()
    assert report == [
        "frames 5–7: no person found; filled by interpolation",
        "frames 30–33: no person found for 4 frames (limit 3)",
    ]


def test_a_clip_that_starts_empty_does_not_borrow_from_its_end(hide):
    filled, _ = fill_gaps(hide(walking(10), [0, 1]), max_gap=12)

    assert not filled.present[:2].any()


def test_nothing_is_invented_before_the_first_and_after_the_last_pose(hide):
    filled, report = fill_gaps(hide(walking(10), [0, 1, 9]), max_gap=12)

    assert filled.present.tolist() == [False] * 2 + [True] * 7 + [False]
    assert report == [
        "frames 0–1: no person found before the first pose",
        "frame 9: no person found after the last pose",
    ]


def test_a_clip_without_anybody_stays_empty():
    filled, report = fill_gaps(PoseSequence.empty(4, (9, 9)), max_gap=12)

    assert not filled.present.any()
    assert report == ["frames 0–3: no person found; left empty"]


def test_no_gap_is_filled_when_the_limit_is_zero(hide):
    pose = hide(walking(5), 2)

    assert not fill_gaps(pose, max_gap=0)[0].present[2]


def test_single_joints_have_gaps_of_their_own(hide):
    pose = hide(hide(walking(20), slice(3, 5), WRIST), 9, skeleton.LEFT_HAND_SLICE)

    filled, report = fill_gaps(pose, max_gap=12)

    assert filled.points[3:5, WRIST, 0].tolist() == pytest.approx([0.03, 0.04])
    assert report == ["filled by interpolation: RWrist (3–4), left hand (9)"]


def test_an_unsure_body_joint_is_a_gap_but_an_unsure_finger_is_not(hide):
    pose = walking(3)
    points = pose.points.copy()
    points[1, [WRIST, 20]] = 0.9
    pose = hide(pose.with_points(points), 1, [WRIST, 20], 0.3)

    filled, _ = fill_gaps(pose, max_gap=12)

    assert filled.points[1, WRIST].tolist() == pytest.approx([0.01, 0.0002])
    assert filled.scores[1, WRIST] == pytest.approx(0.51)
    assert filled.points[1, 20].tolist() == [0.9, 0.9]


def test_an_unsure_joint_that_is_not_filled_keeps_its_place(hide):
    pose = hide(walking(6), slice(2, 6), WRIST, 0.2)

    filled, report = fill_gaps(pose, max_gap=12)

    assert np.array_equal(filled.points, pose.points)
    assert np.array_equal(filled.scores, pose.scores)
    assert report == ["not seen and left so: RWrist (2–5)"]


def test_joints_that_are_never_seen_are_named_once(standing, hide):
    pose = hide(standing(8), slice(None), [9, 10, 12, 13])

    assert fill_gaps(pose, 12)[1] == ["never seen: RKnee, RAnkle, LKnee, LAnkle"]


def test_a_complete_clip_is_untouched_and_not_talked_about():
    pose = walking(30)
    filled, report = fill_gaps(pose, 12)

    assert np.array_equal(filled.points, pose.points)
    assert report == []


def test_a_foot_is_filled_like_a_hand_and_named(hide):
    pose = walking(9)
    filled, report = fill_gaps(hide(pose, [3, 4], [128, 130]), 12)

    np.testing.assert_allclose(filled.points[3, 128], pose.points[3, 128], atol=0.001)
    assert report == ["filled by interpolation: left foot (3–4)"]


def test_smoothing_follows_a_parabola_exactly():
    pose = walking(12)

    np.testing.assert_allclose(smooth(pose).points, pose.points, atol=1e-15)


def test_smoothing_takes_down_a_spike_in_place(standing):
    pose = standing(9, (1000, 600))
    points = pose.points.copy()
    points[4, WRIST, 0] += 0.0035

    moved = smooth(pose.with_points(points)).points[:, WRIST, 0] - pose.points[:, WRIST, 0]

    assert moved.tolist() == pytest.approx(
        [0, 0, -0.0003, 0.0012, 0.0017, 0.0012, -0.0003, 0, 0], abs=1e-12
    )


@pytest.mark.parametrize("filtered", [smooth, lambda pose: one_euro(pose, 2.0)])
def test_smoothing_does_not_drag_what_moves_fast_between_frames(standing, filtered):
    """Arms that wave twice a second, in frames a half second apart: every frame is another end."""
    still = standing(12, (1000, 600))
    points = still.points.copy()
    points[:, WRIST, 1] -= 0.2 * (np.arange(12) % 3 == 1)  # 200 px
    waving = still.with_points(points)

    dragged = np.abs(filtered(waving).points - waving.points)[:, WRIST, 1] * 1000

    # 3 % of the body size, which is 240 px.
    assert dragged.max() < 7.3


def test_smoothing_leaves_the_ends_and_what_is_beside_a_gap(hide):
    rng = np.random.default_rng(0)
    pose = walking(12)
    pose = hide(pose.with_points(rng.random(pose.points.shape)), 5)

    smoothed = smooth(pose)

    changed = np.isfinite(pose.points) & (smoothed.points != pose.points)
    # Frame 5 is missing: frames 3–7 have it in their window.
    assert changed.any((1, 2)).tolist() == [
        False,
        False,
        True,
        *[False] * 5,
        True,
        True,
        False,
        False,
    ]
    assert smoothed.present.tolist() == pose.present.tolist()


@pytest.mark.parametrize("frames", [0, 1, 4])
def test_a_clip_shorter_than_the_window_is_not_smoothed(frames):
    pose = walking(frames)

    assert np.array_equal(smooth(pose).points, pose.points)


def trembling(standing, deviation: float, frames: int = 96) -> tuple[PoseSequence, PoseSequence]:
    """A person who stands still, 640 px high, and the same with noise of so many pixels."""
    still = standing(frames, (1000, 600))
    noise = np.random.default_rng(0).normal(0, deviation, still.points.shape)
    return still, still.with_points(still.points + noise / (600, 1000))


def test_one_euro_halves_the_tremble_of_a_person_at_rest(standing):
    still, noisy = trembling(standing, 3.0)

    left = [((one_euro(noisy, s).body - still.body) * (600, 1000)).std() for s in (1, 2, 4)]

    assert left[1] < 1.5
    assert left[0] > left[1] > left[2]


def test_one_euro_does_not_lag_behind_a_swing(standing):
    """1 Hz at 24 fps, 60 px to both sides: at most 16 px a frame."""
    still = standing(96, (1000, 600))
    t = 2 * np.pi * np.arange(96) / 24
    points = still.points.copy()
    points[:, WRIST, 0] += 60 / 600 * np.sin(t)

    way = (one_euro(still.with_points(points), 2.0).points - still.points)[24:72, WRIST, 0] * 600

    wave = np.mean(way * np.exp(-1j * t[24:72])) * 2j  # amplitude and lag of the swing
    assert abs(np.angle(wave)) / (2 * np.pi) * 24 < 0.05  # frames
    assert np.abs(wave) == pytest.approx(60, rel=0.05)


def test_one_euro_holds_an_unsure_point_by_its_neighbours(standing, hide):
    still = standing(30, (1000, 600))
    points = still.points.copy()
    points[15, WRIST, 0] += 0.1
    spike = still.with_points(points)

    sure = one_euro(spike, 2.0).points - still.points
    unsure = one_euro(hide(spike, 15, WRIST, 0.09), 2.0).points - still.points

    assert sure[15, WRIST, 0] > 0.02
    # A tenth of its usual score: a hundredth of the weight.
    assert abs(unsure[:, WRIST, 0]).max() < 0.002
    others = np.arange(skeleton.N_BODY) != WRIST
    assert abs(sure[:, : skeleton.N_BODY][:, others]).max() < 1e-12


def test_one_euro_trusts_a_detector_that_is_never_sure(standing, hide):
    _, noisy = trembling(standing, 3.0, 20)

    unsure = one_euro(hide(noisy, slice(None), slice(0, 18), 0.45), 2.0)

    assert np.array_equal(unsure.body, one_euro(noisy, 2.0).body)


def test_one_euro_counts_time_not_frames(standing):
    """Half a second is 12 frames of 24 fps and 4 of 8 fps."""
    still, noisy = trembling(standing, 3.0)

    def left(strength: float, fps: float = 24.0) -> float:
        return ((one_euro(noisy, strength, fps).body - still.body) * (600, 1000)).std()

    assert left(12.0, fps=8.0) == pytest.approx(left(4.0), rel=0.3)
    assert left(12.0) < 0.85 * left(4.0)


def test_the_last_pose_is_held_where_nobody_is(standing, hide):
    pose = walking(12)
    held, report = hold_pose(hide(pose, [0, 1, 6, 10, 11]))

    assert held.present.all()
    assert (
        held.points[[0, 1, 6, 10, 11], WRIST].tolist()
        == pose.points[[2, 2, 5, 9, 9], WRIST].tolist()
    )
    assert report == ["frames 0–1, 6, 10–11: nobody there, the pose before is held"]


def test_one_euro_does_not_reach_across_a_gap(standing, hide):
    pose = standing(20, (1000, 600))
    moved = pose.points + (np.arange(20) >= 10)[:, None, None] * (0.3, 0.0)
    gap = hide(pose.with_points(moved), [9, 10])

    smoothed = one_euro(gap, 5.0)

    np.testing.assert_allclose(smoothed.body, gap.body, atol=1e-12)
    assert np.array_equal(smoothed.scores, gap.scores)


def test_one_euro_does_the_same_at_every_image_size(standing):
    _, noisy = trembling(standing, 3.0, 20)
    large = PoseSequence(noisy.points, noisy.scores, (4000, 2400))

    np.testing.assert_allclose(one_euro(large, 2.0).body, one_euro(noisy, 2.0).body, atol=1e-12)


def test_one_euro_is_off_at_strength_zero_and_leaves_empty_clips(standing):
    _, noisy = trembling(standing, 3.0, 4)

    assert one_euro(noisy, 0.0) is noisy
    assert not one_euro(PoseSequence.empty(4, (9, 9)), 2.0).present.any()
    assert len(one_euro(standing(0), 2.0)) == 0


def test_frames_are_named_in_stretches():
    mask = np.zeros(30, dtype=bool)
    mask[[7]] = True
    assert name_frames(mask) == "frame 7"
    mask[12:16] = True
    mask[29] = True
    assert name_frames(mask) == "frames 7, 12–15, 29"
    mask = np.arange(30) % 2 == 0
    assert name_frames(mask) == "frames 0, 2, 4, 6, 8, 10, …"


def test_a_hand_that_is_left_alone_is_nobody(standing):
    pose = standing(6)
    scores, points = pose.scores.copy(), pose.points.copy()
    scores[3:, :18] = 0.0
    points[3:, 20], scores[3:, 20] = 0.9, 0.1

    held, report = hold_pose(pose.with_points(points, scores))

    assert np.array_equal(held.body[3:], pose.body[[2] * 3])
    assert report == ["frames 3–5: nobody there, the pose before is held"]
