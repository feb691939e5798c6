"""DisPose sampled by ComfyUI's own nodes, with tiny networks on ComfyUI's own classes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.testing import assert_close

from tests.rule_weights import rule_state
from tests.tiny_nets import GOLDENS, manifest

from .client import NodeError, PromptInterrupted, PromptRejected
from .tiny_graph import (
    CONTROLNET_WITHOUT_IDS,
    SIZE,
    apply_control,
    core_steps,
    graph,
    made_tiny_clip,
    node,
    relative,
    write_clip,
)

STEPS, WINDOWS = 3, 3  # of the clip of golden 23


def test_latents_after_every_step_are_the_papers(sample, clip, arrays):
    found = sample(graph(clip, "golden"))

    for step in range(STEPS):
        wanted = torch.from_numpy(arrays[f"latents_step{step}"][0])
        assert relative(found.steps[step + 1], wanted) < 1e-4  # measured: 1e-5
    # Cond and uncond in one batch, and the encoder once a clip, four frames at a time.
    assert found.calls["unet"] == [[2 * 4, 8, 16, 8]] * STEPS * WINDOWS
    assert found.calls["controlnet"] == [[2, 4, 8, 16, 8]] * STEPS * WINDOWS
    assert found.calls["motion"] == [[4, 2, 128, 64], [3, 2, 128, 64]]


@pytest.mark.usefixtures("clip")  # which writes the networks' files
@pytest.mark.parametrize(
    ("frames", "windows"), [(3, True), (7, False), (20, True)], ids=["short", "whole", "long"]
)
def test_latents_are_the_pipelines_for_clips_of_any_length(sample, server, arrays, frames, windows):
    clip = made_tiny_clip(frames, arrays)
    write_clip(server.base / "input", clip)

    found = sample(graph(clip, clip.name, windows))

    wanted = core_steps(clip, windows)
    errors = [relative(a, b) for a, b in zip(found.steps[1:], wanted, strict=True)]
    assert max(errors) < 1e-4


@pytest.mark.parametrize(
    ("motion", "points"), [(1.0, 0.0), (0.0, 1.0), (0.5, 2.0)], ids=["motion", "points", "mixed"]
)
def test_branches_have_their_own_strength(sample, clip, motion, points):
    prompt = graph(clip, "branch")
    prompt["control"]["inputs"].update(motion_strength=motion, points_strength=points)

    found = sample(prompt)

    wanted = core_steps(clip, motion_strength=motion, point_strength=points)
    assert relative(found.steps[-1], wanted[-1]) < 1e-4


@pytest.mark.parametrize("branch", ["motion", "points"])
def test_a_branch_that_is_not_connected_is_its_strength_0(sample, clip, branch):
    without, silent = graph(clip, "without"), graph(clip, "silent")
    del without["control"]["inputs"][
        {"motion": "motion_field", "points": "keypoint_features"}[branch]
    ]
    silent["control"]["inputs"][f"{branch}_strength"] = 0.0

    assert_close(sample(without).steps[-1], sample(silent).steps[-1], atol=0, rtol=0)


def test_strength_0_is_the_graph_without_the_node(sample, clip):
    silent, without = graph(clip, "silent"), graph(clip, "without")
    silent["control"]["inputs"]["strength"] = 0.0
    silent["pose"]["inputs"]["strength"] = 0.0
    del without["control"], without["pose"]
    without["guider"]["inputs"].update(positive=["condition", 0], negative=["condition", 1])
    without["windows"]["inputs"]["model"] = ["mimicmotion", 0]

    first, second = sample(silent), sample(without)

    assert_close(first.steps, second.steps, atol=0, rtol=0)
    assert "controlnet" not in first.calls


def test_two_controls_add_up_in_either_order(sample, clip):
    def chained(first: dict, second: dict) -> Tensor:
        prompt = graph(clip, "chained")
        prompt["control"]["inputs"].update(first)
        prompt["second"] = apply_control("control", "controlnet")
        prompt["second"]["inputs"].update(second)
        prompt["guider"]["inputs"].update(positive=["second", 0], negative=["second", 1])
        found = sample(prompt)
        assert len(found.calls["controlnet"]) == (STEPS + STEPS - 1) * WINDOWS
        return found.steps[-1]

    weak, half = {"strength": 0.3}, {"motion_strength": 0.5, "start": 0.2}  # not in the first step

    assert relative(chained(weak, half), chained(half, weak)) < 1e-6


def test_guidance_works_from_start_to_end_only(sample, clip):
    # The three sigmas lie at 0, 0.31 and 1 of the sampling's logarithmic range.
    late, early = graph(clip, "late"), graph(clip, "early")
    late["control"]["inputs"]["start"] = 0.2
    early["control"]["inputs"]["end"] = 0.2

    assert len(sample(late).calls["controlnet"]) == 2 * WINDOWS
    assert len(sample(early).calls["controlnet"]) == WINDOWS


@pytest.mark.parametrize("name", ["dpm_2", "dpmpp_sde"])
def test_samplers_that_stop_between_steps_run_in_windows(sample, clip, name):
    prompt = graph(clip, name)
    prompt["sampler"]["inputs"]["name"] = name

    found = sample(prompt)

    assert found.steps[-1].isfinite().all()
    assert len(found.calls["unet"]) > STEPS * WINDOWS  # sigmas that are not in the schedule


def test_the_plain_ksampler_runs_it(comfy, clip):
    prompt = graph(clip, "ksampler")
    prompt["sampling"] = node(
        "KSampler",
        **{"model": ["linear", 0], "seed": 1, "steps": 2, "cfg": 2.0, "denoise": 1.0},
        **{"sampler_name": "euler", "scheduler": "karras", "latent_image": ["condition", 2]},
        **{"positive": ["control", 0], "negative": ["control", 1]},
    )

    assert comfy.run(prompt)["status"]["status_str"] == "success"


@pytest.mark.parametrize(("dtype", "bound"), [("fp16", 2e-3), ("bf16", 2e-2), ("fp8_e4m3fn", 0.2)])
def test_weights_may_be_kept_in_another_precision(sample, clip, dtype, bound):
    exact = sample(graph(clip, "exact")).steps[-1]
    prompt = graph(clip, dtype)
    prompt["controlnet"]["inputs"]["dtype"] = dtype

    error = relative(sample(prompt).steps[-1], exact)
    assert 0 < error < bound


def test_the_models_weights_may_be_kept_in_fp8(sample, clip):
    exact = sample(graph(clip, "exact")).steps[-1]
    prompt = graph(clip, "fp8_model")
    prompt["mimicmotion"]["inputs"]["dtype"] = "fp8_e4m3fn"

    assert 0 < relative(sample(prompt).steps[-1], exact) < 0.2


def test_a_lora_with_comfyuis_keys_changes_the_model(sample, server, clip):
    torch.manual_seed(0)
    down = torch.randn(2, 32)
    up = torch.randn(128, 2) * 0.2
    key = "diffusion_model.time_embed.0.lora_{}.weight"
    (server.base / "models" / "loras").mkdir(exist_ok=True)
    save_file(
        {key.format("up"): up, key.format("down"): down},
        server.base / "models" / "loras" / "tiny.safetensors",
    )
    prompt = graph(clip, "lora")
    prompt["lora"] = node(
        "LoraLoaderModelOnly",
        **{"model": ["mimicmotion", 0], "lora_name": "tiny.safetensors", "strength_model": 1.0},
    )
    prompt["pose"]["inputs"]["model"] = ["lora", 0]

    found = sample(prompt)

    def change(pipeline) -> None:
        # Not in place: the tests' weights are shared.
        layer = pipeline.unet.time_embedding.linear_1
        layer.weight = torch.nn.Parameter(layer.weight + up @ down, requires_grad=False)

    assert relative(found.steps[-1], core_steps(clip, change=change)[-1]) < 1e-4
    assert relative(found.steps[-1], core_steps(clip)[-1]) > 1e-2


def test_a_file_without_layers_for_the_added_ids_takes_the_models(sample, clip):
    prompt = graph(clip, "without_ids")
    prompt["controlnet"]["inputs"]["file"] = CONTROLNET_WITHOUT_IDS

    found = sample(prompt)

    def change(pipeline) -> None:
        pipeline.controlnet.add_embedding = pipeline.unet.add_embedding

    assert relative(found.steps[-1], core_steps(clip, change=change)[-1]) < 1e-4
    assert relative(found.steps[-1], core_steps(clip)[-1]) > 1e-4


def test_a_window_may_be_told_by_comfyui_and_by_animatediff_evolved(comfy, clip):
    prompt = graph(clip, "windowed")
    prompt["told"] = node("TinyWindowed", model=["linear", 0], condition=["control", 0])
    del prompt["record"], prompt["sampling"]

    frame = comfy.run(prompt)

    *told, clone, other = json.loads(frame["outputs"]["told"]["differences"][0])
    assert [difference for _, difference in told] == [0, 0, 0]
    assert clone[1] < 1e-3  # copied weights lie elsewhere in memory: rounding
    assert other[1] > 0.01


def test_weights_that_stay_off_the_device_give_the_same(sample, clip):
    whole = sample(graph(clip, "whole")).steps[-1]
    prompt = graph(clip, "low_vram")
    prompt["controlnet"]["inputs"]["low_vram"] = True

    assert_close(sample(prompt).steps[-1], whole, atol=0, rtol=0)


def test_another_seed_runs_the_sampler_only(sample, clip):
    first = sample(graph(clip, "seeded", seed=1))
    second = sample(graph(clip, "seeded", seed=2))

    ran = set(graph(clip, "seeded")) - second.cached
    assert ran == {"noise", "sampling", "record"}
    assert "motion" not in second.calls
    assert relative(second.steps[0], first.steps[0]) > 1


def interrupt_in_a_window(comfy, server, clip) -> None:
    slow = graph(clip, "slow", seed=3)
    slow["mimicmotion"]["inputs"]["delay"] = 0.5  # nine calls
    in_windows = server.log().count("Using context windows")
    job = comfy.queue(slow)
    until = time.monotonic() + 60
    while server.log().count("Using context windows") == in_windows and time.monotonic() < until:
        time.sleep(0.05)
    comfy.interrupt()
    with pytest.raises(PromptInterrupted, match="SamplerCustomAdvanced"):
        comfy.wait(job)


def test_after_an_interrupt_in_a_window_the_next_job_is_right(comfy, server, sample, clip):
    right = sample(graph(clip, "right")).steps[-1]
    interrupt_in_a_window(comfy, server, clip)

    assert_close(sample(graph(clip, "right again")).steps[-1], right, atol=0, rtol=0)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_stays_over_ten_jobs_and_an_interrupt(comfy, server, clip):
    def resident() -> int:
        """MiB"""
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) // 1024

    seen = []
    for job in range(12):
        if job == 6:
            interrupt_in_a_window(comfy, server, clip)
        prompt = graph(clip, "memory", seed=100 + job)
        prompt["sigmas"]["inputs"]["steps"] = 1
        comfy.run(prompt)
        seen.append(resident())
    assert seen[-1] - seen[1] < 50, seen


def test_conditioning_and_decoding_run_on_comfyuis_clip_and_vae(comfy, server, arrays):
    folder = server.base / "input"
    clip = json.loads((GOLDENS / "tiny_configs.json").read_text())["clip"]
    clip |= {"model_type": "clip_vision_model", "num_channels": 3}
    (folder / "tiny_clip.json").write_text(json.dumps(clip))
    shapes = manifest("tiny_vae_clip_posenet", "image_encoder.")
    save_file(rule_state(shapes, "image_encoder."), folder / "tiny_clip.safetensors")
    image = cv2.resize(arrays["image_small"], SIZE[::-1], interpolation=cv2.INTER_LINEAR)
    Image.fromarray(image).save(folder / "tiny_picture.png")
    prompt = {
        "clip": node("TinyClipVision", config="tiny_clip.json", file="tiny_clip.safetensors"),
        "vae": node("TinyVae"),
        "picture": node("LoadImage", image="tiny_picture.png"),
        "condition": node(
            "DisPoseConditioning",
            **{"clip_vision": ["clip", 0], "vae": ["vae", 0], "reference": ["picture", 0]},
            **{"width": SIZE[1], "height": SIZE[0], "frames": 9, "fps": 7, "motion_bucket": 127},
            **{"augmentation": 0.0, "augmentation_seed": 0},
        ),
        "decode": node("DisPoseDecode", samples=["condition", 2], vae=["vae", 0], chunk=4),
        "show": node("TinyShow", condition=["condition", 0], images=["decode", 0], run="shown"),
    }

    comfy.run(prompt)

    shown = np.load(server.base / "output" / "shown.npz")
    wanted = torch.from_numpy(arrays["image_embeddings"][1:])
    error = relative(torch.from_numpy(shown["embedding"]), wanted)
    assert error < 3e-3  # ComfyUI keeps CLIP in fp16; in float32 it is 6e-7
    assert shown["latent"].shape == (1, 4, 16, 8)
    assert shown["images"].shape == (9, *SIZE, 3)


# What goes wrong: each message names the node, what it got, and what to do.


def another_controlnet(prompt: dict) -> None:
    prompt["other"] = node("TinyOtherControlNet")
    prompt["control"]["inputs"]["control_net"] = ["other", 0]


def without_pose_net(prompt: dict) -> None:
    prompt["other"] = node("TinyOtherControlNet")
    prompt["pose"]["inputs"]["pose_net"] = ["other", 1]


def wrong_frames(prompt: dict) -> None:
    prompt["condition"]["inputs"]["frames"] = 6


def wrong_frames_whole(prompt: dict) -> None:
    prompt["condition"]["inputs"]["frames"] = 9
    prompt["linear"]["inputs"]["model"] = ["mimicmotion", 0]


def stock_apply(prompt: dict) -> None:
    prompt["control"] = node(
        "ControlNetApplyAdvanced",
        **{"positive": ["condition", 0], "negative": ["condition", 1]},
        **{"control_net": ["controlnet", 0], "image": ["guidance", 2]},
        **{"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0},
    )


def without_hints(prompt: dict) -> None:
    del (
        prompt["control"]["inputs"]["motion_field"],
        prompt["control"]["inputs"]["keypoint_features"],
    )


def fewer_driving_poses(prompt: dict) -> None:
    prompt["driving"]["inputs"]["file"] = prompt["reference"]["inputs"]["file"]


def sd15_to_pose_guidance(prompt: dict) -> None:
    prompt["sd15"] = node("TinySD15")
    prompt["pose"]["inputs"]["model"] = ["sd15", 0]


def sd15_to_sampler(prompt: dict) -> None:
    prompt["sd15"] = node("TinySD15")
    prompt["guider"]["inputs"]["model"] = ["sd15", 0]


def windows_too_short(prompt: dict) -> None:
    prompt["windows"]["inputs"].update(length=4, overlap=4)


@pytest.mark.parametrize(
    ("break_it", "where", "message"),
    [
        (wrong_frames, "sampling", r"clip of 7 frames .* the latents have 6 frames.*Conditioning"),
        (wrong_frames_whole, "sampling", "Apply DisPose.* 7 frames .* the latents have 9 frames"),
        (stock_apply, "control", "not an image. Use the node 'Apply DisPose ControlNet'"),
        (without_hints, "control", "neither a motion field nor keypoint features are connected"),
        (fewer_driving_poses, "control", "6 driving frames, but driving_pose has 1"),
        (sd15_to_pose_guidance, "pose", "the MODEL is SD15.*'MimicMotion Loader'"),
        (sd15_to_sampler, "sampling", "Apply DisPose ControlNet: the MODEL is SD15"),
        (another_controlnet, "control", "the CONTROL_NET is T2IAdapter, not DisPose's"),
        (without_pose_net, "pose", "the model file has no PoseNet. In 'MimicMotion Loader', load"),
        (windows_too_short, "windows", "length 4 with overlap 4"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_does_not_fit_is_said_and_the_server_lives(comfy, clip, break_it, where, message):
    prompt, alive = graph(clip, "broken"), graph(clip, "alive")
    break_it(prompt)
    for one in (prompt, alive):
        one["sigmas"]["inputs"]["steps"] = 1

    with pytest.raises(NodeError) as error:
        comfy.run(prompt)
    assert error.value.node_id == where
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(error.value.message)
    assert comfy.run(alive)["status"]["status_str"] == "success"


def test_latents_of_another_size_are_refused_with_both_sizes(comfy, server, clip, arrays):
    prompt = graph(clip, "sizes")
    prompt["large"] = node("EmptyLatentImage", width=128, height=128, batch_size=7)
    prompt["sampling"]["inputs"]["latent_image"] = ["large", 0]

    with pytest.raises(NodeError, match="images of 64×128, but the latents are for 128×128"):
        comfy.run(prompt)


def test_files_that_are_missing_or_wrong_are_named(comfy, server, clip):
    def load(kind: str, **inputs) -> dict:
        return {
            "load": node(kind, dtype="default", **inputs),
            "show": node("PreviewAny", source=["load", 0]),
        }

    # The tiny networks under each other's name.
    swapped = server.base / "models" / "controlnet" / "swapped.safetensors"
    swapped.write_bytes(
        (server.base / "models/diffusion_models/tiny_mimicmotion.safetensors").read_bytes()
    )

    with pytest.raises(PromptRejected, match=r"DisPose\.pth: not found in .*controlnet"):
        comfy.run(load("DisPoseControlNetLoader", file="DisPose.pth"))
    with pytest.raises(NodeError, match=r"swapped\.safetensors: this is MimicMotion"):
        comfy.run(load("DisPoseControlNetLoader", file="swapped.safetensors"))
    with pytest.raises(PromptRejected, match=r"no\.pth: not found in .*diffusion_models"):
        comfy.run(load("DisPoseMimicMotionLoader", file="no.pth", pose_net="from the model file"))
