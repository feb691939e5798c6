"""Clips, files and graphs for the tiny networks of golden 23."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from dispose_core.control.hints import ControlHints
from dispose_core.control.motion_encoder import MotionEncoder, encode_motion
from dispose_core.control.point_adapter import PointAdapter, point_residuals
from dispose_core.control.pose_net import PoseNet, encode_poses
from dispose_core.correspondence.keypoint_features import KeypointFeatures
from dispose_core.pose.openpose import save_openpose
from dispose_core.pose.sequence import PoseSequence
from dispose_core.sampling.noise import clip_noise
from dispose_core.sampling.windows import context_windows
from tests.rule_weights import rnd
from tests.tiny_nets import (
    Motion,
    below,
    controlnet_state,
    golden_clip,
    make_controlnet,
    make_unet,
)
from tests.weight_files import tiny_mimicmotion

from .client import Prompt

SIZE = (128, 64)  # (H, W) of the picture
WINDOW, OVERLAP, SEED = 4, 2, 42
MODEL, CONTROLNET = "tiny_mimicmotion.safetensors", "tiny_dispose.safetensors"


@dataclass(frozen=True, eq=False)
class TinyClip:
    """What the networks are given; all of a clip's F+1 entries, or of the F after the first."""

    name: str
    poses: PoseSequence  # F+1
    flow: Tensor  # (F, 2, H, W)
    trajectory: Tensor  # (F, 2, H, W)
    skeletons: Tensor  # (F+1, 3, H, W) 0…1
    features: Tensor  # (18, 1280)
    embedding: Tensor  # (1, 1, 32)
    picture_latents: Tensor  # (1, 4, h, w)

    def __len__(self) -> int:
        return len(self.poses)


def golden_tiny_clip(g: Any) -> TinyClip:
    """The clip of golden 23: 7 entries."""
    shape = (1, 6, 2, *SIZE)
    return TinyClip(
        "golden",
        golden_clip(g, SIZE),
        rnd("e2e_flow", shape, 3)[0],
        rnd("e2e_traj", shape, 0.3)[0],
        (rnd("e2e_pose", (7, 3, *SIZE)).tanh() + 1) / 2,
        torch.from_numpy(g["ref_point_emb"][0]),
        torch.from_numpy(g["image_embeddings"][1:]),
        torch.from_numpy(g["first_controlnet_input"][1, :1, 4:]),
    )


def made_tiny_clip(entries: int, g: Any) -> TinyClip:
    """A clip of another length, with the picture of golden 23."""
    name = f"made{entries}"
    shape = (entries - 1, 2, *SIZE)
    body = rnd(f"{name}_body", (entries, 18, 2), 0.2).sigmoid().double().numpy()
    return TinyClip(
        name,
        PoseSequence.from_parts(SIZE, body, np.ones((entries, 18))),
        rnd(f"{name}_flow", shape, 3),
        rnd(f"{name}_traj", shape, 0.3),
        (rnd(f"{name}_pose", (entries, 3, *SIZE)).tanh() + 1) / 2,
        rnd(f"{name}_features", (18, 1280)),
        torch.from_numpy(g["image_embeddings"][1:]),
        torch.from_numpy(g["first_controlnet_input"][1, :1, 4:]),
    )


def write_models(base: Path) -> None:
    for folder, name, state in (
        ("diffusion_models", MODEL, tiny_mimicmotion()),
        ("controlnet", CONTROLNET, controlnet_state()),
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
                *("embedding", "picture_latents"),
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


@torch.no_grad()
def core_steps(
    clip: TinyClip,
    sigmas: list[float],
    windows: bool = True,
    motion_strength: float = 1.0,
    points_strength: float = 1.0,
) -> list[Tensor]:
    """Latents after each step of euler, from the library's networks alone (SPEC 11)."""
    frames = len(clip)
    length = WINDOW if windows else frames
    control, unet = make_controlnet(), make_unet()
    hints = _hints(clip, motion_strength, points_strength)
    mimic = tiny_mimicmotion()
    pose_net = _filled(PoseNet, below(mimic, "pose_net."))
    pose = encode_poses(pose_net, clip.skeletons)

    context = torch.cat([torch.zeros_like(clip.embedding), clip.embedding])
    ids = torch.tensor([[6, 127, 0.02]] * 2)
    picture = torch.cat([torch.zeros_like(clip.picture_latents), clip.picture_latents])
    plan = context_windows(frames, length, min(OVERLAP, length - 1))
    constants = [net.constants(context, ids, plan.length) for net in (control, unet)]
    scale = torch.linspace(1, 3, frames)[:, None, None, None]
    noise = clip_noise(SEED, frames, SIZE, length=length).latents
    x = noise * (sigmas[0] ** 2 + 1) ** 0.5
    steps = []
    for sigma, following in pairwise(sigmas):
        time = 0.25 * np.log(sigma)
        total, count = torch.zeros(2, *x.shape), torch.zeros(frames, 1, 1, 1)
        for entries in plan.entries.tolist():
            noisy = (x[entries] / (sigma**2 + 1) ** 0.5).expand(2, -1, -1, -1, -1)
            sample = torch.cat([noisy, picture[:, None].expand(-1, plan.length, -1, -1, -1)], 2)
            residuals = control.for_window(sample, time, constants[0], hints, entries)
            found = unet(sample, time, constants[1], pose=pose[entries], residuals=residuals)
            weights = plan.weights[:, None, None, None]
            total[:, entries] += found * weights
            count[entries] += weights
        unconditional, conditional = total / count
        v = unconditional + scale * (conditional - unconditional)
        clean = x / (sigma**2 + 1) - v * sigma / (sigma**2 + 1) ** 0.5
        x = x + (x - clean) / sigma * (following - sigma)
        steps.append(x)
    return steps


def _hints(clip: TinyClip, motion_strength: float, points_strength: float) -> ControlHints:
    state = controlnet_state()
    encoder = _filled(MotionEncoder, below(state, "controlnet_cond_embedding."))
    adapter = _filled(PointAdapter, below(state, "point_adapter."))
    motion = encode_motion(
        encoder,
        Motion(clip.flow, clip.trajectory),
        SIZE,
        flow_strength=motion_strength,
        trajectory_strength=motion_strength,
    )
    features = KeypointFeatures(clip.features, torch.ones(18, dtype=torch.bool))
    points = point_residuals(adapter, features, clip.poses, SIZE, strength=points_strength)
    return ControlHints(motion, points)


def _filled(kind: type, state: dict[str, Tensor]) -> Any:
    net = kind.shaped_like({key: value.shape for key, value in state.items()})
    net.load_state_dict(state, assign=True)
    return net.requires_grad_(False)
