"""What a file is, told from its keys."""

from __future__ import annotations

import pytest

from dispose_core.checkpoints.recognise import Kind, recognise, require_kind
from dispose_core.errors import CheckpointError
from tests.tiny_nets import manifest

SVD_DIFFUSERS = manifest("mimicmotion_unet_posenet", "unet.")
SVD_COMFYUI = manifest("comfyui_svd_unet")
ATTN = "attn2.to_k.weight"
LDM = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0."


def under(prefix: str, shapes: dict) -> dict:
    return {prefix + key: shape for key, shape in shapes.items()}


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        (Kind.DISPOSE, manifest("controlnet")),
        (Kind.MIMICMOTION, manifest("mimicmotion_unet_posenet")),
        (Kind.SVD_UNET, SVD_DIFFUSERS),
        (Kind.SVD_UNET, under("unet.", SVD_DIFFUSERS)),
        (Kind.SVD_COMFYUI, SVD_COMFYUI),
        (Kind.SVD_COMFYUI, under("model.diffusion_model.", SVD_COMFYUI)),
        (
            Kind.SVD,
            {
                **under("model.diffusion_model.", SVD_COMFYUI),
                "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
            },
        ),
        (Kind.POSE_NET, manifest("mimicmotion_unet_posenet", "pose_net.")),
        (Kind.CMP, manifest("cmp", "module.")),
        (Kind.SD15, {LDM + ATTN: (320, 768), "first_stage_model.decoder.x": (1,)}),
        (Kind.SD2, {LDM + ATTN: (320, 1024)}),
        (Kind.SDXL, {LDM + ATTN: (640, 2048)}),
        (
            Kind.SD15,
            {
                "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3),
                f"down_blocks.0.attentions.0.transformer_blocks.0.{ATTN}": (320, 768),
                "up_blocks.0.resnets.0.conv1.weight": (1280, 2560, 3, 3),
            },
        ),
        (Kind.CONTROLNET, {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3)}),
        (Kind.CONTROLNET, {"control_model.input_hint_block.0.weight": (16, 3, 3, 3)}),
        (Kind.LORA, {"lora_unet_down_blocks_0.lora_up.weight": (320, 4)}),
        (Kind.LORA, {"unet.down_blocks.0.attn1.to_q.lora_A.weight": (4, 320)}),
        (Kind.VAE, manifest("tiny_vae_clip_posenet", "vae.")),
        (Kind.VAE, {"decoder.up_blocks.0.resnets.0.conv1.weight": (512, 512, 3, 3)}),
        (Kind.CLIP_VISION, manifest("tiny_vae_clip_posenet", "image_encoder.")),
        (Kind.TEXT_ENCODER, {"text_model.embeddings.token_embedding.weight": (49408, 768)}),
        (Kind.YOLOX, {"backbone.backbone.stem.conv.conv.weight": (64, 12, 3, 3)}),
        (Kind.DWPOSE, {"head.cls_x.weight": (576, 256)}),
        (Kind.UNKNOWN, {"double_blocks.0.img_attn.qkv.weight": (9216, 3072)}),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_a_file_is_known_by_its_keys(kind, shapes):
    assert recognise(shapes) is kind


def test_the_message_says_what_it_is_and_what_is_needed():
    with pytest.raises(
        CheckpointError,
        match=r"x\.ckpt: this is a Stable Diffusion 1\.5 .*Needed is DisPose's ControlNet: D\.pth",
    ):
        require_kind({LDM + ATTN: (320, 768)}, "x.ckpt", {Kind.DISPOSE: "D.pth"})


def test_the_message_on_an_unknown_file_shows_a_tensor():
    with pytest.raises(CheckpointError, match=r"does not know .*first tensor is blk\.0"):
        require_kind({"blk.0": (3,)}, "x.pth", {Kind.DISPOSE: "D.pth"})
