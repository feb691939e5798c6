"""The tiny networks of golden 23 and its clip: 7 frames at 128×64."""

from __future__ import annotations

import json

import cv2
import pytest
import torch

from dispose_core.checkpoints.architectures.dispose import DisPose
from dispose_core.features.keypoint_features import keypoint_features
from dispose_core.models.motion_encoder import MotionEncoder
from dispose_core.models.point_adapter import PointAdapter
from dispose_core.models.pose_net import PoseNet
from dispose_core.pipeline.inputs import PipelineInputs
from dispose_core.pipeline.pipeline import DisPosePipeline
from tests.rule_weights import SQRT_2, fill_by_rule, rnd, rule_state
from tests.tiny_nets import (
    GOLDENS,
    Motion,
    below,
    controlnet_state,
    golden_clip,
    make_controlnet,
    make_unet,
    manifest,
)

SIZE = (128, 64)
ENTRIES = 7


def make_vae():
    from diffusers import AutoencoderKLTemporalDecoder

    config = json.loads((GOLDENS / "tiny_configs.json").read_text())["vae"]
    return fill_by_rule(AutoencoderKLTemporalDecoder(**config), "vae.")


def make_image_encoder():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = json.loads((GOLDENS / "tiny_configs.json").read_text())["clip"]
    net = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
    return fill_by_rule(net, "image_encoder.")


def make_pose_net() -> PoseNet:
    shapes = manifest("tiny_vae_clip_posenet", "pose_net.")
    net = PoseNet.shaped_like(shapes)
    net.load_state_dict(rule_state(shapes, "pose_net.", SQRT_2), assign=True)
    return net.requires_grad_(False).eval()


def make_dispose() -> DisPose:
    branches = []
    for kind, prefix in (
        (MotionEncoder, "controlnet_cond_embedding."),
        (PointAdapter, "point_adapter."),
    ):
        weights = below(controlnet_state(), prefix)
        branches.append(kind.shaped_like({k: v.shape for k, v in weights.items()}))
        branches[-1].load_state_dict(weights, assign=True)
        branches[-1].requires_grad_(False)
    return DisPose(make_controlnet(), *branches)


def make_pipeline(**placing) -> DisPosePipeline:
    return DisPosePipeline(
        make_unet(), make_dispose(), make_pose_net(), make_vae(), make_image_encoder(), **placing
    )


@pytest.fixture(scope="session")
def pipeline() -> DisPosePipeline:
    return make_pipeline()


@pytest.fixture(scope="session")
def pipeline_inputs(golden) -> PipelineInputs:
    arrays = golden("23_e2e_tiny")
    image = cv2.resize(arrays["image_small"], SIZE[::-1], interpolation=cv2.INTER_LINEAR)
    poses = golden_clip(arrays, SIZE)
    return PipelineInputs(
        image=torch.from_numpy(image).permute(2, 0, 1) / 255,
        pose_images=(rnd("e2e_pose", (ENTRIES, 3, *SIZE)).tanh() + 1) / 2,
        motion=Motion(
            rnd("e2e_flow", (1, ENTRIES - 1, 2, *SIZE), 3)[0],
            rnd("e2e_traj", (1, ENTRIES - 1, 2, *SIZE), 0.3)[0],
        ),
        poses=poses,
        features=keypoint_features(rnd("e2e_dift0", (1, 1280, 8, 4))[0], poses[0], SIZE),
    )
