"""The templates for other makers' models: whole until the conditioning, with stand-ins after it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from .client import PromptRejected
from .running import PACK
from .tiny_graph import node
from .tiny_workflow import api, assert_same_workflow, saved, write_files

# Template: ComfyUI's node that makes the conditioning, and what has to be in it.
TEMPLATES = {
    "wan_vace": ("WanVaceToVideo", "vace_frames"),
    "wan_animate": ("WanAnimateToVideo", "pose_video_latent"),
    "wan_move": ("WanMoveTrackToVideo", "concat_latent_image"),
    "ltx_pose": ("LTXVAddGuide", "keyframe_idxs"),
}
STAND_INS = {
    "DisPosePoseDetectorLoader": "TinyDetectorLoader",
    "UNETLoader": None, "ModelSamplingSD3": None, "LoraLoaderModelOnly": None,
    "CLIPLoader": None, "CLIPVisionLoader": None, "CLIPVisionEncode": None,
    "CheckpointLoaderSimple": "TinyLtxVAE", "VAELoader": "TinyVideoVAE",
    "CLIPTextEncode": "TinyText",
}  # fmt: skip
BARE = ("TinyVideoVAE", "TinyLtxVAE", "TinyText")  # without inputs, one output
FRAMES = 17  # 4n + 1 and 8n + 1
each_template = pytest.mark.parametrize("name", TEMPLATES)


@pytest.fixture(scope="module", autouse=True)
def files(server, assets):
    """Also the sample's poses with a face, which Wan-Animate needs and the sample has not."""
    write_files(server.base, assets)
    frames = json.loads((assets / "poses" / "driving.json").read_text())[:FRAMES]
    around = np.linspace(0, 2 * np.pi, 70)
    for frame in frames:
        person = frame["people"][0]
        x, y = person["pose_keypoints_2d"][:2]
        face = np.stack([x + 25 * np.cos(around), y + 30 * np.sin(around), 0 * around + 1], -1)
        person["face_keypoints_2d"] = face.ravel().tolist()
    (server.base / "input" / "with_face.json").write_text(json.dumps(frames))


def until_conditioning(comfy, name: str, run_name: str) -> dict:
    """The template on 64×… pixels and a few frames, up to the node that makes the conditioning."""
    kind, _ = TEMPLATES[name]
    if not comfy.object_info(kind):
        pytest.skip(f"this ComfyUI has no {kind}")
    prompt = api(name)
    (last,) = (key for key, value in prompt.items() if value["class_type"] == kind)
    wanted, kept = [last], {}
    while wanted:
        key = wanted.pop()
        value = prompt[key]
        stand_in = STAND_INS.get(value["class_type"], value["class_type"])
        if key in kept or stand_in is None:
            continue
        inputs = {} if stand_in in BARE else dict(value["inputs"])
        if stand_in == "TinyDetectorLoader":
            inputs = {k: v for k, v in inputs.items() if k in ("backend", "smoothing")}
        inputs.update(
            {k: v for k, v in {"resolution": 128, "max_frames": 17}.items() if k in inputs}
        )
        for k, link in list(inputs.items()):
            if not isinstance(link, list):
                continue
            source = prompt[link[0]]["class_type"]
            if STAND_INS.get(source, source) is None:
                del inputs[k]  # networks that nothing is read from here
            else:
                wanted.append(link[0])
                if STAND_INS.get(source) in BARE:
                    inputs[k] = [link[0], 0]
        kept[key] = {"class_type": stand_in, "inputs": inputs}
        if name == "wan_animate" and value["_meta"]["title"] == "Pose Extract: the driving video":
            kept[key] = node("TinyRawPoses", file="with_face.json")
    kept["record"] = node(
        "TinyRecordConditioning", conditioning=[last, 0], latent=[last, 2], run_name=run_name
    )
    return kept


@each_template
def test_a_template_makes_the_conditioning_of_its_model(comfy, server, name):
    comfy.run(until_conditioning(comfy, name, name), timeout=300)

    recorded = np.load(server.base / "output" / f"{name}.npz")
    assert TEMPLATES[name][1] in recorded.files
    step = 8 if name == "ltx_pose" else 4
    assert recorded["latent_shape"][2] >= (FRAMES - 1) // step + 1
    value = recorded[TEMPLATES[name][1]]
    assert np.isfinite(value).all() and value.std() > 0


@each_template
def test_a_template_opens_as_its_api_workflow(comfy, browser_page, name):
    if not comfy.object_info(TEMPLATES[name][0]):
        pytest.skip("this ComfyUI has not all its nodes")
    prompt = browser_page.page.evaluate(
        """async (graph) => {
            await app.loadGraphData(graph);
            return (await app.graphToPrompt()).output;
        }""",
        saved(name),
    )
    assert_same_workflow(prompt, api(name))
    missing = [key for key, value in prompt.items() if not comfy.object_info(value["class_type"])]
    assert not missing


@each_template
def test_only_files_of_models_are_missing(comfy, name):
    """ComfyUI's validation of the whole workflow complains of nothing but files."""
    if not comfy.object_info(TEMPLATES[name][0]):
        pytest.skip("this ComfyUI has not all its nodes")
    with pytest.raises(PromptRejected) as refused:
        comfy.queue(api(name))
    text = str(refused.value)
    assert ".safetensors" in text or "not found" in text
    assert "Required input is missing" not in text and "Return type mismatch" not in text


def test_each_template_has_a_picture_and_its_files_in_the_note():
    for name in TEMPLATES:
        assert (PACK / "workflows" / f"{name}.jpg").stat().st_size < 400_000
        (note,) = (n for n in saved(name)["nodes"] if n["type"] == "MarkdownNote")
        for n in saved(name)["nodes"]:
            for model in n["properties"].get("models", []):
                assert f"`{model['name']}`" in note["widgets_values"][0]
                assert f"`{model['directory']}`" in note["widgets_values"][0]
        assert "**Memory** (estimated, not measured)" in note["widgets_values"][0]
        assert json.dumps(api(name))
