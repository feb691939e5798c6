"""Keypoint features read from ComfyUI's MODEL, against the library's own reading of diffusers."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dispose_core.features.dift import DiffusionFeatureOptions, ensemble_features, up_block_features
from dispose_core.features.keypoint_features import keypoint_features
from dispose_core.pose.pose_files import load_poses
from tests.conftest import GOLDENS
from tests.rule_weights import fill_by_rule, rnd

from .client import NodeError, PromptInterrupted
from .tiny_graph import node
from .tiny_workflow import write_files

SIZE = (128, 64)  # (H, W)
LATENT_SCALE = 0.18215  # of SD 1.5
ENSEMBLE = 5  # a batch of four and one of one


@pytest.fixture(scope="module", autouse=True)
def files(server, assets):
    write_files(server.base, assets)


def graph(run: str, delay: float = 0.0, seed: int = 3) -> dict:
    return {
        "model": node("TinyReadSD15", delay=delay),
        "prompt": node("CLIPTextEncode", clip=["model", 1], text="photo of a human"),
        "vae": node("TinyVae"),
        "picture": node("LoadImage", image="reference.png"),
        "fitted": node(
            "ImageScale",
            **{"image": ["picture", 0], "width": SIZE[1], "height": SIZE[0]},
            **{"upscale_method": "bilinear", "crop": "disabled"},
        ),
        "latent": node("VAEEncode", pixels=["fitted", 0], vae=["vae", 0]),
        "pose": node("DisPoseLoadPoses", file="reference.json [sample]"),
        "features": node(
            "DisPoseKeypointFeatures",
            **{"model": ["model", 0], "vae": ["vae", 0], "prompt": ["prompt", 0]},
            **{"reference": ["fitted", 0], "reference_pose": ["pose", 0]},
            **{"timestep": 261, "ensemble": ENSEMBLE, "seed": seed},
        ),
        "record": node(
            "TinyRecordFeatures",
            **{"features": ["features", 0], "latent": ["latent", 0], "model": ["model", 0]},
            run_name=run,
        ),
    }


@pytest.fixture
def read(comfy, server):
    """Runs a graph; its features, and the latents they were read from."""

    def run(prompt: dict) -> tuple[torch.Tensor, torch.Tensor]:
        comfy.run(prompt)
        name = prompt["record"]["inputs"]["run_name"]
        found = np.load(server.base / "output" / f"{name}.npz")
        return torch.from_numpy(found["features"]), torch.from_numpy(found["latent"])

    return run


def test_features_are_those_of_diffusers_for_the_same_latents_and_noise(read, assets):
    from diffusers import UNet2DConditionModel

    found, latents = read(graph("features"))

    config = json.loads((GOLDENS / "22_dift_unet_tiny.json").read_text())
    unet = fill_by_rule(UNet2DConditionModel(**config), "dift_unet.")
    prompt = rnd("dift_enc", (2, 7, 48))[:1]
    options = DiffusionFeatureOptions(ensemble=ENSEMBLE, seed=3)
    feature_map = ensemble_features(
        lambda noisy, timestep: up_block_features(unet, noisy, timestep, prompt, 1),
        latents[0] * LATENT_SCALE,
        None,
        options,
    )
    (pose,) = load_poses(assets / "poses" / "reference.json")[0]
    wanted = keypoint_features(feature_map, pose, SIZE).features
    assert found.shape == (18, 128)
    assert wanted.norm() > 1
    assert float((found - wanted).norm() / wanted.norm()) < 1e-4  # measured: 5e-6


def test_the_model_is_left_as_it_was(comfy, server):
    """Its outputs are cached and shared: a patch that stayed would be in everybody's sampling."""
    frame = comfy.run(graph("untouched", seed=4))

    left = json.loads(frame["outputs"]["record"]["left"][0])
    assert left == {"patches": [], "options": {"transformer_options": {}}, "backup": []}


def test_the_model_still_samples_to_its_end_afterwards(comfy):
    comfy.run(graph("read", seed=5))
    prompt = graph("sampled", seed=5)
    prompt["sampling"] = node(
        "KSampler",
        **{"model": ["model", 0], "positive": ["prompt", 0], "negative": ["prompt", 0]},
        **{"latent_image": ["latent", 0], "seed": 1, "steps": 1, "cfg": 1.0, "denoise": 1.0},
        **{"sampler_name": "euler", "scheduler": "normal"},
    )
    prompt["record"]["inputs"]["latent"] = ["sampling", 0]

    assert comfy.run(prompt)["status"]["status_str"] == "success"


def test_after_an_interrupt_in_the_middle_the_next_run_is_right(comfy, read):
    right, _ = read(graph("right", seed=6))
    slow = graph("slow", delay=1.0, seed=6)
    slow["features"]["inputs"]["ensemble"] = 32
    job = comfy.queue(slow)
    until = time.monotonic() + 60
    while job not in comfy.queue_state()[0] and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(1.5)  # in the second of eight passes
    comfy.interrupt()
    with pytest.raises(PromptInterrupted, match="DisPoseKeypointFeatures"):
        comfy.wait(job)

    # The MODEL that was interrupted, from the cache.
    again, _ = read(graph("again", delay=1.0, seed=6))
    assert_close(again, right, atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["SDXL", "SD20", "SVD_img2vid"])
def test_other_models_are_refused_by_name(comfy, kind):
    prompt = graph("refused")
    prompt["other"] = node("TinyOtherModel", model_class=kind)
    prompt["features"]["inputs"]["model"] = ["other", 0]

    with pytest.raises(NodeError, match=f"the MODEL is {kind}.* SD 1.5 class.*Load a Stable"):
        comfy.run(prompt)


def test_two_prompts_are_refused(comfy):
    prompt = graph("two")
    prompt["both"] = node(
        "ConditioningCombine", conditioning_1=["prompt", 0], conditioning_2=["prompt", 0]
    )
    prompt["features"]["inputs"]["prompt"] = ["both", 0]

    with pytest.raises(NodeError, match="got 2 prompts in the conditioning, expected one"):
        comfy.run(prompt)


def test_an_image_of_several_and_an_empty_pose_are_refused(comfy):
    several, nobody = graph("several"), graph("nobody")
    several["batch"] = node("RepeatImageBatch", image=["fitted", 0], amount=2)
    several["features"]["inputs"]["reference"] = ["batch", 0]
    nobody["black"] = node("LoadImage", image="black.png")
    nobody["detector"] = node("TinyDetectorLoader", backend="dwpose", smoothing=True)
    nobody["pose"] = node(
        "DisPosePoseExtract",
        **{"images": ["black", 0], "detector": ["detector", 0], "hands": True, "face": True},
        **{"threshold": 0.3, "person": "largest", "index": 0, "x": 0.5, "y": 0.5, "frame": 0},
    )

    with pytest.raises(NodeError, match="reference: got a batch of 2 images, expected one"):
        comfy.run(several)
    with pytest.raises(NodeError, match="no ") as error:
        comfy.run(nobody)
    assert error.value.node_id in ("pose", "features")
