"""Map SVD's VAE and CLIP vision from single-file checkpoints to diffusers and transformers.

diffusers has such maps for SD 1.5, but not for SVD. Besides the names, two things differ: the VAE's
attention weights are 1×1 convolutions in the file, and CLIP's query, key and value are one matrix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import CheckpointError

Rules = tuple[tuple[str, str], ...]  # pattern of the beginning of a key -> replacement

_RESNET: Rules = (
    (r"norm1|in_layers\.0", "norm1"),
    (r"conv1|in_layers\.2", "conv1"),
    (r"norm2|out_layers\.0", "norm2"),
    (r"conv2|out_layers\.3", "conv2"),
    (r"nin_shortcut", "conv_shortcut"),
)
_ATTENTION: Rules = (
    (r"norm", "group_norm"),
    (r"q", "to_q"),
    (r"k", "to_k"),
    (r"v", "to_v"),
    (r"proj_out", "to_out.0"),
)
_ENDS: Rules = (
    (r"encoder\.conv_in", "encoder.conv_in"),
    (r"decoder\.conv_in", "decoder.conv_in"),
    (r"(en|de)coder\.norm_out", r"\1coder.conv_norm_out"),
    (r"decoder\.conv_out\.time_mix_conv", "decoder.time_conv_out"),
    (r"(en|de)coder\.conv_out", r"\1coder.conv_out"),
    (r"quant_conv", "quant_conv"),
)
_CLIP: Rules = (
    (r"class_embedding", "vision_model.embeddings.class_embedding"),
    (r"conv1\.weight", "vision_model.embeddings.patch_embedding.weight"),
    (r"positional_embedding", "vision_model.embeddings.position_embedding.weight"),
    (r"ln_pre", "vision_model.pre_layrnorm"),  # transformers' own spelling
    (r"ln_post", "vision_model.post_layernorm"),
)
_CLIP_LAYER: Rules = (
    (r"ln_1", "layer_norm1"),
    (r"ln_2", "layer_norm2"),
    (r"mlp\.c_fc", "mlp.fc1"),
    (r"mlp\.c_proj", "mlp.fc2"),
    (r"attn\.out_proj", "self_attn.out_proj"),
)


def svd_vae_keys(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert an SVD file's VAE to the state dict of `AutoencoderKLTemporalDecoder`.

    A missing `quant_conv` is filled with the identity, because diffusers' network requires it.

    Args:
        tensors: `first_stage_model.*` without the prefix.

    Raises:
        CheckpointError: the VAE has no tensor of this name.
    """
    levels = 1 + max(
        (int(m[1]) for m in (re.match(r"decoder\.up\.(\d+)\.", k) for k in tensors) if m), default=0
    )
    renamed = {}
    for key, value in tensors.items():
        new = _vae_key(key, levels)
        if ".attentions." in new and value.ndim == 4:
            value = value[:, :, 0, 0]
        renamed[new] = value
    if "quant_conv.weight" not in renamed and "encoder.conv_out.weight" in renamed:
        reference = renamed["encoder.conv_out.weight"]
        channels = len(reference)
        renamed["quant_conv.weight"] = torch.eye(channels, dtype=reference.dtype)[:, :, None, None]
        renamed["quant_conv.bias"] = torch.zeros(channels, dtype=reference.dtype)
    return renamed


def clip_vision_keys(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert open_clip's vision tower to the state dict of `CLIPVisionModelWithProjection`.

    Args:
        tensors: `visual.*` without the prefix.

    Raises:
        CheckpointError: the network has no tensor of this name.
    """
    renamed = {}
    for key, value in tensors.items():
        layer = re.match(r"transformer\.resblocks\.(\d+)\.(.*)", key)
        if key == "proj":
            renamed["visual_projection.weight"] = value.T.contiguous()
        elif layer is None:
            renamed[_rename(key, _CLIP, key)] = value
        elif layer[2].startswith("attn.in_proj_"):
            kind = layer[2].removeprefix("attn.in_proj_")
            for name, part in zip("qkv", value.chunk(3), strict=True):
                place = f"vision_model.encoder.layers.{layer[1]}.self_attn.{name}_proj.{kind}"
                renamed[place] = part.clone()
        else:
            rest = _rename(layer[2], _CLIP_LAYER, key)
            renamed[f"vision_model.encoder.layers.{layer[1]}.{rest}"] = value
    return renamed


def _vae_key(key: str, levels: int) -> str:
    side = "encoder" if key.startswith("encoder.") else "decoder"
    rest = key.removeprefix(f"{side}.")
    if m := re.match(r"down\.(\d+)\.downsample\.conv\.(.*)", rest):
        return f"{side}.down_blocks.{m[1]}.downsamplers.0.conv.{m[2]}"
    if m := re.match(r"up\.(\d+)\.upsample\.conv\.(.*)", rest):
        return f"{side}.up_blocks.{levels - 1 - int(m[1])}.upsamplers.0.conv.{m[2]}"
    if m := re.match(r"mid\.attn_1\.(.*)", rest):
        return f"{side}.mid_block.attentions.0.{_rename(m[1], _ATTENTION, key)}"
    if m := re.match(r"mid\.block_(\d)\.(.*)", rest):
        return f"{side}.mid_block.resnets.{int(m[1]) - 1}.{_resnet_key(m[2], side, key)}"
    if m := re.match(r"(down|up)\.(\d+)\.block\.(\d+)\.(.*)", rest):
        # Decoder levels count from the image in the file, but from the latents in diffusers.
        level = int(m[2]) if side == "encoder" else levels - 1 - int(m[2])
        block = f"{side}.{m[1]}_blocks.{level}.resnets.{m[3]}"
        return f"{block}.{_resnet_key(m[4], side, key)}"
    return _rename(key, _ENDS, key)


def _resnet_key(rest: str, side: str, key: str) -> str:
    if side == "encoder":
        return _rename(rest, _RESNET, key)
    if rest == "mix_factor":
        return "time_mixer.mix_factor"
    if rest.startswith("time_stack."):
        return f"temporal_res_block.{_rename(rest.removeprefix('time_stack.'), _RESNET, key)}"
    return f"spatial_res_block.{_rename(rest, _RESNET, key)}"


def _rename(text: str, rules: Rules, key: str) -> str:
    """Replace the beginning of `text`, up to a dot or the end, by the first rule that matches."""
    for pattern, replacement in rules:
        if m := re.match(rf"(?:{pattern})(?=\.|$)", text):
            return m.expand(replacement) + text[m.end() :]
    raise CheckpointError(
        f"{key}: the network has no tensor of this name. Use the file as published."
    )
