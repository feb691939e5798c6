from __future__ import annotations

import json

import numpy as np
import pytest

from dispose_core.errors import MediaError, PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.openpose_json import (
    read_openpose,
    save_openpose,
    write_openpose,
)
from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import PoseSequence


def person(body=None, **more) -> dict:
    return {"pose_keypoints_2d": body, **more}


def frame(*people: dict, size=(200, 100)) -> dict:
    return {"people": list(people), "canvas_height": size[0], "canvas_width": size[1]}


def body_of(count: int = 18, score: float = 0.8) -> list[float]:
    """Point i at (i + 10, 2 i + 10) pixels."""
    return [v for i in range(count) for v in (i + 10.0, 2.0 * i + 10.0, score)]


def random_pose(frames: int, seed: int) -> PoseSequence:
    rng = np.random.default_rng(seed)
    scores = rng.random((frames, 134)) * (rng.random((frames, 134)) > 0.2)
    return PoseSequence(rng.random((frames, 134, 2)) * 1.4 - 0.2, scores, (1024, 576))


def assert_same(a: PoseSequence, b: PoseSequence) -> None:
    assert a.canvas == b.canvas
    assert np.array_equal(a.scores, b.scores)
    np.testing.assert_allclose(a.points, b.points, rtol=0, atol=1e-15)


def test_nothing_is_lost_on_the_way_out_and_in():
    people = [random_pose(4, 1), random_pose(4, 2)]

    for before, after in zip(people, read_openpose(write_openpose(people)), strict=True):
        assert_same(before, after)


def test_nothing_is_lost_through_a_file(tmp_path):
    people = [random_pose(3, 3)]
    save_openpose(tmp_path / "new folder" / "poses.json", people)

    assert_same(load_poses(tmp_path / "new folder" / "poses.json")[0][0], people[0])


def test_pixels_become_fractions_of_the_canvas():
    pose = read_openpose(frame(person(body_of())))[0]

    assert pose.canvas == (200, 100)
    assert pose.body[0, 5].tolist() == [0.15, 0.1]  # (15, 20) of 100×200
    assert pose.body_scores[0, 5] == 0.8


def test_fractions_are_taken_as_they_are():
    flat = [v for i in range(18) for v in (0.5, i / 18 + 0.01, 1.0)]
    pose = read_openpose([frame(person(flat))])[0]

    assert pose.body[0, 9].tolist() == [0.5, 0.51]


def test_fractions_need_no_canvas_and_pixels_do():
    flat = [0.5, 0.5, 1.0] * 18

    assert read_openpose([{"people": [person(flat)]}])[0].canvas == (1, 1)
    with pytest.raises(PoseError, match=r"poses: .* canvas_width and canvas_height"):
        read_openpose([{"people": [person(body_of())]}])
    assert read_openpose([{"people": [person(body_of())]}], canvas=(200, 100))[0].body[
        0, 5
    ].tolist() == [0.15, 0.1]


def test_frames_that_name_no_canvas_have_that_of_the_others():
    pose = read_openpose(
        [{"people": []}, frame(person(body_of())), {"people": [person(body_of())]}]
    )

    assert pose[0].canvas == (200, 100)
    assert pose[0].body[2, 5].tolist() == [0.15, 0.1]


def test_each_frame_is_read_with_its_own_canvas():
    pose = read_openpose([frame(person(body_of())), frame(person(body_of()), size=(400, 200))])[0]

    assert pose.body[1].tolist() == pytest.approx(pose.body[0] / 2)


def test_of_25_body_points_the_18_are_kept():
    pose = read_openpose(frame(person(body_of(25))))[0]

    # 8 is the middle of the hips, 19 and above are the feet.
    assert pose.body[0, :, 0] * 100 - 10 == pytest.approx([*range(8), *range(9, 19)])
    assert pose.feet[0, ..., 0].ravel() * 100 - 10 == pytest.approx([*range(19, 25)])


def test_of_70_face_points_the_eyes_are_dropped():
    pose = read_openpose(frame(person(body_of(), face_keypoints_2d=body_of(70))))[0]

    assert pose.face[0, 67].tolist() == pytest.approx([0.77, 0.72])
    assert (pose.face_scores == 0.8).all()


@pytest.mark.parametrize("value", [None, []])
def test_a_part_nobody_looked_for_is_missing(value):
    keys = ("hand_left_keypoints_2d", "hand_right_keypoints_2d", "face_keypoints_2d")
    pose = read_openpose(frame(person(body_of(), **dict.fromkeys(keys, value))))[0]

    assert (pose.scores[0, 18:] == 0).all()
    assert (pose.body_scores == 0.8).all()


def test_hands_land_on_their_side():
    flat = {"hand_left_keypoints_2d": [1.0, 1.0, 0.5] * 21}
    pose = read_openpose(frame(person(body_of(), **flat)))[0]

    assert (pose.scores[0, skeleton.LEFT_HAND_SLICE] == 0.5).all()
    assert (pose.scores[0, skeleton.RIGHT_HAND_SLICE] == 0).all()


@pytest.mark.parametrize("nobody", [{"people": []}, {"people": None}])
def test_frames_without_people_stay_in_the_count(nobody):
    pose = read_openpose([frame(person(body_of())), nobody])[0]

    assert pose.present.tolist() == [True, False]


def test_zero_zero_is_missing_whatever_its_score():
    flat = body_of()
    flat[0:3] = [0.0, 0.0, 1.0]

    assert read_openpose(frame(person(flat)))[0].body_scores[0, 0] == 0


def test_two_people_keep_their_slots_when_the_first_steps_out():
    first, second = random_pose(3, 4), random_pose(3, 5)
    scores = first.scores.copy()
    scores[1] = 0
    first = first.with_points(first.points, scores)

    again = read_openpose(write_openpose([first, second]))

    assert_same(again[0], first)
    assert_same(again[1], second)


def test_a_person_who_is_gone_is_not_written():
    first, second = random_pose(2, 6), random_pose(2, 7)
    scores = second.scores.copy()
    scores[1] = 0
    frames = write_openpose([first, second.with_points(second.points, scores)])

    assert [len(f["people"]) for f in frames] == [2, 1]


def test_a_body_alone_writes_zeros_for_all_other_parts(standing):
    written = write_openpose([standing()])[0]

    lists = written["people"][0]
    assert {key: len(values) for key, values in lists.items()} == {
        "pose_keypoints_2d": 54,
        "hand_left_keypoints_2d": 63,
        "hand_right_keypoints_2d": 63,
        "face_keypoints_2d": 210,
        "foot_keypoints_2d": 18,
    }
    assert {key for key, values in lists.items() if any(values)} == {"pose_keypoints_2d"}
    assert (written["canvas_height"], written["canvas_width"]) == (200, 100)
    json.dumps(written, allow_nan=False)


def test_the_face_ends_with_the_eyes_and_the_feet_are_their_own_list():
    pose = random_pose(1, 8)
    scores = np.where(np.isin(np.arange(134), [14, 129]), 0.0, np.maximum(pose.scores, 0.1))
    pose = PoseSequence(np.random.default_rng(9).random((1, 134, 2)), scores, (1024, 576))
    person = write_openpose([pose])[0]["people"][0]

    def triple(points, i):
        return [*(points[i] * (576, 1024)), scores[0, i]]

    face, feet = person["face_keypoints_2d"], person["foot_keypoints_2d"]
    assert face[201:204] == pytest.approx(triple(pose.points[0], 127))  # the last of the 68
    assert face[204:207] == [0, 0, 0]  # the right eye is missing
    assert face[207:] == pytest.approx(triple(pose.points[0], 15))
    assert feet[:3] == pytest.approx(triple(pose.points[0], 128))  # the left big toe
    assert feet[3:6] == [0, 0, 0]
    assert feet[15:] == pytest.approx(triple(pose.points[0], 133))  # the right heel
    assert_same(read_openpose(write_openpose([pose]))[0], pose)


def test_numpy_numbers_are_numbers():
    flat = np.array(body_of(), dtype=np.float32)
    one = frame(person(flat), size=(np.int64(200), np.int64(100)))

    for pose in read_openpose(one), read_openpose(frame(person(list(flat)))):
        assert pose[0].body[0, 5].tolist() == [0.15, 0.1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "12", 10**400])
def test_a_value_that_is_no_number_is_named_with_its_place(value):
    flat = body_of()
    flat[7] = value

    with pytest.raises(
        PoseError, match=r"driving, frame 1, person 0, pose_keypoints_2d: value 7 \(point 2\)"
    ):
        read_openpose([frame(), frame(person(flat))], name="driving")


def test_a_list_of_the_wrong_length_says_which_lengths_fit():
    with pytest.raises(PoseError, match="face_keypoints_2d: 9 values, needed 204 or 210"):
        read_openpose(frame(person(body_of(), face_keypoints_2d=[1.0] * 9)))


@pytest.mark.parametrize("value", [5, "1 2 3", {"x": 1}])
def test_a_part_that_is_no_list_is_refused(value):
    with pytest.raises(PoseError, match=r"pose_keypoints_2d: .* is not a list of numbers"):
        read_openpose(frame(person(value)))


@pytest.mark.parametrize("value", [3, "people", [1, 2], [[{"people": []}]]])
def test_what_is_no_pose_at_all_is_refused(value):
    with pytest.raises(PoseError, match="poses: not OpenPose keypoints"):
        read_openpose(value)


@pytest.mark.parametrize("people", [{"a": 1}, [3]])
def test_people_that_are_no_list_of_objects_are_refused(people):
    with pytest.raises(PoseError, match="poses, frame 0: 'people' is not a list of objects"):
        read_openpose({"people": people})


def test_an_empty_list_is_refused():
    with pytest.raises(PoseError, match="poses: no frame in it"):
        read_openpose([])


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff"])
def test_a_file_that_is_not_json_is_named(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(PoseError, match=r"broken\.json: not valid JSON"):
        load_poses(path)[0]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PoseError, match=r"none\.json: cannot be read"):
        load_poses(tmp_path / "none.json")[0]


def test_a_failed_save_leaves_the_old_file(tmp_path, standing, monkeypatch):
    path = tmp_path / "poses.json"
    path.write_text("old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dispose_core.pose.openpose_json.write_list", full)
    with pytest.raises(MediaError, match="No space left on device"):
        save_openpose(path, [standing()])
    monkeypatch.undo()

    assert path.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["poses.json"]
