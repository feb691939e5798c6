"""Poses for and from the video models of ComfyUI and of other packs, on the real server.

Values are compared with those that the same nodes compute from inputs made by hand.
"""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from dispose_core.pose import skeleton
from dispose_core.pose.exchange.posedata import write_posedata
from dispose_core.pose.openpose_json import save_openpose, write_openpose
from dispose_core.pose.render import STYLES, DrawOptions, draw_frame
from dispose_core.pose.sequence import PoseSequence

from .tiny_graph import node

HEIGHT, WIDTH, FRAMES = 256, 160, 5
VIDEO = (480, 304)  # (H, W) of the made video, in which Wan-Animate's lines are 3 pixels wide
CANVAS = (HEIGHT, WIDTH)


def walker(frames: int = FRAMES, seed: int = 4) -> PoseSequence:
    """A person of random points with scores, with hands at the wrists and a face of 50 pixels."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.15, 0.75, (1, skeleton.N_POINTS, 2))
    for hand, wrist in (
        (skeleton.LEFT_HAND_SLICE, skeleton.L_WRIST),
        (skeleton.RIGHT_HAND_SLICE, skeleton.R_WRIST),
    ):
        points[:, hand] = points[:, [wrist]] + rng.uniform(0, 0.08, (1, 21, 2))
        points[:, hand.start] = points[:, wrist]
    face = rng.uniform(0, 1, (1, 68, 2))
    points[:, skeleton.FACE_SLICE] = (40, 30) / np.array([WIDTH, HEIGHT]) + face * 50 / np.array(
        [WIDTH, HEIGHT]
    )
    points = points + np.linspace(0, 0.1, frames)[:, None, None]
    scores = rng.uniform(0.35, 1, (1, skeleton.N_POINTS)).repeat(frames, 0).round(3)
    return PoseSequence(points, scores, CANVAS)


@pytest.fixture
def given(server):
    """given(name, **arrays) -> name of an .npz in the input folder."""

    def write(name: str, **arrays: np.ndarray) -> str:
        np.savez(server.base / "input" / f"{name}.npz", **arrays)
        return f"{name}.npz"

    return write


@pytest.fixture
def recorded(comfy, server):
    """recorded(prompt, run) -> arrays that a recording node has saved."""

    def run(prompt: dict, name: str) -> dict[str, np.ndarray]:
        comfy.run(prompt)
        return dict(np.load(server.base / "output" / f"{name}.npz"))

    return run


@pytest.fixture
def poses_file(server):
    save_openpose(server.base / "input" / "walker.json", [walker()])
    return "walker.json"


def pictures(comfy, prompt, node_id, tmp_path) -> np.ndarray:
    files = comfy.files(comfy.run(prompt), node_id)
    return np.stack([np.asarray(Image.open(comfy.download(f, tmp_path))) for f in files])


def test_our_sdpose_style_is_the_drawing_of_the_core_node(comfy, server, tmp_path):
    if not comfy.object_info("SDPoseDrawKeypoints"):
        pytest.skip("this ComfyUI has no SDPose Draw Keypoints")
    people = [walker(seed=5), walker(seed=6)]
    (server.base / "input" / "two.json").write_text(json.dumps(write_openpose(people)))
    load = {"load": node("DisPoseLoadPoses", file="two.json")}
    own = {
        **load,
        "draw": node(
            "SDPoseDrawKeypoints",
            **{"keypoints": ["load", 0], "score_threshold": 0.3, "draw_head": True},
            **{"draw_body": True, "draw_hands": True, "draw_face": True, "draw_feet": False},
            **{"stick_width": 4, "face_point_size": 3},
        ),
        "save": node("SaveImage", images=["draw", 0], filename_prefix="own"),
    }
    ours = {
        **load,
        "draw": render("load", style="sdpose"),
        "save": node("SaveImage", images=["draw", 0], filename_prefix="ours"),
    }
    wanted, found = (pictures(comfy, prompt, "save", tmp_path) for prompt in (own, ours))

    assert found.shape == (FRAMES, HEIGHT, WIDTH, 3) and found.any((1, 2, 3)).all()
    # OpenCV draws both, so that no pixel differs; a share of 0.1 % would be antialiasing.
    assert (found != wanted).any(-1).mean() < 1e-3


def render(poses: str, **options) -> dict:
    parts = {"width": 0, "height": 0, "body": True, "hands": True, "face": True}
    return node("DisPosePoseRender", poses=[poses, 0], **{**parts, **options})


def test_every_style_goes_from_a_workflow_to_a_file(comfy, poses_file, tmp_path):
    for style in STYLES:
        prompt = {
            "load": node("DisPoseLoadPoses", file=poses_file),
            "draw": render("load", style=style, background="white"),
            "save": node("SaveImage", images=["draw", 0], filename_prefix=f"style_{style}"),
        }
        images = pictures(comfy, prompt, "save", tmp_path)
        options = DrawOptions(style=style, background="white")
        # JSON keeps pixels to the last bit but for one in a float64.
        wanted = np.stack([draw_frame([walker()], t, CANVAS, options) for t in range(FRAMES)])
        assert (images != wanted).any(-1).mean() < 1e-3, style


def clip() -> np.ndarray:
    """(F, H, W, 3) in whole 255ths: a gradient with a stripe that moves."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    frames = np.stack(
        [np.stack([x, y % 256, (x + 40 * t) % 160], -1).astype(np.uint8) for t in range(FRAMES)]
    )
    return frames.astype(np.float32) / 255


def wan(**connected) -> dict:
    height, width = VIDEO
    return {
        "vae": node("WanVae"),
        "prompt": node("WanPrompt"),
        "wan": node(
            "WanAnimateToVideo",
            **{"positive": ["prompt", 0], "negative": ["prompt", 0], "vae": ["vae", 0]},
            **{"width": width, "height": height, "length": FRAMES, "batch_size": 1},
            **{"continue_motion_max_frames": 5, "video_frame_offset": 0, **connected},
        ),
    }


def wan_set(poses_file: str, frames_file: str, mask: bool) -> dict:
    height, width = VIDEO
    return {
        "load": node("DisPoseLoadPoses", file=poses_file),
        "frames": node("WanFrames", file=frames_file),
        "set": node(
            "DisPoseWanAnimateSet",
            **{"driving_images": ["frames", 0], "driving_pose": ["load", 0]},
            **{"width": width, "height": height, "fps": 0.0, "face_smoothing": 0.0},
            **{"mask_grow": 4, "mask_block": 16},
            **({"mask": ["frames", 1]} if mask else {}),
        ),
    }


def by_hand(given) -> dict[str, str]:
    """The same set, worked out here by Wan-Animate's own rules."""
    height, width = VIDEO
    pose, images = walker(), clip()
    skeletons = np.stack(
        [draw_frame([pose], t, VIDEO, DrawOptions(style="wan-animate")) for t in range(FRAMES)]
    )
    faces = []
    for t in range(FRAMES):
        (x0, y0), (x1, y1) = (
            reach(pose.face[t] * (WIDTH, HEIGHT), axis=0) for reach in (np.min, np.max)
        )
        wide, high = (x1 - x0) * (1.3**0.5 - 1), (y1 - y0) * (1.3**0.5 - 1)
        left, right = int(x0 - wide / 2), int(x1 + wide / 2)
        top, bottom = int(y0 - 0.75 * high), int(y1 + 0.25 * high)
        faces.append(cv2.resize(images[t, top:bottom, left:right], (512, 512)))
    outline = mask_of(images)
    big = np.stack([cv2.resize(m, (width, height)) for m in outline])
    region = np.stack([cv2.dilate((m >= 0.5).astype(np.uint8), np.ones((9, 9))) for m in big])
    blocks = region.reshape(FRAMES, height // 16, 16, width // 16, 16).max((2, 4), keepdims=True)
    region = np.broadcast_to(blocks, (FRAMES, height // 16, 16, width // 16, 16)).reshape(
        FRAMES, height, width
    )
    frames = np.stack([cv2.resize(image, (width, height + 6))[3:-3] for image in images])
    return {
        "pose": given("hand_pose", images=skeletons.astype(np.float32) / 255, mask=big),
        "face": given("hand_face", images=np.stack(faces), mask=big),
        "scene": given(
            "hand_scene",
            images=(frames * (1 - region[..., None])).astype(np.float32),
            mask=region.astype(np.float32),
        ),
    }


def mask_of(images: np.ndarray) -> np.ndarray:
    mask = np.zeros(images.shape[:3], np.float32)
    mask[:, 60:200, 40:110] = 1
    return mask


def test_wan_animate_is_conditioned_as_by_a_set_made_by_hand(
    comfy, recorded, given, poses_file, tmp_path
):
    images = clip()
    frames_file = given("driving", images=images, mask=mask_of(images))
    made = wan_set(poses_file, frames_file, mask=True)
    names = ("pose_video", "face_video", "character_mask", "background_video")
    ours = {name: ["set", i] for i, name in enumerate(names)}
    for prefix, name in (("pose", "pose_video"), ("face", "face_video")):
        made[prefix] = node("SaveImage", images=ours[name], filename_prefix=f"wan_{prefix}")
    made["scene"] = node("SaveImage", images=ours["background_video"], filename_prefix="wan_scene")
    record = {"positive": ["wan", 0], "negative": ["wan", 1]}
    found = recorded(
        {**made, **wan(**ours), "record": node("WanRecordConditioning", **record, run_name="ours")},
        "ours",
    )
    hand = by_hand(given)
    loads = {name: node("WanFrames", file=file) for name, file in hand.items()}
    theirs = {"pose_video": ["pose", 0], "face_video": ["face", 0]}
    theirs |= {"character_mask": ["scene", 1], "background_video": ["scene", 0]}
    wanted = recorded(
        {
            **loads,
            **wan(**theirs),
            "record": node("WanRecordConditioning", **record, run_name="hand"),
        },
        "hand",
    )

    assert found.keys() == wanted.keys()
    for name in ("positive", "negative"):
        # The same drawing and the same region.
        for key in ("pose_video_latent", "concat_mask"):
            np.testing.assert_array_equal(found[f"{name}_{key}"], wanted[f"{name}_{key}"])
    latent = found["positive_pose_video_latent"]
    assert latent.shape == (1, 16, 2, 60, 38) and latent.std() > 0
    assert set(np.unique(found["positive_concat_mask"])) == {0.0, 1.0}
    face = "face_video_pixels"
    assert found[f"positive_{face}"].shape == (1, 3, FRAMES, 512, 512)
    # Whole pixels by hand, parts of pixels here: the box differs by one pixel of 57.
    apart = np.abs(found[f"positive_{face}"] - wanted[f"positive_{face}"])
    assert apart.mean() < 0.02
    assert (found[f"negative_{face}"] == -1).all()
    apart = np.abs(found["positive_concat_latent_image"] - wanted["positive_concat_latent_image"])
    assert apart.mean() < 0.01


def test_without_a_mask_the_set_is_that_of_an_unconnected_wan_animate(recorded, given, poses_file):
    images = clip()
    made = wan_set(poses_file, given("driving2", images=images, mask=mask_of(images)), mask=False)
    record = {"positive": ["wan", 0], "negative": ["wan", 1]}
    runs = {}
    for name, scenes in (
        ("all", {"character_mask": ["set", 2], "background_video": ["set", 3]}),
        ("two", {}),
    ):
        connected = {"pose_video": ["set", 0], "face_video": ["set", 1], **scenes}
        prompt = {
            **made,
            **wan(**connected),
            "record": node("WanRecordConditioning", **record, run_name=name),
        }
        runs[name] = recorded(prompt, name)
    assert runs["all"].keys() == runs["two"].keys()
    for key, value in runs["two"].items():
        # The background has one frame of the grey that the node takes for all of them.
        np.testing.assert_array_equal(runs["all"][key], value)


@pytest.fixture
def arrays():
    """Parts of the walker as (F, N, 3) fractions and scores."""
    pose = walker()
    values = np.concatenate([pose.points, pose.scores[..., None]], -1)
    parts = {
        "body": skeleton.BODY_SLICE,
        "left": skeleton.LEFT_HAND_SLICE,
        "right": skeleton.RIGHT_HAND_SLICE,
        "face": skeleton.FACE_SLICE,
    }
    return {name: values[:, part] for name, part in parts.items()}


def edited(kind: str, file: str) -> dict:
    """Poses of another pack, with the right wrist of frame 2 moved in the editor."""
    size = {"width": WIDTH, "height": HEIGHT}
    edit = {"do": "move", "frames": 2, "points": "RWrist", "to": [0.5, 0.25]}
    source = {
        "dwposes": node("WanDwPoses", file=file),
        "posedata": node("WanPoseData", file=file, **size),
    }[kind]
    return {
        "source": source,
        "read": node("DisPoseConvertPoses", **{kind: ["source", 0]}, **size),
        "edit": node(
            "DisPosePoseEditor",
            poses=["read", 0],
            edits=json.dumps({"version": 1, "edits": [edit]}),
        ),
        "write": node("DisPoseConvertPoses", poses=["edit", 0], width=0, height=0),
    }


@pytest.mark.parametrize("kind", ["dwposes", "posedata"])
def test_poses_of_other_packs_are_corrected_in_the_editor_and_handed_on(
    recorded, given, arrays, kind
):
    prompt = edited(kind, given("other", **arrays))
    prompt |= {
        "scail": node("WanRecordDwPoses", dw_poses=["write", 1], run_name=f"{kind}_scail"),
        "kijai": node("WanRecordPoseData", pose_data=["write", 2], run_name=f"{kind}_kijai"),
    }
    scail = recorded(prompt, f"{kind}_scail")
    kijai = recorded(prompt, f"{kind}_kijai")
    wanted = {name: values.copy() for name, values in arrays.items()}
    wanted["body"][2, 4] = 0.5, 0.25, 1.0  # what a hand sets is certain

    assert scail["face"].shape[1] == 70 and kijai["body"].shape[1] == 20
    assert (kijai["size"] == (WIDTH, HEIGHT)).all()
    for name, values in wanted.items():
        for found, scale in ((scail, (1, 1, 1)), (kijai, (WIDTH, HEIGHT, 1))):
            scale = (1, 1, 1) if name == "face" else scale
            got = found[name][:, : values.shape[1]]
            np.testing.assert_allclose(got, values * scale, rtol=1e-5, atol=1e-5, err_msg=name)


def test_the_posedata_of_the_set_is_that_of_its_poses(recorded, given, poses_file):
    images = clip()
    prompt = wan_set(poses_file, given("driving3", images=images, mask=mask_of(images)), mask=False)
    prompt["record"] = node("WanRecordPoseData", pose_data=["set", 5], run_name="set_kijai")
    found = recorded(prompt, "set_kijai")
    wanted = write_posedata(PoseSequence(walker().points, walker().scores, VIDEO))
    body = np.stack([meta.kps_body for meta in wanted["pose_metas"]])
    # The video's shape differs a little from the frames', which are cropped by a pixel or two.
    np.testing.assert_allclose(found["body"][..., :2], body, atol=4)
    assert (found["size"] == VIDEO[::-1]).all()
