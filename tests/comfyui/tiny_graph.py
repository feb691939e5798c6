"""Clips, files and graphs for the tiny networks of golden 23."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from dispose_core.features.keypoint_features import KeypointFeatures
from dispose_core.pipeline.inputs import PipelineInputs
from dispose_core.pipeline.pipeline import DisPosePipeline
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.sequence import PoseSequence
from dispose_core.sampling.options import SamplingOptions
from tests.rule_weights import rnd
from tests.sampling.conftest import make_pipeline
from tests.tiny_nets import Motion, controlnet_state, golden_clip
from tests.weight_files import tiny_mimicmotion

from .client import Prompt

SIZE = (128, 64)  # (H, W) of the image
WINDOW, OVERLAP, SEED = 4, 2, 42
MODEL, CONTROLNET = "tiny_mimicmotion.safetensors", "tiny_dispose.safetensors"
CONTROLNET_WITHOUT_IDS = "tiny_without_ids.safetensors"


@dataclass(frozen=True, eq=False)
class TinyClip:
    """What the networks are given; all of a clip's F+1 frames, or of the F after the first."""

    name: str
    image: Tensor  # (3, H, W) 0…1; what CLIP and the VAE make of it is below
    poses: PoseSequence  # F+1
    flow: Tensor  # (F, 2, H, W)
    trajectory: Tensor  # (F, 2, H, W)
    skeletons: Tensor  # (F+1, 3, H, W) 0…1
    features: Tensor  # (18, 1280)
    embedding: Tensor  # (1, 1, 32)
    image_latents: Tensor  # (1, 4, h, w)

    def __len__(self) -> int:
        return len(self.poses)


def golden_tiny_clip(g: Any) -> TinyClip:
    """The clip of golden 23: 7 frames."""
    shape = (1, 6, 2, *SIZE)
    return TinyClip(
        "golden",
        golden_image(g),
        golden_clip(g, SIZE),
        rnd("e2e_flow", shape, 3)[0],
        rnd("e2e_traj", shape, 0.3)[0],
        (rnd("e2e_pose", (7, 3, *SIZE)).tanh() + 1) / 2,
        torch.from_numpy(g["ref_point_emb"][0]),
        torch.from_numpy(g["image_embeddings"][1:]),
        torch.from_numpy(g["first_controlnet_input"][1, :1, 4:]),
    )


def made_tiny_clip(frames: int, g: Any) -> TinyClip:
    """A clip of another length, with the image of golden 23."""
    name = f"made{frames}"
    shape = (frames - 1, 2, *SIZE)
    body = rnd(f"{name}_body", (frames, 18, 2), 0.2).sigmoid().double().numpy()
    return TinyClip(
        name,
        golden_image(g),
        PoseSequence.from_parts(SIZE, body, np.ones((frames, 18))),
        rnd(f"{name}_flow", shape, 3),
        rnd(f"{name}_traj", shape, 0.3),
        (rnd(f"{name}_pose", (frames, 3, *SIZE)).tanh() + 1) / 2,
        rnd(f"{name}_features", (18, 1280)),
        torch.from_numpy(g["image_embeddings"][1:]),
        torch.from_numpy(g["first_controlnet_input"][1, :1, 4:]),
    )


def golden_image(g: Any) -> Tensor:
    image = cv2.resize(g["image_small"], SIZE[::-1], interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(image).permute(2, 0, 1) / 255


def write_models(base: Path) -> None:
    control = controlnet_state()
    bare = {key: value for key, value in control.items() if not key.startswith("add_embedding.")}
    for folder, name, state in (
        ("diffusion_models", MODEL, tiny_mimicmotion()),
        ("controlnet", CONTROLNET, control),
        ("controlnet", CONTROLNET_WITHOUT_IDS, bare),
    ):
        (base / "models" / folder).mkdir(parents=True, exist_ok=True)
        save_file(state, base / "models" / folder / name)


def write_clip(folder: Path, clip: TinyClip) -> None:
    """Into the server's input folder, for `graph`."""
    save_openpose(folder / f"{clip.name}_reference.json", [clip.poses[:1]])
    save_openpose(folder / f"{clip.name}_driving.json", [clip.poses[1:]])
    np.savez(
        folder / f"{clip.name}.npz",
        **{
            key: getattr(clip, key).numpy()
            for key in (
                *("flow", "trajectory", "skeletons", "features"),
                *("embedding", "image_latents"),
            )
        },
    )


def graph(clip: TinyClip, run: str, windows: bool = True, seed: int = SEED) -> Prompt:
    """The whole sampling of a clip; node ids say what a node is for."""
    file = f"{clip.name}.npz"
    prompt = {
        "mimicmotion": node("TinyMimicMotion", file=MODEL, delay=0.0),
        "guidance": node("TinyGuidance", file=file),
        "pose": node(
            "DisPoseApplyPoseGuidance",
            **{"model": ["mimicmotion", 0], "pose_net": ["mimicmotion", 1]},
            **{"skeletons": ["guidance", 2], "strength": 1.0, "start": 0.0, "end": 1.0},
        ),
        "windows": node("DisPoseContextWindows", model=["pose", 0], length=WINDOW, overlap=OVERLAP),
        "linear": node("VideoLinearCFGGuidance", model=["windows", 0], min_cfg=1.0),
        "condition": node("TinyCondition", file=file, frames=len(clip)),
        "controlnet": node("TinyControlNet", file=CONTROLNET, dtype="default", low_vram=False),
        "reference": node("DisPoseLoadPoses", file=f"{clip.name}_reference.json"),
        "driving": node("DisPoseLoadPoses", file=f"{clip.name}_driving.json"),
        "control": apply_control("condition", "controlnet"),
        "noise": node("DisPoseNoise", seed=seed, length=WINDOW),
        "guider": node(
            "CFGGuider",
            **{"model": ["linear", 0], "cfg": 3.0},
            **{"positive": ["control", 0], "negative": ["control", 1]},
        ),
        "sampler": node("TinySampler", name="euler"),
        "sigmas": node("KarrasScheduler", steps=3, sigma_max=700.0, sigma_min=0.002, rho=7.0),
        "sampling": node(
            "SamplerCustomAdvanced",
            **{"noise": ["noise", 0], "guider": ["guider", 0], "sampler": ["sampler", 0]},
            **{"sigmas": ["sigmas", 0], "latent_image": ["condition", 2]},
        ),
        "record": node("TinyRecord", latent=["sampling", 0], run=run),
    }
    if not windows:
        prompt["linear"]["inputs"]["model"] = ["pose", 0]
        prompt["noise"]["inputs"]["length"] = len(clip)
        del prompt["windows"]
    return prompt


class Sampled(NamedTuple):
    steps: list[Tensor]  # latents before the first step and after each
    calls: dict[str, list[list[int]]]  # shapes of a network's inputs, call by call
    cached: set[str]  # nodes that did not run


def relative(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def apply_control(before: str, controlnet: str) -> dict[str, Any]:
    """The apply node behind another, both outputs of it."""
    return node(
        "DisPoseApplyControlNet",
        **{"positive": [before, 0], "negative": [before, 1], "control_net": [controlnet, 0]},
        **{"reference_pose": ["reference", 0], "driving_pose": ["driving", 0]},
        **{"motion_field": ["guidance", 0], "keypoint_features": ["guidance", 1]},
        **{"strength": 1.0, "motion_strength": 1.0, "points_strength": 1.0},
        **{"start": 0.0, "end": 1.0},
    )


def core_steps(
    clip: TinyClip,
    windows: bool = True,
    change: Callable[[DisPosePipeline], None] = lambda pipeline: None,
    **strengths: float,
) -> list[Tensor]:
    """Latents after each step of `DisPosePipeline` with the graph's settings.

    Args:
        change: is given the pipeline before it runs.
        strengths: of `SamplingOptions`.
    """
    pipeline = make_pipeline()
    change(pipeline)
    steps: list[Tensor] = []
    options = SamplingOptions(
        steps=3,
        seed=SEED,
        window=WINDOW if windows else len(clip),
        overlap=OVERLAP,
        min_guidance=1.0,
        max_guidance=3.0,
        augmentation=0.02,
        **strengths,
    )
    inputs = PipelineInputs(
        clip.image,
        clip.skeletons,
        Motion(clip.flow, clip.trajectory),
        clip.poses,
        KeypointFeatures(clip.features, torch.ones(18, dtype=torch.bool)),
    )
    pipeline.sample(inputs, options, on_step=lambda step: steps.append(step.latents))
    return steps
