from __future__ import annotations

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.sequence import PoseSequence, join_sequences, joined


def test_arrays_without_feet_are_completed_by_missing_ones():
    pose = PoseSequence(np.full((2, 128, 2), 0.5), np.ones((2, 128)), (10, 10))

    assert pose.points.shape == (2, 134, 2) and pose.feet.shape == (2, 2, 3, 2)
    assert pose.scores[:, :128].all() and not pose.feet_scores.any()
    assert np.isnan(pose.feet).all()


def test_binary_scores_are_1_for_what_counts_as_found():
    scores = np.zeros((1, 134))
    scores[0, [0, 1, 20, 130]] = 0.3, 0.31, 0.05, 0.05  # body, body, hand, foot
    pose = PoseSequence(np.full((1, 134, 2), 0.5), scores, (10, 10)).with_binary_scores()

    assert np.flatnonzero(pose.scores[0]).tolist() == [1, 20, 130]
    assert set(pose.scores[0]) == {0.0, 1.0}


def test_a_point_without_score_has_no_coordinates_either():
    points, scores = np.zeros((1, 128, 2)), np.ones((1, 128))
    scores[0, 3] = 0.0
    scores[0, 4] = -0.2  # raw network output

    pose = PoseSequence(points, scores, (10, 10))

    assert np.isnan(pose.points[0, 3:5]).all()
    assert pose.scores[0, 3:6].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_point_without_coordinates_has_no_score(bad):
    points = np.zeros((1, 128, 2))
    points[0, 7, 1] = bad

    pose = PoseSequence(points, np.ones((1, 128)), (10, 10))

    assert pose.scores[0, 7] == 0.0
    assert np.isnan(pose.points[0, 7]).all()


def test_a_score_that_is_no_number_counts_as_missing():
    scores = np.ones((1, 128))
    scores[0, 5] = np.nan

    assert PoseSequence(np.zeros((1, 128, 2)), scores, (10, 10)).scores[0, 5] == 0.0


def test_the_arrays_that_a_pose_was_made_from_stay_as_they_were():
    points, scores = np.zeros((1, 128, 2)), np.zeros((1, 128))
    PoseSequence(points, scores, (10, 10))

    assert (points == 0).all()


def test_parts_land_where_they_are_read_again():
    rng = np.random.default_rng(0)
    body, hands, face = rng.random((2, 18, 2)), rng.random((2, 2, 21, 2)), rng.random((2, 68, 2))
    pose = PoseSequence.from_parts(
        (4, 6), body, np.full((2, 18), 0.5), hands, np.full((2, 2, 21), 0.6),
        face, np.full((2, 68), 0.7),
    )  # fmt: skip

    assert np.array_equal(pose.body, body)
    assert np.array_equal(pose.hands, hands)
    assert np.array_equal(pose.face, face)
    assert np.array_equal(pose.points[:, skeleton.LEFT_HAND_SLICE], hands[:, 0])
    scores = (pose.body_scores.mean(), pose.hands_scores.mean(), pose.face_scores.mean())
    assert scores == pytest.approx((0.5, 0.6, 0.7))


def test_a_body_point_is_visible_above_three_tenths_only(standing, hide):
    pose = hide(standing(), 0, [0], 0.3)

    assert not pose.body_visible[0, 0]
    assert pose.body_visible[0, 1:].all()
    assert pose.present.tolist() == [True]  # but it is there


def test_frames_are_picked_by_index_slice_or_list(standing):
    pose = standing(5)

    assert (len(pose[3]), len(pose[1:4]), len(pose[[0, 4]])) == (1, 3, 2)
    assert pose[1:4].canvas == pose.canvas


def test_wrong_shapes_are_named():
    with pytest.raises(PoseError, match=r"\(T, 134, 2\).*got \(2, 18, 2\) and \(2, 18\)"):
        PoseSequence(np.zeros((2, 18, 2)), np.zeros((2, 18)), (4, 4))


def test_a_clip_starts_with_the_reference(standing):
    clip = join_sequences(standing(1), standing(3, canvas=(400, 200), shift=(0.1, 0.0)))

    assert len(clip) == 4
    assert clip.canvas == (200, 100)
    assert clip.body[0, 0].tolist() == [0.5, 0.2]
    assert clip.body[1, 0].tolist() == pytest.approx([0.6, 0.2])


def test_poses_of_images_of_another_shape_are_not_joined(standing):
    with pytest.raises(PoseError, match=r"driving poses: found in .* 9×9 pixels, .*\(100×200\)"):
        join_sequences(standing(1), standing(3, canvas=(9, 9)))
    with pytest.raises(PoseError, match="reference pose: fractions of an image"):
        join_sequences(standing(1, canvas=(1, 1)), standing(3))


def test_a_clip_needs_one_reference_pose_and_a_driving_pose(standing):
    with pytest.raises(PoseError, match="reference pose: 3 poses, needed 1"):
        join_sequences(standing(3), standing(2))
    with pytest.raises(PoseError, match="driving poses: the list is empty"):
        join_sequences(standing(1), standing(0))


def test_two_clips_of_different_people_are_joined(standing):
    one, two = standing(1), standing(2, canvas=(400, 200), shift=(0.1, 0.0))

    together = joined([one], [two, two])

    assert [person.present.tolist() for person in together] == [[True] * 3, [False, True, True]]
    assert together[0].body[0, 0].tolist() == [0.5, 0.2]
    with pytest.raises(PoseError, match="100×200 and 9×9"):
        joined([one], [standing(1, canvas=(9, 9))])
