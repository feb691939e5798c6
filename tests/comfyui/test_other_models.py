"""Tracks and lengths for other makers' video models, up to the conditioning of ComfyUI's nodes.

A stand-in for the VAE; the values are compared with what the same nodes make of input by hand.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.render import DrawOptions, draw_frame

from .tiny_graph import node

SIZE = (192, 128)  # H, W
FRAMES, STEP = 33, 2.0  # driving frames of 16 a second; pixels to the right in each
POINTS = [(51, 75), (67, 75), (59, 99)]  # x, y: on the person, never between two latent cells


@pytest.fixture(scope="module", autouse=True)
def clip(server, assets):
    """A person who slides to the right, and the picture."""
    frame = json.loads((assets / "poses" / "reference.json").read_text())
    frame = frame[0] if isinstance(frame, list) else frame
    scale = SIZE[0] / frame["canvas_height"]
    flat = np.array(frame["people"][0]["pose_keypoints_2d"]).reshape(-1, 3) * (scale, scale, 1)
    flat[:, 0] += SIZE[1] / 2 - 9 - flat[1, 0]

    def shifted(pixels: float) -> dict:
        points = flat + (pixels, 0, 0) * (flat[:, 2:] > 0)
        person = {"pose_keypoints_2d": points.ravel().tolist()}
        return {"people": [person], "canvas_width": SIZE[1], "canvas_height": SIZE[0]}

    folder = server.base / "input"
    (folder / "still.json").write_text(json.dumps([shifted(0)]))
    driving = [shifted(STEP * n) for n in range(FRAMES)]
    (folder / "sliding.json").write_text(json.dumps(driving))
    (folder / "short.json").write_text(json.dumps(driving[:17]))
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")


def needs(comfy, kind: str) -> None:
    if not comfy.object_info(kind):
        pytest.skip(f"this ComfyUI has no {kind}")


def front(made_for: str) -> dict:
    """From the picture and the poses to tracks of three points on the trunk."""
    points = " ".join(f"{x / SIZE[1]},{y / SIZE[0]}" for x, y in POINTS)
    return {
        "image": node("LoadImage", image="noise.png"),
        "fps": node("PrimitiveFloat", value=16.0),
        "still": node("DisPoseLoadPoses", file="still.json"),
        "sliding": node("DisPoseLoadPoses", file="sliding.json"),
        "field": node("DisPoseMotionField", reference=["image", 0], reference_pose=["still", 0],
                      driving_pose=["sliding", 0]),
        "tracks": node("DisPoseMotionTracks", reference=["image", 0], motion_field=["field", 0],
                       fps=["fps", 0], made_for=made_for, points="own points", count=3,
                       own_points=points),
        "vae": node("TinyVideoVAE"),
        "text": node("TinyText"),
    }  # fmt: skip


def recorded(comfy, server, prompt: dict, to_video: dict, name: str) -> dict[str, np.ndarray]:
    """Runs the model's own node and reads what it put into the positive CONDITIONING."""
    shared = {"positive": ["text", 0], "negative": ["text", 0], "vae": ["vae", 0]}
    size = {"width": SIZE[1], "height": SIZE[0], "batch_size": 1}
    kind = to_video.pop("kind")
    prompt["video"] = node(kind, **shared, **size, **to_video)
    prompt["record"] = node(
        "TinyRecordConditioning", conditioning=["video", 0], latent=["video", 2], run_name=name
    )
    comfy.run(prompt)
    return dict(np.load(server.base / "output" / f"{name}.npz"))


def by_hand(points: int, seconds: float) -> str:
    """The same three tracks, of `points` points over `seconds`."""
    times = np.linspace(0, seconds, points)
    return json.dumps(
        [[{"x": x + STEP * 16 * t, "y": y} for t in times.tolist()] for x, y in POINTS]
    )


def test_wan_move_gets_the_tracks_that_one_would_write_by_hand(comfy, server):
    needs(comfy, "WanMoveTrackToVideo")
    video = {"kind": "WanMoveTrackToVideo", "strength": 1.0, "start_image": ["image", 0]}
    ours = recorded(
        comfy, server, front("Wan-Move"),
        video | {"tracks": ["tracks", 0], "length": ["tracks", 2]}, "move_ours",
    )  # fmt: skip
    prompt = front("Wan-Move")
    prompt["coords"] = node("WanMoveTracksFromCoords", track_coords=by_hand(33, 2.0))
    hand = recorded(
        comfy, server, prompt, video | {"tracks": ["coords", 0], "length": 33}, "move_hand"
    )
    del prompt["coords"]
    none = recorded(comfy, server, prompt, video | {"length": 33}, "move_none")

    assert ours["latent_shape"].tolist() == [1, 16, 9, SIZE[0] // 8, SIZE[1] // 8]
    np.testing.assert_allclose(ours["concat_latent_image"], hand["concat_latent_image"], atol=1e-6)
    moved = np.abs(ours["concat_latent_image"] - none["concat_latent_image"]).max((0, 1, 3, 4))
    assert moved[0] == 0 and (moved[1:] > 0.01).all()


def test_ati_gets_the_tracks_that_one_would_write_by_hand(comfy, server):
    needs(comfy, "WanTrackToVideo")
    video = {"kind": "WanTrackToVideo", "temperature": 220.0, "topk": 2,
             "start_image": ["image", 0]}  # fmt: skip
    ours = recorded(
        comfy, server, front("ATI"),
        video | {"tracks": ["tracks", 1], "length": ["tracks", 2]}, "ati_ours",
    )  # fmt: skip
    hand = recorded(
        comfy, server, front("ATI"), video | {"tracks": by_hand(121, 2.0), "length": 33}, "ati_hand"
    )
    slow = recorded(
        comfy, server, front("ATI"), video | {"tracks": by_hand(121, 1.0), "length": 33}, "ati_slow"
    )

    key = "concat_latent_image"
    np.testing.assert_allclose(ours[key], hand[key], atol=0.003)
    assert np.abs(ours[key] - slow[key]).max() > 0.012


def skeletons(prompt: dict) -> dict:
    """The sliding poses drawn, as control video of 17 frames."""
    prompt["drawn"] = node("DisPosePoseRender", poses=["sliding", 0], width=0, height=0, body=True,
                           hands=True, face=True, style="dwpose")  # fmt: skip
    return prompt


def averaged(server, count: int, side: int, channels: int) -> np.ndarray:
    """(channels, t, h, w): what the stand-in VAE makes of the skeletons, drawn here."""
    people = load_poses(server.base / "input" / "sliding.json")[0]
    options = DrawOptions(style="dwpose")
    drawn = np.stack([draw_frame(people, t, SIZE, options) for t in range(17)]) / 255.0
    first = np.repeat(drawn[:1], count - 1, 0)
    frames = np.concatenate([first, drawn]).mean(-1)
    blocks = frames.reshape(-1, count, SIZE[0] // side, side, SIZE[1] // side, side)
    return blocks.mean((1, 3, 5)) + np.arange(channels)[:, None, None, None]


def test_vace_gets_the_skeletons_that_one_would_draw_by_hand(comfy, server):
    needs(comfy, "WanVaceToVideo")
    video = {"kind": "WanVaceToVideo", "strength": 1.0, "control_video": ["drawn", 0], "length": 17}
    ours = recorded(comfy, server, skeletons(front("Wan-Move")), video, "vace")

    frames = ours["vace_frames"][0]  # what stays, then what is controlled
    grey = 0.5 + np.arange(16.0)[:, None, None, None]
    np.testing.assert_allclose(frames[:16], np.broadcast_to(grey, frames[:16].shape))
    np.testing.assert_allclose(frames[16:], averaged(server, 4, 8, 16), atol=1e-5)


def test_the_guide_of_ltx_is_the_skeletons_that_one_would_draw_by_hand(comfy, server):
    prompt = skeletons(front("LTX 25 fps"))
    prompt["vae"] = node("TinyLtxVAE")
    prompt["empty"] = node("EmptyLTXVLatentVideo", width=SIZE[1], height=SIZE[0], length=17,
                           batch_size=1)  # fmt: skip
    prompt["rate"] = node("LTXVConditioning", positive=["text", 0], negative=["text", 0],
                          frame_rate=25.0)  # fmt: skip
    prompt["guide"] = node("LTXVAddGuide", positive=["rate", 0], negative=["rate", 1],
                           vae=["vae", 0], latent=["empty", 0], image=["drawn", 0], frame_idx=0,
                           strength=1.0)  # fmt: skip
    prompt["record"] = node("TinyRecordConditioning", conditioning=["guide", 0],
                            latent=["guide", 2], run_name="ltx")  # fmt: skip
    prompt["sliding"] = node("TinyRawPoses", file="short.json")
    comfy.run(prompt)

    latent = np.load(server.base / "output" / "ltx.npz")["latent"][0]
    if latent.shape[1] < 6:
        pytest.skip("this ComfyUI puts the guide's first frame into the video and encodes the rest")
    assert latent.shape == (128, 3 + 3, SIZE[0] // 32, SIZE[1] // 32)
    np.testing.assert_allclose(latent[:, 3:], averaged(server, 8, 32, 128), atol=1e-5)


@pytest.mark.parametrize("made_for, frames, fps", [("Wan / VACE", 45, 16), ("LTX 25 fps", 73, 25)])
def test_prepare_gives_a_model_its_rate_and_length(comfy, made_for, frames, fps):
    prompt = {
        "sample": node("DisPoseSampleMedia"),
        "prepare": node("DisPosePrepare", reference=["sample", 0], driving_video=["sample", 1],
                        resolution=64, stride=2, max_frames=0, start=0.0, duration=0.0,
                        made_for=made_for),
        "frames": node("PreviewAny", source=["prepare", 4]),
        "fps": node("PreviewAny", source=["prepare", 5]),
    }  # fmt: skip
    outputs = comfy.run(prompt)["outputs"]

    assert int(outputs["frames"]["text"][0]) == frames
    assert float(outputs["fps"]["text"][0]) == fps
