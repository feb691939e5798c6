"""ComfyUI's own nodes between ours: caching, compilation, schedules, with tiny networks."""

from __future__ import annotations

import re

import pytest
import torch

from .client import NodeError
from .tiny_graph import CONTROLNET, MODEL, graph, node, relative

STEPS, WINDOWS = 6, 3


@pytest.fixture
def core(comfy):
    """core(name): skips where ComfyUI has no such node."""

    def needed(name: str) -> None:
        if not comfy.object_info(name):
            pytest.skip(f"this ComfyUI has no node {name}")

    return needed


def longer(clip, run: str) -> dict:
    prompt = graph(clip, run)
    prompt["sigmas"]["inputs"]["steps"] = STEPS
    return prompt


def through(prompt: dict, kind: str, **inputs) -> dict:
    """The graph with a model node behind guidance and windows."""
    prompt["core"] = node(kind, model=["windows", 0], **inputs)
    prompt["linear"]["inputs"]["model"] = ["core", 0]
    return prompt


# Towards the end of the sampling, nothing is skipped.
CACHED = {"reuse_threshold": 3.0, "start_percent": 0.0, "end_percent": 0.95, "verbose": False}


@pytest.mark.parametrize(
    ("kind", "windows"),
    [("EasyCache", False), ("EasyCache", True), ("LazyCache", True)],
    ids=["easy, whole", "easy, windows", "lazy, windows"],
)
def test_caches_skip_steps_and_keep_our_control(core, sample, server, clip, kind, windows):
    core(kind)

    def run(name: str, cached: bool = True, strength: float = 1.0):
        prompt = longer(clip, name)
        if cached:
            through(prompt, kind, **CACHED)
        if not windows:
            (prompt["core"] if cached else prompt["linear"])["inputs"]["model"] = ["pose", 0]
        prompt["control"]["inputs"]["strength"] = strength
        return sample(prompt)

    plain = run("plain", cached=False)
    try:
        found = run("cached")
    except NodeError:
        bare = through(longer(clip, "bare"), kind, **CACHED)
        bare["core"]["inputs"]["model"] = ["mimicmotion", 0]
        bare["guider"]["inputs"].update(positive=["condition", 0], negative=["condition", 1])
        with pytest.raises(NodeError, match="must match the size of tensor b"):
            sample(bare)
        pytest.skip(f"{kind} of this ComfyUI cannot run any SVD, with or without our nodes")
    skipped = int(re.findall(rf"{kind} - skipped (\d+)/{STEPS} steps", server.log())[-1])
    uncontrolled = run("uncontrolled", strength=0.0)

    assert skipped > 0
    assert found.steps[-1].shape == plain.steps[-1].shape
    assert torch.isfinite(found.steps[-1]).all()
    assert relative(found.steps[-1], plain.steps[-1]) > 1e-3
    assert relative(found.steps[-1], uncontrolled.steps[-1]) > 1e-3
    if kind == "LazyCache":  # it skips a step with all of its windows
        assert len(found.calls["unet"]) == (STEPS - skipped) * WINDOWS


def test_a_compiled_model_samples_the_same(core, sample, clip):
    core("TorchCompileModel")
    plain = sample(graph(clip, "plain"))
    compiled = sample(through(graph(clip, "compiled"), "TinyCompile"))

    for found, wanted in zip(compiled.steps, plain.steps, strict=True):
        assert relative(found, wanted) < 1e-5


def test_the_svd_schedule_of_align_your_steps_runs_with_control_and_windows(core, sample, clip):
    core("AlignYourStepsScheduler")

    def scheduled(run: str) -> dict:
        prompt = graph(clip, run)
        prompt["sigmas"] = node(
            "AlignYourStepsScheduler", model_type="SVD", steps=STEPS, denoise=1.0
        )
        return prompt

    found, karras = sample(scheduled("ays")), sample(longer(clip, "karras"))
    without = scheduled("uncontrolled")
    without["control"]["inputs"]["strength"] = 0.0
    uncontrolled = sample(without)

    assert len(found.calls["unet"]) == len(found.calls["controlnet"]) == STEPS * WINDOWS
    assert found.steps[-1].shape == karras.steps[-1].shape
    assert torch.isfinite(found.steps[-1]).all()
    assert relative(found.steps[-1], karras.steps[-1]) > 1e-3
    assert relative(found.steps[-1], uncontrolled.steps[-1]) > 1e-3


@pytest.mark.usefixtures("clip")  # which writes the networks' files
def test_all_networks_are_in_the_patcher_of_dynamic_vram(comfy):
    frame = comfy.run({"names": node("TinyPatchers", model=MODEL, controlnet=CONTROLNET)})

    assert frame["outputs"]["names"]["names"] == ["StandIn"] * 4
