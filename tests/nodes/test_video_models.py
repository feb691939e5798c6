"""Pose Render's styles, Convert Poses and Wan Animate Set, as ComfyUI runs them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

HEIGHT, WIDTH, FRAMES = 96, 64, 6


def wire(frames: int = FRAMES, face: bool = True) -> list[dict]:
    """A POSE_KEYPOINT of one person who moves to the right."""
    rng = np.random.default_rng(0)
    counts = {"pose": 18, "hand_left": 21, "hand_right": 21, "face": 70, "foot": 6}
    still = {name: rng.uniform(15, 35, (n, 2)) for name, n in counts.items()}
    return [
        {
            "people": [
                {
                    f"{name}_keypoints_2d": [
                        value
                        for x, y in points
                        for value in (x + t, y, float(face or name != "face"))
                    ]
                    for name, points in still.items()
                }
            ],
            "canvas_height": HEIGHT,
            "canvas_width": WIDTH,
        }
        for t in range(frames)
    ]


@pytest.fixture
def images() -> torch.Tensor:
    """Frame t has the value t / 10."""
    return torch.arange(FRAMES).div(10)[:, None, None, None].expand(-1, HEIGHT, WIDTH, 3)


def test_poses_are_drawn_in_every_style_and_by_default_as_before(pack, run):
    poses = wire(2)
    (before,) = run("DisPosePoseRender", poses=poses)
    (style,) = [p for p in pack["DisPosePoseRender"].GET_SCHEMA().inputs if p.id == "style"]
    seen = [before]
    for name in style.options:
        (drawn,) = run("DisPosePoseRender", poses=poses, style=name)
        assert drawn.shape == (2, HEIGHT, WIDTH, 3)
        assert torch.equal(drawn, before) is (name == "mimicmotion")
        assert f"{name}: " in style.tooltip
        seen.append(drawn)
    (white,) = run("DisPosePoseRender", poses=poses, style="dwpose", background="white")
    assert white[0, -1, -1].tolist() == [1, 1, 1]
    # A workflow of an earlier version names neither.
    old = {"poses": poses, "width": 0, "height": 0, "body": True, "hands": True, "face": True}
    assert torch.equal(pack["DisPosePoseRender"].execute(**old).result[0], before)


def test_poses_go_to_other_packs_and_come_back(run):
    poses = wire()
    again, dwposes, posedata, report = run("DisPoseConvertPoses", poses=poses)
    assert report == "poses: one person in 6 frames of 64×96"
    from_dwposes, *_ = run(
        "DisPoseConvertPoses", dwposes=copy.deepcopy(dwposes), width=WIDTH, height=HEIGHT
    )
    from_posedata, *_ = run("DisPoseConvertPoses", posedata=copy.deepcopy(posedata))
    for converted in (again, from_dwposes, from_posedata):
        for frame, wanted in zip(converted, poses, strict=True):
            assert (frame["canvas_height"], frame["canvas_width"]) == (HEIGHT, WIDTH)
            for key in ("pose", "hand_left", "hand_right"):
                key = f"{key}_keypoints_2d"
                np.testing.assert_allclose(
                    frame["people"][0][key], wanted["people"][0][key], atol=1e-4
                )
    with pytest.raises(Exception, match="nothing connected, needed one of poses"):
        run("DisPoseConvertPoses")


def test_the_wan_set_of_a_clip_without_a_mask(run, images):
    poses, faces, mask, background, length, posedata, report = run(
        "DisPoseWanAnimateSet", driving_images=images, driving_pose=wire()
    )
    assert poses.shape == (FRAMES, HEIGHT, WIDTH, 3) and poses.amax((1, 2, 3)).min() > 0
    assert faces.shape == (FRAMES, 512, 512, 3)
    np.testing.assert_allclose(faces.mean((1, 2, 3)), np.arange(6) / 10, atol=0.5 / 255)
    # What WanAnimateToVideo assumes without these connections.
    assert mask.shape == (1, HEIGHT, WIDTH) and (mask == 1).all()
    assert background.shape == (1, HEIGHT, WIDTH, 3) and (background == 0.5).all()
    assert length == 5 and len(posedata["pose_metas"]) == FRAMES
    assert "the last one is cut at a length of 5" in report
    assert report.endswith(
        "posedata: for ComfyUI-WanAnimatePreprocess, which is not installed here"
    )


def test_the_wan_set_that_replaces_a_person(run, images):
    person = torch.zeros(FRAMES, HEIGHT, WIDTH)
    person[:, 40:50, 20:30] = 1
    poses, _, mask, background, *_ = run(
        "DisPoseWanAnimateSet", driving_images=images, driving_pose=wire(), mask=person,
        mask_grow=2, mask_block=0, width=128,
    )  # fmt: skip
    assert poses.shape == background.shape == (FRAMES, 192, 128, 3)
    assert mask.shape == (FRAMES, 192, 128)
    inside = torch.zeros(192, 128, dtype=torch.bool)
    inside[78:102, 38:62] = True  # twice the size, two pixels more
    assert (mask.bool() == inside).float().mean() > 0.999  # but for the corners
    assert (background[mask.bool()] == 0).all()
    left = background[:, 0, 0, 0]
    np.testing.assert_allclose(left, np.arange(6) / 10, atol=0.5 / 255)


def test_the_wan_set_says_that_faces_are_missing(run, images):
    with pytest.raises(Exception, match=r"driving pose: no face in 6 frames\. Switch on 'face'"):
        run("DisPoseWanAnimateSet", driving_images=images, driving_pose=wire(face=False))


def test_other_packs_are_found_by_their_nodes(pack, monkeypatch):
    import sys
    from types import SimpleNamespace

    has_node = sys.modules["dispose_pack.nodes.comfy_adapters.other_packs"].has_node
    loaded = SimpleNamespace(NODE_CLASS_MAPPINGS={"DrawViTPose": object})
    monkeypatch.setitem(sys.modules, "nodes", loaded)
    assert has_node("DrawViTPose") and not has_node("Other")
    monkeypatch.delitem(sys.modules, "nodes")
    assert not has_node("DrawViTPose")
