"""POSE_KEYPOINT as ComfyUI's own pose nodes and other packs exchange it."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from PIL import Image

from .tiny_graph import node

HEIGHT, WIDTH = 256, 144
# Keys of a person as core's `SDPose` nodes write them, and numbers of points.
CORE = {
    "pose_keypoints_2d": 18,
    "foot_keypoints_2d": 6,
    "face_keypoints_2d": 70,
    "hand_right_keypoints_2d": 21,
    "hand_left_keypoints_2d": 21,
}


def core_person(rng: np.random.Generator) -> dict:
    """Points on whole pixels, so that both ways to a float32 are the same."""
    person = {}
    for key, count in CORE.items():
        points = rng.integers(2, (WIDTH - 2, HEIGHT - 2), (count, 2)).astype(float)
        scores = rng.uniform(0.1, 1.0, (count, 1)).round(3)
        person[key] = np.hstack([points, scores]).ravel().tolist()
    person["face_keypoints_2d"][204:] = person["pose_keypoints_2d"][42:48]
    return person


def core_frames(people: int, frames: int) -> list[dict]:
    rng = np.random.default_rng(3)
    return [
        {
            "canvas_width": WIDTH,
            "canvas_height": HEIGHT,
            "people": [core_person(rng) for _ in range(people)],
        }
        for _ in range(frames)
    ]


@pytest.fixture
def raw(server):
    """raw(frames) -> name of their file in the input folder."""

    def write(frames: list[dict]) -> str:
        text = json.dumps(frames)
        name = f"{zlib.crc32(text.encode())}.json"  # the server keeps what it read by the name
        (server.base / "input" / name).write_text(text)
        return name

    return write


@pytest.fixture
def drawn(comfy, tmp_path):
    """drawn(prompt, poses) -> images that core's node draws of a POSE_KEYPOINT output."""
    if not comfy.object_info("SDPoseDrawKeypoints"):
        pytest.skip("this ComfyUI has no SDPose Draw Keypoints")

    def draw(prompt: dict, poses: str) -> np.ndarray:
        prompt = {
            **prompt,
            "draw": node(
                "SDPoseDrawKeypoints",
                **{"keypoints": [poses, 0], "score_threshold": 0.3},
                **{"draw_body": True, "draw_hands": True, "draw_face": True},
                **{"draw_feet": True, "draw_head": True},
                **{"stick_width": 4, "face_point_size": 3},
            ),
            "save": node("SaveImage", images=["draw", 0], filename_prefix="drawn"),
        }
        files = comfy.files(comfy.run(prompt), "save")
        return np.stack([np.asarray(Image.open(comfy.download(f, tmp_path))) for f in files])

    return draw


def test_core_draws_our_poses_as_its_own(raw, drawn):
    file = raw(core_frames(people=2, frames=3))
    own = drawn({"raw": node("TinyRawPoses", file=file)}, "raw")
    ours = drawn({"load": node("DisPoseLoadPoses", file=file)}, "load")

    assert ours.shape == (3, HEIGHT, WIDTH, 3) and ours.any((1, 2, 3)).all()
    assert np.array_equal(ours, own)


def test_core_draws_a_body_without_hands_face_and_feet(raw, drawn):
    frames = core_frames(people=1, frames=2)
    for frame in frames:
        body = frame["people"][0]["pose_keypoints_2d"]
        frame["people"] = [{"pose_keypoints_2d": body, "face_keypoints_2d": None}]
    ours = drawn({"load": node("DisPoseLoadPoses", file=raw(frames))}, "load")
    for frame in frames:
        zeros = {key: [0.0] * 3 * count for key, count in CORE.items()}
        frame["people"][0] = {**zeros, "pose_keypoints_2d": frame["people"][0]["pose_keypoints_2d"]}
    own = drawn({"raw": node("TinyRawPoses", file=raw(frames))}, "raw")

    assert ours.any((1, 2, 3)).all()
    assert np.array_equal(ours, own)


def test_the_shipped_clip_can_be_drawn_by_core(drawn):
    images = drawn({"load": node("DisPoseLoadPoses", file="driving.json [sample]")}, "load")
    assert len(images) == 72 and images.any((1, 2, 3)).all()


def test_feet_come_through_load_align_editor_and_save(comfy, server, raw):
    frames = core_frames(people=1, frames=3)
    edit = {"do": "move", "frames": 2, "points": "right_foot.0", "to": [0.25, 0.5]}
    prompt = {
        "reference": node("TinyRawPoses", file=raw(frames[:1])),
        "load": node("DisPoseLoadPoses", file=raw(frames)),
        "align": node(
            "DisPosePoseAlign",
            **{"reference_pose": ["reference", 0], "driving_pose": ["load", 0]},
            **{"method": "none", "max_gap": 12, "smoothing": 0.0},
        ),
        "edit": node(
            "DisPosePoseEditor",
            poses=["align", 0],
            edits=json.dumps({"version": 1, "edits": [edit]}),
        ),
        "save": node("DisPoseSavePoses", poses=["edit", 0], filename_prefix="poses/feet"),
    }
    frame = comfy.run(prompt)

    name = frame["outputs"]["save"]["text"][0].removesuffix(" [output]")
    saved = json.loads((server.base / "output" / name).read_text())
    frames[2]["people"][0]["foot_keypoints_2d"][9:12] = [0.25 * WIDTH, 0.5 * HEIGHT, 1.0]
    for mine, given in zip(saved, frames, strict=True):
        assert mine["people"][0].keys() == given["people"][0].keys()
        for key, flat in given["people"][0].items():
            # Body points that are not visible are filled by the alignment; the eyes are body too.
            if key in ("pose_keypoints_2d", "face_keypoints_2d"):
                flat, seen = np.reshape(flat, (-1, 3)), np.reshape(flat, (-1, 3))[:, 2] > 0.3
                found = np.reshape(mine["people"][0][key], (-1, 3))
                np.testing.assert_allclose(found[seen], flat[seen], atol=1e-9)
            else:
                np.testing.assert_allclose(mine["people"][0][key], flat, atol=1e-9)
