"""DWPOSES and POSEDATA, and POSE_KEYPOINT as other packs write it, from inputs made by hand."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.exchange.convert import read_any
from dispose_core.pose.exchange.dwposes import read_dwposes, write_dwposes
from dispose_core.pose.exchange.posedata import read_posedata, write_posedata
from dispose_core.pose.openpose_json import read_openpose, write_openpose
from dispose_core.pose.sequence import PoseSequence

CANVAS = (400, 200)
LEFT, RIGHT = skeleton.LEFT_HAND_SLICE, skeleton.RIGHT_HAND_SLICE


def person(seed: int, frames: int = 2) -> PoseSequence:
    """Random points with hands that begin at their wrists and a face at its nose."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.1, 0.9, (frames, skeleton.N_POINTS, 2))
    for hand, wrist in ((LEFT, skeleton.L_WRIST), (RIGHT, skeleton.R_WRIST)):
        points[:, hand] = points[:, [wrist]] + rng.uniform(0, 0.01, (frames, 21, 2))
        points[:, hand.start] = points[:, wrist]
    face = skeleton.FACE_SLICE
    points[:, face] = points[:, [skeleton.NOSE]] + rng.uniform(-0.01, 0.01, (frames, 68, 2))
    points[:, face.start + 30] = points[:, skeleton.NOSE]
    scores = rng.uniform(0.1, 1, (frames, skeleton.N_POINTS))
    scores[:, 16] = 0
    return PoseSequence(points, scores, CANVAS)


def assert_same(found: PoseSequence, wanted: PoseSequence, *parts: slice) -> None:
    assert found.canvas == wanted.canvas and len(found) == len(wanted)
    for part in parts:
        np.testing.assert_allclose(found.scores[:, part], wanted.scores[:, part], atol=1e-6)
        np.testing.assert_allclose(found.points[:, part], wanted.points[:, part], atol=1e-6)


WITHOUT_FEET = slice(0, skeleton.N_WITHOUT_FEET)


def test_dwposes_come_back_as_they_were():
    people = [person(1), person(2)]
    again = read_dwposes(write_dwposes(people), CANVAS)
    assert len(again) == 2
    for found, wanted in zip(again, people, strict=True):
        assert_same(found, wanted, WITHOUT_FEET)


def test_dwposes_are_written_in_the_shapes_that_scail_makes():
    one = person(3, 1)
    made = write_dwposes([one, person(4, 1), PoseSequence.empty(1, CANVAS)])
    (frame,) = made["poses"]
    assert made["swap_hands"] is False
    assert {key: value.shape for key, value in frame["bodies"].items()} == {
        "candidate": (2, 18, 2), "subset": (2, 18),
    }  # fmt: skip
    assert frame["hands"].shape == (4, 21, 2) and frame["hand_score"].shape == (4, 21)
    assert frame["faces"].shape == (2, 70, 2) and frame["face_score"].shape == (2, 70)
    assert frame["body_score"].shape == (2, 18)
    assert all(frame[key].dtype == np.float32 for key in frame if key != "bodies")
    seen = one.body_scores[0] > 0.3
    assert frame["bodies"]["subset"][0].tolist() == np.where(seen, np.arange(18), -1).tolist()
    np.testing.assert_allclose(frame["hands"][0], one.points[0, LEFT], atol=1e-6)
    np.testing.assert_allclose(frame["hands"][1], one.points[0, RIGHT], atol=1e-6)
    np.testing.assert_allclose(frame["faces"][0, 68:], one.points[0, [14, 15]], atol=1e-6)
    nobody = write_dwposes([PoseSequence.empty(1, CANVAS)])["poses"][0]
    assert nobody["bodies"]["candidate"].shape == (0, 18, 2)
    assert not read_dwposes({"poses": [nobody]}, CANVAS)[0].present.any()


def test_who_is_absent_keeps_the_place_in_dwposes():
    """Or the next one would move up and be taken for the first."""
    second = person(4, 1)
    again = read_dwposes(write_dwposes([PoseSequence.empty(1, CANVAS), second]), CANVAS)
    assert [one.present.tolist() for one in again] == [[False], [True]]
    np.testing.assert_allclose(again[1].body, second.body, atol=1e-6)


def test_dwposes_of_vitpose_have_the_right_hand_first():
    """Its node says so with swap_hands; 68 face points, every point with its score."""
    one = person(5, 1)
    frame = {
        "bodies": {"candidate": one.points[:, :18], "subset": np.arange(18)[None].astype(float)},
        "hands": np.stack([one.points[0, RIGHT], one.points[0, LEFT]]),
        "faces": one.face,
        "body_score": one.body_scores,
        "hand_score": np.stack([one.scores[0, RIGHT], one.scores[0, LEFT]]),
        "face_score": one.face_scores,
    }
    (found,) = read_dwposes({"poses": [frame], "swap_hands": True}, CANVAS)
    assert_same(found, one, WITHOUT_FEET)


def test_hands_and_faces_that_are_left_out_go_to_the_nearest_wrist_and_nose():
    """convert_openpose_to_target_format leaves out hands and faces that a person has not."""
    people = [person(6, 1), person(7, 1)]
    (frame,) = write_dwposes(people)["poses"]
    for key, kept in (
        ("hands", [1, 2]),
        ("hand_score", [1, 2]),
        ("faces", [1]),
        ("face_score", [1]),
    ):
        frame[key] = frame[key][kept]
    first, second = read_dwposes({"poses": [frame]}, CANVAS)
    assert_same(first, people[0], skeleton.BODY_SLICE, RIGHT)
    assert not first.scores[:, LEFT].any() and not first.face_scores.any()
    assert_same(second, people[1], skeleton.BODY_SLICE, LEFT, skeleton.FACE_SLICE)
    assert not second.scores[:, RIGHT].any()


def test_dwposes_of_older_code_index_one_list_and_mark_missing_points_by_minus_one():
    candidate = np.random.default_rng(8).uniform(0.1, 0.9, (36, 2))
    subset = np.arange(36.0).reshape(2, 18)
    subset[1, 5] = -1
    hands = np.full((4, 21, 2), -1.0)
    frame = {"bodies": {"candidate": candidate, "subset": subset}, "hands": hands, "faces": []}
    first, second = read_dwposes({"poses": [frame]}, CANVAS)
    assert np.array_equal(first.body[0], candidate[:18]) and (first.body_scores == 1).all()
    assert second.body_scores[0, 5] == 0 and second.body_scores.sum() == 17
    assert not first.hands_scores.any() and not first.face_scores.any()


BODY = np.ones((1, 18, 2))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], r"dwposes: not poses of ComfyUI-SCAIL-Pose \(a dict with a list 'poses'\)"),
        ({"poses": []}, "dwposes: no frame in it. Use poses with at least one frame."),
        ({"poses": [{}]}, r"dwposes, frame 0: arrays of other shapes than those of DWPOSES \('bod"),
        (
            {"poses": [{"bodies": {"candidate": BODY}, "hands": np.ones((2, 20, 2))}]},
            r"frame 0: arrays of other shapes than those of DWPOSES \(hands of shape \(2, 20, 2\)",
        ),
        (
            {"poses": [{"bodies": {"candidate": np.ones((1, 5, 2))}}]},
            "frame 0: arrays of other shapes than those of DWPOSES",
        ),
    ],
)  # fmt: skip
def test_what_is_no_dwposes_is_refused(value, message):
    with pytest.raises(PoseError, match=message):
        read_dwposes(value, CANVAS)


def test_posedata_comes_back_with_the_middle_of_the_toes():
    one = person(9)
    (again,) = read_posedata(copy.deepcopy(write_posedata(one)))
    assert_same(again, one, WITHOUT_FEET)
    for foot in (skeleton.LEFT_FOOT_SLICE, skeleton.RIGHT_FOOT_SLICE):
        toes = one.points[:, foot][:, :2].mean(1)
        np.testing.assert_allclose(again.points[:, foot][:, 0], toes, atol=1e-6)
        np.testing.assert_allclose(again.points[:, foot][:, 1], toes, atol=1e-6)
        assert not again.scores[:, foot][:, 2].any()


def test_posedata_has_the_attributes_and_arrays_that_wan_animate_preprocess_reads():
    drawn, found = person(10), person(11)
    made = write_posedata(drawn, found)
    assert set(made) == {"pose_metas", "pose_metas_original", "refer_pose_meta", "retarget_image"}
    meta, original = made["pose_metas"][1], made["pose_metas_original"][1]
    assert (meta.width, meta.height) == (original["width"], original["height"]) == (200, 400)
    for part, count in (("body", 20), ("lhand", 21), ("rhand", 21), ("face", 69)):
        places, scores = getattr(meta, f"kps_{part}"), getattr(meta, f"kps_{part}_p")
        assert places.shape == (count, 2) and scores.shape == (count,)
        # As its drawing joins them.
        assert np.concatenate([places, scores[:, None]], axis=1).dtype == np.float32
    np.testing.assert_allclose(meta.kps_body[3], drawn.body[1, 3] * (200, 400), rtol=1e-6)
    np.testing.assert_allclose(meta.kps_lhand[5], drawn.points[1, 23] * (200, 400), rtol=1e-6)
    toes = drawn.points[1, 131:133].mean(0) * (200, 400)
    np.testing.assert_allclose(meta.kps_body[19], toes, rtol=1e-6)  # right
    assert meta.kps_body_p[16] == 0 and meta.kps_body[16].tolist() == [0, 0]  # missing
    assert original["keypoints_body"].shape == (20, 3)
    np.testing.assert_allclose(original["keypoints_right_hand"][2, :2], found.points[1, 41])
    # Its face box skips the first of 69 points.
    np.testing.assert_allclose(original["keypoints_face"][1:, :2], found.face[1], rtol=1e-6)


def test_posedata_is_read_from_objects_and_dicts_of_its_own_kind():
    rng = np.random.default_rng(12)
    body, face = rng.uniform(10, 150, (20, 2)), rng.uniform(10, 150, (70, 2))
    meta = SimpleNamespace(
        width=200, height=400, kps_body=body, kps_body_p=np.full(20, 0.8),
        kps_lhand=None, kps_lhand_p=None, kps_rhand=rng.uniform(0, 99, (21, 2)),
        kps_rhand_p=np.full(21, 0.7), kps_face=face, kps_face_p=np.full(70, 1.2),
    )  # fmt: skip
    (found,) = read_posedata({"pose_metas": [meta]})
    np.testing.assert_allclose(found.body[0], body[:18] / (200, 400))
    np.testing.assert_allclose(found.face[0], face[:68] / (200, 400))
    assert (found.face_scores == 1).all() and not found.scores[:, LEFT].any()
    assert (found.scores[:, RIGHT] == 0.7).all()

    rows = [[0.1, 0.2, 0.9]] * 20
    rows[4] = None
    original = {
        "width": 200, "height": 400, "keypoints_body": rows, "keypoints_left_hand": [],
        "keypoints_right_hand": [[0.5, 0.5]] * 21, "keypoints_face": [],
    }  # fmt: skip
    (found,) = read_posedata({"pose_metas": [], "pose_metas_original": [original]})
    assert found.body_scores[0, 4] == 0 and found.body_scores[0, 3] == 0.9
    assert (found.scores[:, RIGHT] == 1).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"posedata: not poses of ComfyUI-WanAnimatePreprocess \(a dict with 'pose_metas'\)"),
        ({"pose_metas": ()}, "posedata: not poses of"),
        ({"pose_metas": [{}]}, "posedata, frame 0: arrays of other shapes than those of POSEDATA"),
        (
            {"pose_metas": [{"width": 9, "height": 9, "keypoints_body": [[1, 1, 1]] * 17}]},
            r"arrays of other shapes than those of POSEDATA \(17 body points\)",
        ),
        (
            {"pose_metas": [{"width": 0, "height": 9, "keypoints_body": [[1, 1, 1]] * 20}]},
            "posedata, frame 0: the size of its image is 0×9",
        ),
    ],
)
def test_what_is_no_posedata_is_refused(value, message):
    with pytest.raises(PoseError, match=message):
        read_posedata(value)


def test_one_wire_is_read_and_dwposes_need_a_size():
    one = person(13)
    dwposes, posedata = write_dwposes([one]), write_posedata(one)
    for given in (
        {"poses": write_openpose([one])},
        {"dwposes": dwposes, "canvas": CANVAS},
        {"posedata": posedata},
    ):
        people, report = read_any(**given)
        assert_same(people[0], one, WITHOUT_FEET)
        assert report == [f"{next(iter(given))}: one person in 2 frames of 200×400"]
    with pytest.raises(PoseError, match="dwposes: fractions of an image whose size they do not"):
        read_any(dwposes=dwposes)
    with pytest.raises(PoseError, match="nothing connected, needed one of poses, dwposes"):
        read_any()
    with pytest.raises(PoseError, match="dwposes and posedata connected, needed one"):
        read_any(dwposes=dwposes, posedata=posedata, canvas=CANVAS)


def flat(pose: PoseSequence, part: slice | list[int], t: int = 0) -> list[float]:
    values = np.concatenate([pose.points * (200, 400), pose.scores[..., None]], -1)
    return np.nan_to_num(values[t, part]).ravel().tolist()


def test_poses_of_sdpose_are_read_and_their_hands_go_to_their_wrists():
    """It names COCO-WholeBody's left hand, points 91 to 111, right: nodes_sdpose.py."""
    one = person(14)
    frames = [
        {
            "canvas_width": 200,
            "canvas_height": 400,
            "people": [
                {
                    "pose_keypoints_2d": flat(one, skeleton.BODY_SLICE, t),
                    "foot_keypoints_2d": flat(one, skeleton.FEET_SLICE, t),
                    "face_keypoints_2d": flat(one, [*range(60, 128), 14, 15], t),
                    "hand_right_keypoints_2d": flat(one, LEFT, t),
                    "hand_left_keypoints_2d": flat(one, RIGHT, t),
                }
            ],
        }
        for t in range(2)
    ]
    (found,) = read_openpose(frames)
    assert_same(found, one, slice(None))
    # Named properly, as this pack writes them, they stay.
    assert_same(read_openpose(write_openpose([found]))[0], one, slice(None))


def test_hands_stay_where_they_are_named_when_the_wrists_do_not_tell():
    one = person(15)
    for points in (
        np.where(np.arange(134)[None, :, None] == skeleton.L_WRIST, np.nan, one.points),  # unseen
        np.broadcast_to(one.points[:, :1], one.points.shape),  # all in one place
    ):
        folded = one.with_points(points)
        (found,) = read_openpose(write_openpose([folded]))
        assert_same(found, folded, LEFT, RIGHT)


def test_poses_of_controlnet_aux_are_read():
    """Lists that are null, confidence 1 or 0, no feet; fractions in its first versions."""
    one = person(16).with_binary_scores()
    pixels = {
        "people": [
            {
                "pose_keypoints_2d": flat(one, skeleton.BODY_SLICE),
                "face_keypoints_2d": None,
                "hand_left_keypoints_2d": flat(one, LEFT),
                "hand_right_keypoints_2d": None,
            }
        ],
        "canvas_height": 400,
        "canvas_width": 200,
    }
    fractions = copy.deepcopy(pixels)
    for key in ("pose_keypoints_2d", "hand_left_keypoints_2d"):
        values = np.reshape(pixels["people"][0][key], (-1, 3)) / (200, 400, 1)
        fractions["people"][0][key] = values.ravel().tolist()
    for frame in (pixels, fractions):
        (found,) = read_openpose([frame])
        assert_same(found, one[0], skeleton.BODY_SLICE, LEFT)
        assert not found.face_scores.any() and not found.scores[:, RIGHT].any()


def test_numpy_numbers_and_arrays_are_read():
    """Packs that keep arrays, such as editors, put them on the wire as they are."""
    one = person(17, 1)
    keys = {
        "pose_keypoints_2d": skeleton.BODY_SLICE,
        "hand_left_keypoints_2d": LEFT,
        "hand_right_keypoints_2d": RIGHT,
        "face_keypoints_2d": [*range(60, 128), 14, 15],
    }
    frame = {
        "people": [{key: np.array(flat(one, part), np.float32) for key, part in keys.items()}],
        "canvas_height": np.int64(400),
        "canvas_width": np.int64(200),
    }
    (found,) = read_openpose((frame,))
    assert_same(found, one, WITHOUT_FEET)
