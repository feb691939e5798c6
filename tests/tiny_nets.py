"""The networks of goldens 13 and 14: all the released ones' keys at a tenth of their width."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import torch
from torch import Tensor

from dispose_core.features.keypoint_features import KeypointFeatures
from dispose_core.guidance.control_hints import ControlHints
from dispose_core.guidance.motion_embedding import encode_motion
from dispose_core.guidance.point_residuals import point_residuals
from dispose_core.models.controlnet import HybridControlNet
from dispose_core.models.mimicmotion import MimicMotionUNet, build_unet
from dispose_core.models.motion_encoder import MotionEncoder
from dispose_core.models.point_adapter import PointAdapter
from dispose_core.models.svd_sizes import build_for
from dispose_core.pose.sequence import PoseSequence

from .rule_weights import net_inputs, rule_state

GOLDENS = Path(__file__).parent / "goldens"
TINY_HEAD = 32  # channels an attention head

# Pixels at which half precision is compared: latents of 32×32 stay at least 4×4 down to the middle
# block. oneDNN's bf16 convolution of 4×2 to 2×1 is 84 % off on processors with AMX.
HALF_PRECISION_SIZE = (256, 256)

CONFIG = json.loads((GOLDENS / "tiny_configs.json").read_text())["unet"]


def manifest(name: str, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Shapes by key of `manifest_<name>.json`, of the keys below a prefix, which is taken off."""
    frames = json.loads((GOLDENS / f"manifest_{name}.json").read_text())
    return {
        key[len(prefix) :]: tuple(frame["shape"] if isinstance(frame, dict) else frame)
        for key, frame in frames.items()
        if key.startswith(prefix)
    }


def below(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


@functools.cache
def controlnet_state() -> dict[str, Tensor]:
    """The tiny `DisPose.pth`."""
    return rule_state(manifest("tiny_controlnet"))


@functools.cache
def unet_state() -> dict[str, Tensor]:
    return rule_state(manifest("tiny_unet", "unet."), "unet.")


def make_controlnet(fold_multiplicity: bool = False) -> HybridControlNet:
    state = {
        key: value
        for key, value in controlnet_state().items()
        if not key.startswith(("controlnet_cond_embedding.", "point_adapter."))
    }
    shapes = {key: value.shape for key, value in state.items()}
    net = build_for(HybridControlNet, shapes, "tiny", TINY_HEAD)
    net.load_state_dict(state, assign=True)
    if fold_multiplicity:
        net.fold_multiplicity()
    return net


def make_unet() -> MimicMotionUNet:
    state = unet_state()
    net = build_unet({k: v.shape for k, v in state.items()}, "tiny", TINY_HEAD)
    net.load_state_dict(state, assign=True)
    return net


class Motion:
    """A clip's motion as given: flow and trajectory (F, 2, H, W) of the frames after frame 0."""

    def __init__(self, flow: Tensor, trajectory: Tensor):
        zero = torch.zeros(1, *flow.shape[1:])
        self.flow_maps, self.maps = torch.cat([zero, flow]), torch.cat([zero, trajectory])

    def __len__(self) -> int:
        return len(self.flow_maps)

    def flow(self, frames, size) -> Tensor:
        return self.flow_maps[list(frames)]

    def trajectory(self, frames, size) -> Tensor:
        return self.maps[list(frames)]


def golden_clip(arrays, size: tuple[int, int]) -> PoseSequence:
    """The poses stored with a golden; `subset` is -1 for a joint that was not seen."""
    return PoseSequence.from_parts(size, arrays["candidate"], 1.0 * (arrays["subset"] != -1))


def golden_hints(
    state: dict[str, Tensor], arrays, inputs: dict, size: tuple[int, int], **strengths: float
) -> ControlHints:
    """Hints of golden 13 or 15 with the encoders of a `DisPose.pth`."""
    points_strength = strengths.pop("points_strength", 1.0)
    nets = []
    for kind, prefix in (
        (MotionEncoder, "controlnet_cond_embedding."),
        (PointAdapter, "point_adapter."),
    ):
        weights = below(state, prefix)
        nets.append(kind.shaped_like({k: v.shape for k, v in weights.items()}))
        nets[-1].load_state_dict(weights, assign=True)
    motion = encode_motion(nets[0], Motion(inputs["flow"], inputs["trajectory"]), size, **strengths)
    features = KeypointFeatures(inputs["features"], torch.ones(18, dtype=torch.bool))
    clip = golden_clip(arrays, size)
    points = point_residuals(nets[1], features, clip, size, strength=points_strength)
    return ControlHints(motion, points)


def tiny_inputs(tag: str) -> dict:
    """`tcn` of golden 13 or `tun` of 14: 128×64 pixels, 3 frames."""
    return net_inputs(tag, CONFIG, 128, 64, 3)
