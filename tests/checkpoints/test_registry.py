"""What a file is, told from its keys."""

from __future__ import annotations

import pytest

from dispose_core.checkpoints.registry import (
    CLIP_VISION,
    CMP,
    CONTROLNET,
    DISPOSE,
    DWPOSE,
    LORA,
    MIMICMOTION,
    POSE_NET,
    SD2,
    SD15,
    SDXL,
    SVD,
    SVD_COMFYUI,
    SVD_UNET,
    TEXT_ENCODER,
    UNKNOWN,
    VAE,
    YOLOX,
    Architecture,
    recognize,
    require_role,
)
from dispose_core.errors import CheckpointError
from tests.tiny_nets import manifest

DIFFUSERS_SHAPES = manifest("mimicmotion_unet_posenet", "unet.")
COMFYUI_SHAPES = manifest("comfyui_svd_unet")
ATTN = "attn2.to_k.weight"
LDM = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0."


def under(prefix: str, shapes: dict) -> dict:
    return {prefix + key: shape for key, shape in shapes.items()}


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        (DISPOSE, manifest("controlnet")),
        (MIMICMOTION, manifest("mimicmotion_unet_posenet")),
        (SVD_UNET, DIFFUSERS_SHAPES),
        (SVD_UNET, under("unet.", DIFFUSERS_SHAPES)),
        (SVD_COMFYUI, COMFYUI_SHAPES),
        (SVD_COMFYUI, under("model.diffusion_model.", COMFYUI_SHAPES)),
        (
            SVD,
            {
                **under("model.diffusion_model.", COMFYUI_SHAPES),
                "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
            },
        ),
        (POSE_NET, manifest("mimicmotion_unet_posenet", "pose_net.")),
        (CMP, manifest("cmp", "module.")),
        (SD15, {LDM + ATTN: (320, 768), "first_stage_model.decoder.x": (1,)}),
        (SD2, {LDM + ATTN: (320, 1024)}),
        (SDXL, {LDM + ATTN: (640, 2048)}),
        (
            SD15,
            {
                "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3),
                f"down_blocks.0.attentions.0.transformer_blocks.0.{ATTN}": (320, 768),
                "up_blocks.0.resnets.0.conv1.weight": (1280, 2560, 3, 3),
            },
        ),
        (CONTROLNET, {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3)}),
        (CONTROLNET, {"control_model.input_hint_block.0.weight": (16, 3, 3, 3)}),
        (LORA, {"lora_unet_down_blocks_0.lora_up.weight": (320, 4)}),
        (LORA, {"unet.down_blocks.0.attn1.to_q.lora_A.weight": (4, 320)}),
        (VAE, manifest("tiny_vae_clip_posenet", "vae.")),
        (VAE, {"decoder.up_blocks.0.resnets.0.conv1.weight": (512, 512, 3, 3)}),
        (CLIP_VISION, manifest("tiny_vae_clip_posenet", "image_encoder.")),
        (TEXT_ENCODER, {"text_model.embeddings.token_embedding.weight": (49408, 768)}),
        (YOLOX, {"backbone.backbone.stem.conv.conv.weight": (64, 12, 3, 3)}),
        (DWPOSE, {"head.cls_x.weight": (576, 256)}),
        (UNKNOWN, {"double_blocks.0.img_attn.qkv.weight": (9216, 3072)}),
    ],
    ids=lambda value: value.name if isinstance(value, Architecture) else "",
)
def test_a_file_is_known_by_its_keys(kind, shapes):
    assert recognize(shapes) is kind


def test_the_message_says_what_it_is_and_what_is_needed():
    with pytest.raises(
        CheckpointError,
        match=r"x\.ckpt: this is a Stable Diffusion 1\.5 .*Needed is DisPose's ControlNet: "
        r"DisPose\.pth",
    ):
        require_role({LDM + ATTN: (320, 768)}, "x.ckpt", "dispose")


def test_the_message_on_an_unknown_file_shows_a_tensor():
    with pytest.raises(CheckpointError, match=r"does not know .*first tensor is blk\.0"):
        require_role({"blk.0": (3,)}, "x.pth", "dispose")
