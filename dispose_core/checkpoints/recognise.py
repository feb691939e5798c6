"""What a weights file is, told from its keys and shapes before memory is spent on it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ..errors import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]


class Kind(Enum):
    """The files that users of this pack have at hand; the value finishes "this is …"."""

    DISPOSE = "DisPose's ControlNet"
    MIMICMOTION = "MimicMotion, UNet and PoseNet in one"
    SVD_UNET = "an SVD-class UNet in diffusers' layout (MimicMotion's, or SVD's own)"
    SVD_COMFYUI = "an SVD-class UNet in ComfyUI's layout (MimicMotion's, or SVD's own)"
    SVD = "a whole Stable Video Diffusion checkpoint"
    POSE_NET = "MimicMotion's PoseNet"
    CMP = "CMP, the dense motion network"
    SD15 = "a Stable Diffusion 1.5 checkpoint or UNet"
    SD2 = "a Stable Diffusion 2 checkpoint or UNet"
    SDXL = "an SDXL checkpoint or UNet"
    CONTROLNET = "a ControlNet of another kind"
    LORA = "a LoRA"
    VAE = "a VAE"
    CLIP_VISION = "a CLIP vision model"
    TEXT_ENCODER = "a text encoder"
    YOLOX = "YOLOX, the person detector of DWPose"
    DWPOSE = "DWPose's pose network"
    ONNX = "an ONNX model this pack does not know"
    TORCHSCRIPT = "a TorchScript program this pack does not know"
    UNKNOWN = "a file this pack does not know"


_LORA_MARKS = ("lora_up", "lora_down", "lora_A", "lora_B", ".lora.", "lora_te", "lora_unet")

# Width of the text embedding that the image models attend to.
_TEXT_WIDTHS = {768: Kind.SD15, 1024: Kind.SD2, 2048: Kind.SDXL}


def recognise(shapes: Shapes) -> Kind:
    """The kind of file with tensors of these keys and shapes."""
    for kind, prefixes in (
        (Kind.DISPOSE, ("controlnet_cond_embedding.conv_in_flow.", "point_adapter.model_list.")),
        (Kind.CMP, ("flow_decoder.", "flow_encoder.")),
        (Kind.POSE_NET, ("conv_layers.", "final_proj.")),
        (Kind.MIMICMOTION, ("unet.down_blocks.", "pose_net.")),
    ):
        if all(_any_begins(shapes, prefix) for prefix in prefixes):
            return kind
    if any(mark in key for key in shapes for mark in _LORA_MARKS):
        return Kind.LORA
    if any(_any_begins(shapes, p) for p in ("controlnet_", "control_model.", "input_hint_block.")):
        return Kind.CONTROLNET
    return _unet(shapes) or _other(shapes)


def _unet(shapes: Shapes) -> Kind | None:
    for prefix in ("", "unet."):
        if _any_begins(shapes, f"{prefix}down_blocks.0.resnets.0.spatial_res_block."):
            return Kind.SVD_UNET
        if _any_begins(shapes, f"{prefix}down_blocks.") and _any_begins(
            shapes, f"{prefix}up_blocks."
        ):
            return _by_text_width(shapes)
    for prefix in ("", "model.diffusion_model."):
        if _any_begins(shapes, f"{prefix}input_blocks.1.0.time_stack."):
            whole = _any_begins(shapes, "first_stage_model.")
            return Kind.SVD if whole else Kind.SVD_COMFYUI
        if _any_begins(shapes, f"{prefix}input_blocks."):
            return _by_text_width(shapes)
    return None


def _by_text_width(shapes: Shapes) -> Kind | None:
    for key, shape in shapes.items():
        if key.endswith("attn2.to_k.weight") and len(shape) == 2:
            return _TEXT_WIDTHS.get(shape[1], Kind.UNKNOWN)
    return None


def _other(shapes: Shapes) -> Kind:
    for kind, prefixes in (
        (Kind.VAE, ("encoder.down", "decoder.up", "decoder.mid", "first_stage_model.")),
        (Kind.CLIP_VISION, ("vision_model.", "visual.", "image_encoder.vision_model.")),
        (Kind.TEXT_ENCODER, ("text_model.", "encoder.block.0.layer.", "shared.weight")),
        (Kind.YOLOX, ("backbone.backbone.stem.", "backbone.backbone.dark")),
        (Kind.DWPOSE, ("head.cls_x.", "head.final_layer.", "head.mlp.")),
    ):
        if any(_any_begins(shapes, prefix) for prefix in prefixes):
            return kind
    return Kind.UNKNOWN


def _any_begins(shapes: Shapes, prefix: str) -> bool:
    return any(key.startswith(prefix) for key in shapes)


def require_kind(shapes: Shapes, name: str, wanted: Mapping[Kind, str]) -> Kind:
    """The kind of a file, if it is one of those wanted.

    Args:
        shapes: of the file's tensors.
        name: the file's, for the message.
        wanted: kinds that will do, each with the file to get it from.

    Raises:
        CheckpointError: it is another; the message says what it is and what is needed.
    """
    kind = recognise(shapes)
    if kind in wanted:
        return kind
    seen = f" (its first tensor is {next(iter(shapes))})" if kind is Kind.UNKNOWN else ""
    needed = ", or ".join(f"{w.value}: {where}" for w, where in wanted.items())
    raise CheckpointError(f"{name}: this is {kind.value}{seen}. Needed is {needed}.")
