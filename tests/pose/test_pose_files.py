"""Pose files of other programs: remade from real users' files, and variants of each kind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.formats.base import frames_by_id
from dispose_core.pose.keypoint_layouts import LAYOUTS, to_skeleton
from dispose_core.pose.pose_files import CanvasSize, load_poses

FILES = Path(__file__).parent / "files_of_others"
SIZE = CanvasSize(1024, 576)
# Nose, neck and right shoulder of the dancer whose poses all files of 12 frames hold.
DANCER = [[0.5386, 0.2823], [0.5376, 0.3581], [0.4160, 0.3581]]
STANDING = [[0.5, 0.2745], [0.5, 0.3652], [0.3785, 0.3652]]


@pytest.mark.parametrize(
    ("name", "kind", "frames", "start"),
    [
        ("alphapose.json", "AlphaPose or COCO results", 12, DANCER),
        ("mmpose.json", "mmpose predictions", 12, DANCER),
        ("coco17_in_openpose.json", "OpenPose frames", 12, DANCER),
        ("cmu_merged_dict.json", "OpenPose frames in a wrapper", 12, DANCER),
        ("wrapped_frames.json", "OpenPose frames in a wrapper", 12, DANCER),
        ("mp_closeup.json", "OpenPose frames", 12, DANCER),
        ("editor_keypoints.json", "keypoints of a pose editor", 1, STANDING),
        ("person_only.json", "an OpenPose person", 1, STANDING),
        ("editor3d_width_height.json", "an OpenPose frame", 1, STANDING),
    ],
)
def test_each_format_is_recognized_and_read(name, kind, frames, start):
    (person,), report = load_poses(FILES / name, SIZE)

    assert report == [f"{name}: {kind}, {frames} frame{'s' * (frames > 1)}"]
    assert person.canvas == (1024, 576) or name == "mp_closeup.json"
    assert person.present.all() and len(person) == frames
    np.testing.assert_allclose(person.body[0, :3], start, atol=2e-3)
    assert person.scores.max() <= 1


def test_what_no_reader_knows_is_refused_with_what_it_holds():
    with pytest.raises(PoseError, match=r"animals.json: no poses .*version, animals, canvas"):
        load_poses(FILES / "animals.json")


@pytest.mark.parametrize("value", [{}, [{}], {"a": 1}, [{"x": 1}], 3, "poses", [[1, 2]], [1, 2]])
def test_no_other_json_passes_as_frames_without_people(tmp_path, value):
    (tmp_path / "other.json").write_text(json.dumps(value))
    with pytest.raises(PoseError, match=r"other.json: no poses that are known here; it holds"):
        load_poses(tmp_path / "other.json")


def test_a_guess_far_outside_does_not_make_pixels_of_fractions():
    (person,), _ = load_poses(FILES / "mp_closeup.json")

    assert person.body[0, 10, 1] == pytest.approx(3.2)  # the ankle, guessed below the image
    assert person.body_scores[0, 10] == pytest.approx(0.05)


def test_minus_one_is_missing():
    (person,), _ = load_poses(FILES / "editor3d_width_height.json")

    assert person.body_scores[0, 16] == 0 and person.body_visible[0].sum() == 17


def test_a_folder_with_a_file_per_frame_is_a_clip(tmp_path):
    folder = tmp_path / "clip"
    shutil.copytree(FILES / "folder", folder)
    # Numbers without leading zeros are in their own order, and half-written files are hidden.
    for i, file in enumerate(sorted(folder.iterdir())):
        file.rename(folder / f"dance_{9 + i}_keypoints.json")
    (folder / ".dance_1_keypoints.json").write_text("{")

    (person,), report = load_poses(folder, SIZE)

    assert report == ["clip: one file a frame, an OpenPose frame, 3 frames"]
    np.testing.assert_allclose(person.body[0, :3], DANCER, atol=2e-3)
    assert person.body[2, 0].tolist() != person.body[0, 0].tolist()
    with pytest.raises(PoseError, match=r"coordinates are pixels but canvas_width"):
        load_poses(folder)


def test_a_folder_is_read_with_one_frame_a_file(tmp_path):
    shutil.copy(FILES / "mmpose.json", tmp_path)
    with pytest.raises(PoseError, match=r"12 frames, but a folder .* Load this file alone"):
        load_poses(tmp_path)
    with pytest.raises(PoseError, match="no JSON file in this folder"):
        load_poses(tmp_path / "..")


def test_a_video_of_skeletons_is_told_what_is_wanted(tmp_path):
    (tmp_path / "skeleton.mp4").write_bytes(b"\0\0\0\x20ftypisom\xff\xfe")
    with pytest.raises(PoseError, match=r"not valid JSON .*video .*let the poses be detected"):
        load_poses(tmp_path / "skeleton.mp4")


def points_of(count: int) -> list[list[float]]:
    """Point i at (100 + i, 200 + 2 i)."""
    return [[100.0 + i, 200.0 + 2 * i] for i in range(count)]


def read(tmp_path: Path, data: object):
    (tmp_path / "poses.json").write_text(json.dumps(data))
    return load_poses(tmp_path / "poses.json", SIZE)[0]


@pytest.mark.parametrize("depth", ["person", "frames", "people"])
@pytest.mark.parametrize("count", LAYOUTS)
def test_plain_lists_of_every_layout(tmp_path, count, depth):
    data: object = points_of(count)
    data = {"person": data, "frames": [data, data], "people": [[data, data], [data]]}[depth]

    people = read(tmp_path, data)

    assert [len(people), len(people[0])] == {"person": [1, 1], "frames": [1, 2], "people": [2, 2]}[
        depth
    ]
    assert people[0].body[0, 0].tolist() == pytest.approx([100 / 576, 200 / 1024])
    assert people[0].body_visible[0].all()


def test_the_parts_of_whole_body_layouts_are_in_their_places():
    for count, left_hand, feet in ((133, 91, [17, 22]), (136, 94, [20, 25])):
        values = np.ones((1, count, 3))
        values[0, :, 0] = np.arange(count)
        points = to_skeleton(values)[0, :, 0]
        assert points[[0, 5, 4, 11]].tolist() == [0, 5, 10, 11]  # nose, l shoulder, r wrist, l hip
        assert points[1] == 5.5
        assert points[skeleton.LEFT_HAND_SLICE].tolist() == list(range(left_hand, left_hand + 21))
        assert points[skeleton.RIGHT_HAND_SLICE][0] == left_hand + 21
        assert points[skeleton.FEET_SLICE][[0, 5]].tolist() == feet


def test_null_points_and_missing_confidences(tmp_path):
    points: list = points_of(18)
    points[3] = None
    flat = [v for p in points_of(18) for v in (*p, 0.5)]
    flat[6:9] = [None, None, None]
    flat[11] = None

    (editor,) = read(tmp_path, {"width": 576, "height": 1024, "keypoints": [points]})
    (openpose,) = read(tmp_path, [{"people": [{"pose_keypoints_2d": flat}]}])

    assert editor.body_scores[0, 3] == 0 and editor.body_visible[0].sum() == 17
    assert openpose.body_scores[0].tolist() == [0.5, 0.5, 0, 1.0, *[0.5] * 14]


def test_confidences_in_percent(tmp_path):
    flat = [v for p in points_of(18) for v in (*p, 80.0)]
    (person,) = read(tmp_path, [{"people": [{"pose_keypoints_2d": flat}]}])
    assert np.allclose(person.body_scores, 0.8)


def test_the_units_of_each_part_are_its_own(tmp_path):
    body = [v for i in range(18) for v in (0.3 + i / 100, 0.5, 1.0)]
    hand = [v for i in range(21) for v in (57.6 + i, 512.0, 1.0)]
    (person,) = read(
        tmp_path, [{"people": [{"pose_keypoints_2d": body, "hand_left_keypoints_2d": hand}]}]
    )

    assert person.body[0, 0].tolist() == pytest.approx([0.3, 0.5])
    assert person.hands[0, 0, 0].tolist() == pytest.approx([0.1, 0.5])


def test_the_feet_of_25_joints_survive_an_empty_list_of_feet(tmp_path):
    flat = [v for p in points_of(25) for v in (*p, 1.0)]
    data = [{"people": [{"pose_keypoints_2d": flat, "foot_keypoints_2d": [0.0] * 18}]}]
    (person,) = read(tmp_path, data)
    assert (person.scores[0, skeleton.FEET_SLICE] == 1).all()


def test_frames_left_out_between_numbered_ones_are_empty():
    frames = frames_by_id([("7.jpg", {"a": 1}), ("10.jpg", {"b": 1}), ("7.jpg", {"c": 1})])
    assert [len(frame["people"]) for frame in frames] == [2, 0, 0, 1]
    assert [len(f["people"]) for f in frames_by_id([("a", {}), ("b", {}), ("a", {})])] == [2, 1]


def test_coco_annotations_have_the_size_and_order_of_their_images(tmp_path):
    flat = [v for p in points_of(17) for v in (*p, 2)]
    data = {
        "images": [
            {"id": 5, "file_name": "b.jpg", "width": 200, "height": 400},
            {"id": 9, "file_name": "a.jpg", "width": 200, "height": 400},
        ],
        "annotations": [{"image_id": 5, "keypoints": flat}],
    }
    (person,) = read(tmp_path, data)
    assert person.present.tolist() == [False, True] and person.canvas == (400, 200)
    assert person.body[1, 0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([{"keypoints": [1, 2, 3] * 19, "image_id": 0}], "19 points, known are 17"),
        ([{"keypoints": points_of(17), "keypoint_scores": [1]}], "17 points with 1 confidences"),
        ({"keypoints": [[["a", 1]] * 18]}, "a coordinate that is not a number"),
    ],
)
def test_keypoints_that_cannot_be_read_are_told(tmp_path, data, reason):
    with pytest.raises(PoseError, match=reason):
        read(tmp_path, data)


def test_a_size_is_width_and_height():
    assert CanvasSize.parse("576x1024") == SIZE and str(SIZE) == "576x1024"
    for text in ("576", "0x5", "ax5"):
        with pytest.raises(PoseError, match="is not a size"):
            CanvasSize.parse(text)
