"""The shipped workflows with tiny networks: loaders exchanged for those of `packs/tiny_loaders`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors.torch import save_file

from tests.rule_weights import rnd, rule_state
from tests.tiny_nets import GOLDENS, manifest

from .client import Prompt
from .running import PACK
from .tiny_graph import write_models

WORKFLOWS = PACK / "workflows"
SUBGRAPHS = PACK / "subgraphs"  # blueprints, offered as nodes
OLD = PACK / "tests" / "workflows_e19476a"  # API workflows of an earlier version
NAMES = ("animate", "animate_simple", "compare_branches")
LOADERS = {
    "CheckpointLoaderSimple": "TinyCheckpointLoader",
    "ImageOnlyCheckpointLoader": "TinyImageOnlyLoader",
    "DisPoseMimicMotionLoader": "TinyMimicMotionLoader",
    "DisPoseControlNetLoader": "TinyControlNetLoader",
    "DisPosePoseDetectorLoader": "TinyDetectorLoader",
}


def api(name: str) -> Prompt:
    """A shipped workflow for the HTTP API."""
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))


def saved(name: str) -> dict[str, Any]:
    """A shipped workflow as the front end saves it."""
    return json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))


def assert_same_workflow(prompt: Prompt, wanted: Prompt) -> None:
    """The front end's prompt is the shipped API workflow.

    ComfyUI's own nodes get other inputs from version to version, with defaults: of those the
    inputs that both have are compared.
    """
    assert {k: n["class_type"] for k, n in prompt.items()} == {
        k: n["class_type"] for k, n in wanted.items()
    }
    for key, expected in wanted.items():
        found, inputs = prompt[key]["inputs"], expected["inputs"]
        if not expected["class_type"].startswith("DisPose"):
            shared = found.keys() & inputs.keys()
            found, inputs = ({k: some[k] for k in shared} for some in (found, inputs))
        assert found == inputs, key


def tiny(name: str, frames: int = 3, folder: Path = WORKFLOWS / "api") -> Prompt:
    """A workflow that a CPU runs in seconds: 2 steps, short windows, 64×64 pixels."""
    prompt = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    # A pose that was saved with its picture needs the picture's shape, which 64×64 is not.
    loads_poses = any(node["class_type"] == "DisPoseLoadPoses" for node in prompt.values())
    smaller = shorter(frames) | ({"resolution": 128} if loads_poses else {})
    for node in prompt.values():
        node["class_type"] = LOADERS.get(node["class_type"], node["class_type"])
        inputs = node["inputs"]
        inputs.update({k: v for k, v in smaller.items() if k in inputs})
        if node["class_type"] in ("DisPoseContextWindows", "DisPoseNoise"):
            inputs["length"] = 4
    return prompt


def tiny_saved(name: str, frames: int = 3) -> dict[str, Any]:
    """The same in the front end's format."""
    graph = saved(name)
    make_tiny(graph["nodes"], frames)
    return graph


def make_tiny(nodes: list[dict[str, Any]], frames: int = 3) -> None:
    """Exchanges the loaders and lowers the sizes of nodes as the front end saves them."""
    for node in nodes:
        node["type"] = LOADERS.get(node["type"], node["type"])
        widgets = [i["name"] for i in node["inputs"] if "widget" in i]
        if len(node.get("widgets_values", ())) > len(widgets) and "seed" in widgets:
            widgets.insert(widgets.index("seed") + 1, "control after generate")
        for name, value in shorter(frames).items():
            if name in widgets:
                node["widgets_values"][widgets.index(name)] = value


def shorter(frames: int) -> dict[str, int]:
    return {"resolution": 64, "max_frames": frames, "steps": 2, "ensemble": 1, "overlap": 2}


def write_files(base: Path, assets: Path) -> None:
    """What the tiny loaders read, and the media that the workflows open on."""
    write_models(base)
    folder = base / "input"
    state = rule_state(manifest("tiny_dift_unet", "dift_unet."), "dift_unet.")
    state["prompt"] = rnd("dift_enc", (2, 7, 48))[:1].clone()
    save_file(state, folder / "tiny_sd15.safetensors")
    clip = json.loads((GOLDENS / "tiny_configs.json").read_text())["clip"]
    clip |= {"model_type": "clip_vision_model", "num_channels": 3}
    (folder / "tiny_clip.json").write_text(json.dumps(clip))
    shapes = manifest("tiny_vae_clip_posenet", "image_encoder.")
    save_file(rule_state(shapes, "image_encoder."), folder / "tiny_clip.safetensors")
    for file in ("reference.png", "driving.mp4"):
        (folder / file).write_bytes((assets / file).read_bytes())
    Image.new("RGB", (96, 128)).save(folder / "black.png")
