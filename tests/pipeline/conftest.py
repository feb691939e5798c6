"""A models folder with tiny networks in the layouts of the released files, and a tiny clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dispose_core.media.image import read_image, write_image
from dispose_core.media.resize import resize_crop
from dispose_core.media.video_read import read_frames
from dispose_core.media.video_write import write_video
from dispose_core.pipeline.components import Components
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses
from tests.rule_weights import rule_state
from tests.sampling.conftest import make_image_encoder, make_vae
from tests.tiny_nets import TINY_HEAD, manifest
from tests.weight_files import tiny_mimicmotion, tiny_sd15

FEATURES = 64  # channels that the tiny SD 1.5 gives
RATE = 8000  # of the clip's sound


def tiny_dispose() -> dict[str, torch.Tensor]:
    """State dict of a tiny `DisPose.pth`, as wide as the tiny SD 1.5, without `add_embedding`."""
    shapes = {
        key: (shape[0], FEATURES) if shape[1:] == (1280,) else shape
        for key, shape in manifest("tiny_controlnet").items()
        if not key.startswith("add_embedding.")
    }
    return rule_state(shapes)


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """ComfyUI's models folder: MimicMotion as published, DisPose converted, SVD in diffusers'
    layout, SD 1.5 under a name of the user's."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("diffusion_models", "controlnet", "checkpoints", "dispose"):
        (folder / name).mkdir()
    torch.save(tiny_mimicmotion(), folder / "diffusion_models" / "MimicMotion_1-1.pth")
    save_file(tiny_dispose(), folder / "controlnet" / "DisPose.safetensors")
    save_file(tiny_sd15(), folder / "checkpoints" / "my_favourite.safetensors")
    make_vae().save_pretrained(folder / "diffusers" / "svd" / "vae")
    make_image_encoder().save_pretrained(folder / "diffusers" / "svd" / "image_encoder")
    return folder


@pytest.fixture(scope="session")
def media(assets, tmp_path_factory) -> Path:
    """reference.png, its pose, driving.mp4 of 8 frames with sound, poses.json of every second."""
    folder = tmp_path_factory.mktemp("media")
    image = resize_crop(read_image(assets / "reference.png"), (256, 144))
    write_image(folder / "reference.png", image)
    (folder / "reference.json").write_bytes((assets / "poses" / "reference.json").read_bytes())
    (pose,) = load_poses(assets / "poses" / "driving.json")[0]
    save_openpose(folder / "poses.json", [pose[[0, 2, 4, 6]]])
    frames = read_frames(assets / "driving.mp4", max_frames=8)
    small = (np.ascontiguousarray(frame[::4, ::4]) for frame in frames)
    tone = np.sin(np.arange(RATE) * 440 * 2 * np.pi / RATE, dtype=np.float32)[None] * 0.5
    write_video(folder / "driving.mp4", small, 24, (tone, RATE))
    return folder


@pytest.fixture(scope="session")
def job(models, media) -> dict[str, str | int | float]:
    """Settings of a tiny clip without an output: 4 frames of 64×64 in a step, no keypoints."""
    return {
        "reference": str(media / "reference.png"),
        "reference_pose": str(media / "reference.json"),
        "driving": str(media / "driving.mp4"),
        "poses": str(media / "poses.json"),
        "resolution": 64,
        "steps": 1,
        "max_guidance": 1.0,
        "point_strength": 0.0,
        "device": "cpu",
    }


@pytest.fixture(scope="session")
def arguments(job, models):
    """arguments(steps=2, …) -> the command line of that clip; None leaves an option out."""

    def line(**changes) -> list[str]:
        options = {"models": models, **job, **changes}
        pairs = ((f"--{k.replace('_', '-')}", str(v)) for k, v in options.items() if v is not None)
        return ["animate", "--json", *(word for pair in pairs for word in pair)]

    return line


@pytest.fixture(scope="session")
def tiny_networks():
    """`Components` for the tiny files, made once: its arguments -> networks."""
    made = {}

    def make(paths, device, dtype, offload="stages"):
        key = tuple(sorted(paths.items())), device, dtype, offload
        if key not in made:
            # The heads of tiny networks, the one size that weights do not show.
            made[key] = Components(paths, device, dtype, offload, head_channels=TINY_HEAD)
        return made[key]

    return make


@pytest.fixture(autouse=True)
def commands_take_them(monkeypatch, tiny_networks):
    monkeypatch.setattr("dispose_core.pipeline.components.Components", tiny_networks)


@pytest.fixture
def encoded(monkeypatch):
    """Frames that were handed to the video encoder: (F, H, W, 3) uint8 by the file's name.

    What is written is compared before the encoder: libx264 gives small images another first frame
    from run to run on some processors (its AVX-512 macroblock tree).
    """
    handed: dict[str, np.ndarray] = {}

    def record(path, frames, *rest):
        frames = list(frames)
        handed[path.name] = np.stack(frames)
        return write_video(path, frames, *rest)

    monkeypatch.setattr("dispose_core.pipeline.run.write_video", record)
    return handed


def assert_same_clip(one: np.ndarray, other: np.ndarray) -> None:
    """Two clips of one seed: rounding may move a value by one grey level, no more."""
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other).max() <= 1
