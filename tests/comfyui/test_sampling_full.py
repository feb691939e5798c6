"""Released sizes in ComfyUI's own classes: minutes and gigabytes, so only with `--all`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dispose_core.models.mimicmotion import MimicMotionUNet
from dispose_core.models.svd_sizes import SvdSizes
from tests.rule_weights import rule_state
from tests.tiny_nets import manifest

from .tiny_graph import node

pytestmark = pytest.mark.slow


def test_the_released_unet_under_comfyuis_names_gives_the_papers_prediction(golden):
    """Golden 16 with each half's own context, through ComfyUI's UNet; 7 GB, so in a process."""
    if not os.environ.get("COMFYUI_PATH"):
        pytest.skip("COMFYUI_PATH is not set: it names a ComfyUI checkout to test in")
    wanted = golden("own_context/16_unet_full")["out"]
    script = Path(__file__).with_name("full_unet.py")
    interpreter = os.environ.get("COMFYUI_PYTHON", sys.executable)
    ran = subprocess.run(
        [interpreter, script], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = np.load(ran.stdout.splitlines()[-1])
    assert np.linalg.norm(found - wanted) / np.linalg.norm(wanted) < 1e-4


def test_a_file_as_small_as_comfyui_recognises_goes_through_the_loader(comfy, server):
    """212 million parameters: SVD with as many channels at every level as at the first."""
    sizes = SvdSizes(
        in_channels=8,
        out_channels=4,
        channels=(320,) * 4,
        layers=(2,) * 4,
        transformers=(1, 1, 1, 0),
        mid_transformers=1,
        context=1024,
        added=768,
        head_channels=64,
    )
    with torch.device("meta"):
        net = MimicMotionUNet(sizes)
    shapes = {f"unet.{key}": value.shape for key, value in net.state_dict().items()}
    assert 200e6 < sum(shape.numel() for shape in shapes.values()) < 220e6
    shapes |= {f"pose_net.{k}": v for k, v in _pose_net_shapes().items()}
    state = {key: value.half() for key, value in rule_state(shapes).items()}
    folder = server.base / "models" / "diffusion_models"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "small.safetensors")
    np.savez(
        server.base / "input" / "small.npz",
        embedding=torch.ones(1, 1, 1024).numpy(),
        image_latents=torch.zeros(1, 4, 8, 8).numpy(),
    )
    prompt = {
        "load": node(
            "DisPoseMimicMotionLoader",
            **{"file": "small.safetensors", "dtype": "default"},
            **{"pose_net": "from the model file"},
        ),
        "skeletons": node("EmptyImage", width=64, height=64, batch_size=3, color=0),
        "pose": node(
            "DisPoseApplyPoseGuidance",
            **{"model": ["load", 0], "pose_net": ["load", 1], "skeletons": ["skeletons", 0]},
            **{"strength": 1.0, "start": 0.0, "end": 1.0},
        ),
        "condition": node("TinyCondition", file="small.npz", frames=3),
        "sampling": node(
            "KSampler",
            **{"model": ["pose", 0], "seed": 1, "steps": 1, "cfg": 2.0, "denoise": 1.0},
            **{"sampler_name": "euler", "scheduler": "karras"},
            **{"positive": ["condition", 0], "negative": ["condition", 1]},
            **{"latent_image": ["condition", 2]},
        ),
        "record": node("TinyRecord", latent=["sampling", 0], run="small"),
    }

    comfy.run(prompt, timeout=300)

    samples = np.load(server.base / "output" / "small.npz")["samples"]
    assert samples.shape == (3, 4, 8, 8)
    assert np.isfinite(samples).all()


def _pose_net_shapes() -> dict[str, torch.Size]:
    shapes = manifest("mimicmotion_unet_posenet", "pose_net.")
    return {key: torch.Size(shape) for key, shape in shapes.items()}
