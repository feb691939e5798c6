"""Method "limbs": bone lengths of the reference, directions of the driver."""

from __future__ import annotations

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.alignment.align import align_poses
from dispose_core.pose.alignment.body_proportions import Proportions, difference
from dispose_core.pose.sequence import PoseSequence
from tests.pose.dancers import (
    CHILD,
    HEAD,
    LEGS,
    LIMBS,
    SIZE,
    angles,
    dancing,
    lengths,
    of_other_build,
    pixels,
    retarget,
)


@pytest.mark.parametrize("canvas", [SIZE, (400, 400), (300, 1200)])
def test_the_own_pose_stays_put_in_any_canvas(standing, canvas):
    reference = dancing(standing, 1)
    margin = (canvas[1] - canvas[0] / 2) / 2  # the image's shape, in the middle of the canvas
    at = (pixels(reference) * canvas[0] / SIZE[0] + (margin, 0)) / (canvas[1], canvas[0])
    driving = PoseSequence(np.repeat(at, 6, 0), np.repeat(reference.scores, 6, 0), canvas)

    aligned, _ = retarget(reference, driving)

    assert aligned.canvas == SIZE
    np.testing.assert_allclose(
        pixels(aligned), np.repeat(pixels(reference), 6, 0), rtol=0, atol=1e-6
    )


def test_a_child_keeps_its_proportions_and_takes_the_adult_s_directions(standing):
    driving = dancing(standing)
    child = of_other_build(driving[0], CHILD)

    aligned, report = retarget(child, driving)

    np.testing.assert_allclose(lengths(aligned), np.repeat(lengths(child), 24, 0), rtol=1e-9)
    np.testing.assert_allclose(angles(aligned), angles(driving), atol=1e-9)
    np.testing.assert_allclose(aligned.body[0], child.body[0], atol=1e-9)
    # The trunk has 2 bones of 0.6, the legs 4 of 0.5: 254.95 px a trunk bone, 170 and 180 px legs.
    scale = (2 * 254.951 * 0.6 + 2 * (170 + 180) * 0.5) / (2 * 254.951 + 2 * (170 + 180))
    assert report[0] == f"body scaled by {scale:.3f} in pixels, its bones by 0.50 to 0.80"


def test_one_scale_pulls_a_child_out_of_shape_and_says_so(standing):
    driving = dancing(standing)
    child = of_other_build(driving[0], CHILD)

    aligned, report = align_poses([child], [driving], SIZE)

    assert np.abs(lengths(aligned[0])[0] / lengths(child)[0] - 1).max() > 0.2
    # Shoulders, arms and trunk at 0.6 are the middle; the neck's 0.8 is a third more.
    assert "proportions of the two bodies differ by up to 33%" in report[-1]


def test_a_body_of_the_same_build_differs_by_nothing(standing):
    small = standing(1, SIZE, scale=0.3)

    assert (
        difference(Proportions.measure(small, SIZE), Proportions.measure(standing(3, SIZE), SIZE))
        < 1e-12
    )


def test_the_sample_keeps_bones_within_two_percent_and_planted_feet(sample):
    reference, driving = sample

    aligned, _ = retarget(reference, driving)

    np.testing.assert_allclose(lengths(aligned) / lengths(reference), 1.0, atol=0.0151)
    feet_by, feet = pixels(driving)[:, [10, 13]], pixels(aligned)[:, [10, 13]]
    rests = np.hypot(*np.moveaxis(np.diff(feet_by, axis=0), -1, 0)) < 1.0
    slide = np.hypot(*np.moveaxis(np.diff(feet, axis=0), -1, 0))[rests]
    assert rests.sum() == 91
    assert slide.max() < 0.5 and slide.mean() < 0.05
    # The right foot stands in frames 0-24 and stays on its spot for all of them.
    assert np.ptp(feet[:25, 0], axis=0).max() < 0.5
    hips_by, hips = pixels(driving)[:, [8, 11]].mean(1), pixels(aligned)[:, [8, 11]].mean(1)
    assert hips[0] == pytest.approx(pixels(reference)[0, [8, 11]].mean(0), abs=1)
    assert np.hypot(*np.diff(hips_by, 2, axis=0).T).max() < 1
    assert np.hypot(*np.diff(hips, 2, axis=0).T).max() < 0.75
    knees = np.diff(pixels(aligned)[:, [9, 12]], 2, axis=0)
    assert np.hypot(*np.moveaxis(knees, -1, 0)).max() < 6  # the driver's own: 6.7


def test_a_half_length_portrait_is_driven_and_its_legs_hang_out_of_the_image(standing, hide):
    driving = dancing(standing)
    portrait = hide(dancing(standing, 1, scale=1.8, shift=(-0.4, -0.1)), 0, LEGS)

    aligned, report = retarget(portrait, driving)

    np.testing.assert_allclose(
        pixels(aligned)[0, [1, 4, 8]], pixels(portrait)[0, [1, 4, 8]], atol=1e-6
    )
    # 0.17 + 0.18 of the image below the hips at 0.89, 1.8 times as long.
    assert aligned.body[:, 10, 1] == pytest.approx(0.89 + 1.8 * 0.35)
    assert report[1] == (
        "not seen in the reference, lengths from the driving person: "
        "to RKnee, RAnkle, LKnee, LAnkle"
    )


def test_a_bone_that_is_hidden_on_one_side_is_as_long_as_on_the_other(standing, hide):
    reference = of_other_build(standing(1, SIZE), CHILD)

    aligned, report = retarget(hide(reference, 0, [3, 4]), standing(4, SIZE))

    np.testing.assert_allclose(lengths(aligned)[0], lengths(reference)[0], rtol=1e-9)
    assert not any("from the driving person" in line for line in report)


def test_what_the_driver_does_not_show_stays_missing(standing, hide):
    driving = hide(hide(standing(30, SIZE), slice(5, 25), LEGS), slice(None), [17, 3])

    aligned, _ = retarget(standing(1, SIZE), driving)

    assert (aligned.scores > 0).tolist() == (driving.scores > 0).tolist()
    # The wrist whose elbow is never seen keeps its way from the shoulder.
    np.testing.assert_allclose(aligned.body[:, 4], driving.body[:, 4], atol=1e-9)


def test_a_clip_with_hips_in_some_frames_does_not_jump(standing, hide):
    driving = hide(dancing(standing, 40), slice(10, 30), [1, 2, 5])
    driving = hide(driving, slice(0, 5), [8, 11, *LEGS])

    aligned, _ = retarget(dancing(standing, 1), driving, max_gap=0)

    for joint in (0, 8):
        path = pixels(aligned)[:, joint]
        assert np.nanmax(np.ptp(path[np.isfinite(path).all(-1)], axis=0)) < 1e-6


def test_the_root_moves_by_the_ratio_of_the_body_sizes(standing, hide):
    """Without legs nothing is planted: 0.3 of the image to the right, at half the size."""
    driving = hide(standing(11, SIZE), slice(None), LEGS)
    driving = driving.with_points(driving.points + np.linspace(0, 0.3, 11)[:, None, None] * (1, 0))

    aligned, report = retarget(standing(1, SIZE, scale=0.5), driving)

    assert (aligned.body[:, 8, 0] - aligned.body[0, 8, 0])[[5, 10]] == pytest.approx([0.075, 0.15])
    assert "the driving person shows no whole leg; nothing is kept on the ground" in report


def test_a_driver_who_leans_starts_with_the_hips_on_the_reference_s(standing):
    driving = standing(3, SIZE)
    points = driving.points.copy()
    points[:, [*range(8), *range(14, 18)], 0] += 0.1

    aligned, _ = retarget(standing(1, SIZE), driving.with_points(points))

    assert aligned.body[0, [8, 11], 0].mean() == pytest.approx(0.5)
    assert aligned.body[0, 1, 0] > 0.57


def test_a_clip_that_starts_with_other_parts_is_placed_where_both_are_seen(standing, hide):
    head = hide(standing(1, SIZE), 0, range(2, 14))
    driving = hide(standing(8, SIZE), slice(0, 3), [*range(8), *range(14, 18)])

    aligned, _ = retarget(head, driving)

    np.testing.assert_allclose(aligned.body[4, 1], head.body[0, 1], atol=1e-9)


def test_hips_are_as_wide_as_the_reference_s(standing):
    wide = standing(1, SIZE).points.copy()
    wide[:, 8, 0] -= 0.02
    wide[:, 11, 0] += 0.02
    reference = standing(1, SIZE).with_points(wide)

    aligned, _ = retarget(reference, standing(3, SIZE))

    assert aligned.body[1, 11, 0] - aligned.body[1, 8, 0] == pytest.approx(0.14)


def test_a_forearm_that_points_at_the_camera_swings_from_side_to_side(standing):
    """Its length goes through zero as it turns from the right to the left."""
    driving = standing(21, SIZE)
    points = driving.points.copy()
    points[:, 4] = points[:, 3] + np.linspace(0.1, -0.1, 21)[:, None] * (1, 0)
    points[10, 4] += (0, 1e-4)

    aligned, _ = retarget(standing(1, SIZE), driving.with_points(points))

    np.testing.assert_allclose(
        lengths(aligned), np.repeat(lengths(standing(1, SIZE)), 21, 0), rtol=1e-9
    )
    forearm = angles(aligned)[:, 3]
    assert forearm[[0, 20]] == pytest.approx([0, np.pi])
    # Shorter than a fifth of its length in frames 9–11: a quarter of the turn in each frame.
    assert np.abs(np.diff(np.unwrap(forearm))).max() == pytest.approx(np.pi / 4)


def test_hands_feet_and_face_follow_their_joint_at_the_reference_s_size(standing):
    driving = dancing(standing)
    reference = of_other_build(driving[0], CHILD)
    points = reference.points.copy()
    for part, joint, size in (
        (skeleton.LEFT_HAND_SLICE, 7, 0.7), (skeleton.RIGHT_HAND_SLICE, 4, 0.7),
        (skeleton.FACE_SLICE, 0, 1.1),
        (skeleton.LEFT_FOOT_SLICE, 13, 0.5), (skeleton.RIGHT_FOOT_SLICE, 10, 0.5),
    ):  # fmt: skip
        way = driving.points[0, part] - driving.points[0, joint]
        points[0, part] = points[0, joint] + way * size
    reference = reference.with_points(points)

    aligned, _ = retarget(reference, driving)

    np.testing.assert_allclose(aligned.points[0], reference.points[0], atol=1e-9)
    for part, joint, size in (
        (skeleton.LEFT_HAND_SLICE, 7, 0.7),
        (skeleton.FACE_SLICE, 0, 1.1),
        (skeleton.LEFT_FOOT_SLICE, 13, 0.5),
    ):
        way = driving.points[:, part] - driving.points[:, [joint]]
        np.testing.assert_allclose(
            aligned.points[:, part] - aligned.points[:, [joint]], way * size, atol=1e-9
        )


def test_a_hand_that_the_reference_does_not_show_has_the_size_of_the_forearm(standing, hide):
    driving = dancing(standing)
    reference = hide(of_other_build(driving[0], CHILD), 0, skeleton.HANDS_SLICE)

    aligned, _ = retarget(reference, driving)

    way = driving.points[:, skeleton.LEFT_HAND_SLICE] - driving.points[:, [7]]
    mine = aligned.points[:, skeleton.LEFT_HAND_SLICE] - aligned.points[:, [7]]
    np.testing.assert_allclose(mine, way * 0.6, atol=1e-9)


def test_a_hand_without_a_wrist_keeps_its_way_from_the_elbow(standing, hide):
    driving = hide(dancing(standing), slice(5, 9), 7)

    aligned, _ = retarget(dancing(standing, 1), driving, max_gap=0)

    np.testing.assert_allclose(
        aligned.points[5:9, skeleton.LEFT_HAND_SLICE],
        driving.points[5:9, skeleton.LEFT_HAND_SLICE],
        atol=1e-9,
    )


def test_a_hand_seen_from_its_edge_does_not_make_all_hands_small(standing):
    """The palm of the reference is a tenth as large, which no hand is: the forearm's 1 counts."""
    driving = dancing(standing)
    points = driving[0].points.copy()
    for part, wrist in ((skeleton.LEFT_HAND_SLICE, 7), (skeleton.RIGHT_HAND_SLICE, 4)):
        points[:, part] = points[:, [wrist]] + (points[:, part] - points[:, [wrist]]) * 0.1

    aligned, _ = retarget(driving[0].with_points(points), driving)

    way = driving.points[:, skeleton.LEFT_HAND_SLICE] - driving.points[:, [7]]
    mine = aligned.points[:, skeleton.LEFT_HAND_SLICE] - aligned.points[:, [7]]
    np.testing.assert_allclose(mine, way, atol=1e-9)


def test_a_missing_neck_stands_between_the_shoulders(standing, hide):
    reference = hide(of_other_build(standing(1, SIZE), CHILD), 0, 1)

    aligned, report = retarget(reference, hide(standing(4, SIZE), slice(None), 1))

    np.testing.assert_allclose(aligned.body[2, 2:14], reference.body[0, 2:14], atol=1e-9)
    assert not aligned.body_scores[:, 1].any()
    assert not any("from the driving person" in line for line in report)


def test_a_head_keeps_the_way_it_looks(standing):
    """An ear that comes to the nose as the driver turns comes to the reference's."""
    driving = standing(9, SIZE)
    points = driving.points.copy()
    points[4, 17] = points[4, 0]

    aligned, _ = retarget(of_other_build(standing(1, SIZE), CHILD), driving.with_points(points))

    np.testing.assert_allclose(aligned.body[4, 17], aligned.body[4, 0], atol=1e-12)


def test_other_people_move_by_the_scale_of_the_bodies(standing):
    people = [standing(3, SIZE), standing(3, SIZE, shift=(0.2, 0.0))]

    aligned, _ = align_poses([standing(1, SIZE, scale=0.5)], people, SIZE, LIMBS)

    # Hips at (0.5, 0.55) come to (0.25, 0.275); the second person stands 0.2 · 0.5 beside.
    np.testing.assert_allclose(aligned[1].body, aligned[0].body + np.array([0.1, 0]), atol=1e-9)


def test_a_close_up_drives_a_close_up(standing, hide):
    rest = [i for i in range(18) if i not in HEAD]
    driving = hide(standing(5, SIZE), slice(None), rest)
    driving = driving.with_points(driving.points + np.arange(5)[:, None, None] * (0.01, 0))

    aligned, report = retarget(hide(standing(1, SIZE), 0, rest), driving)

    np.testing.assert_allclose(aligned.body, driving.body, atol=1e-9)
    assert (
        report[0] == "the reference shows no bone of the driving person, who keeps their own size"
    )


def test_people_who_share_nothing_are_refused(standing, hide):
    head = hide(standing(1, SIZE), 0, range(1, 18))
    legs = hide(standing(3, SIZE), slice(None), [i for i in range(18) if not 8 <= i <= 13])

    with pytest.raises(PoseError, match="share no visible joint of trunk or limbs"):
        retarget(head, legs)
    with pytest.raises(PoseError, match="no neck, shoulders, pair of hips or nose found"):
        retarget(standing(1, SIZE), hide(standing(3, SIZE), slice(None), [0, 1, 2, 5, 8]))


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_clips_are_retargeted(standing, frames):
    aligned, _ = retarget(standing(1, SIZE), standing(frames, SIZE))

    np.testing.assert_allclose(aligned.body, standing(frames, SIZE).body, atol=1e-9)
