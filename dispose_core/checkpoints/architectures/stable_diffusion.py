"""Load SVD's VAE and CLIP vision, and Stable Diffusion 1.5.

Both are single files, as in ComfyUI, or folders in diffusers' layout. diffusers and transformers
take seconds to import, so other modules import this one lazily.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import (
    AutoencoderKLTemporalDecoder,
)
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from ...errors import CheckpointError
from ..ldm_keys import clip_vision_keys, svd_vae_keys
from ..registry import require_role
from ..state_dict import open_weights
from ..state_dict_diff import check_shapes
from ..weights import Weights

# CLIP tokens of "photo of a human", the prompt of DisPose's training
# (docs/reference_behaviour.md#dift-features): start, 4 words, and end tokens up to length 77.
# Single files contain no tokenizer.
PROMPT_TOKENS = (49406, 1125, 539, 320, 2751) + (49407,) * 72

# Numbers of attention heads, which cannot be derived from the weights' shapes.
CLIP_VISION_HEADS = 16  # ViT-H
CLIP_TEXT_HEADS = 12  # ViT-L
SD15_HEADS = 8

_VAE, _CLIP = "first_stage_model.", "conditioner.embedders.0.open_clip.model.visual."
_TEXT = "cond_stage_model.transformer."

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class SvdParts:
    """Stable Video Diffusion's VAE and CLIP vision on the CPU."""

    vae: AutoencoderKLTemporalDecoder
    image_encoder: CLIPVisionModelWithProjection


@dataclass(frozen=True, eq=False)
class SD15Parts:
    """Stable Diffusion 1.5 for keypoint features, on the CPU."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    prompt: Tensor  # (1, 77, 768), the text encoder's output for `PROMPT_TOKENS`


def load_svd_parts(path: str | Path, *, clip_vision_heads: int = CLIP_VISION_HEADS) -> SvdParts:
    """Load the VAE and CLIP vision of SVD.

    Args:
        path: svd_xt_1_1.safetensors, or the folder with `vae` and `image_encoder`.
        clip_vision_heads: number of attention heads; 16 except in test models.

    Raises:
        CheckpointError: the file is damaged or of another architecture, or the folder lacks parts.
    """
    path = Path(path)
    if path.is_dir():
        return SvdParts(
            _from_folder(AutoencoderKLTemporalDecoder, path, "vae"),
            _from_folder(CLIPVisionModelWithProjection, path, "image_encoder"),
        )
    weights = open_weights(path)
    require_role(weights.shapes, weights.name, "svd")
    vae = Weights(weights.name, svd_vae_keys(weights.below(_VAE).tensors))
    image_encoder = Weights(weights.name, clip_vision_keys(weights.below(_CLIP).tensors))
    return SvdParts(_temporal_vae(vae), _clip_vision(image_encoder, clip_vision_heads))


@torch.no_grad()
def load_sd15(path: str | Path) -> SD15Parts:
    """Load the UNet and VAE of an SD 1.5 checkpoint and encode the prompt.

    Args:
        path: a checkpoint file, or the folder with `unet`, `vae` and `text_encoder`.

    Raises:
        CheckpointError: the file is damaged or of another architecture, or the folder lacks parts.
    """
    path = Path(path)
    if path.is_dir():
        unet = _from_folder(UNet2DConditionModel, path, "unet")
        vae = _from_folder(AutoencoderKL, path, "vae")
        text = _from_folder(CLIPTextModel, path, "text_encoder")
    else:
        weights = open_weights(path)
        require_role(weights.shapes, weights.name, "sd15")
        unet, vae, text = _sd15_unet(weights), _sd15_vae(weights), _clip_text(weights)
    # float32, because half precision is slow on a CPU.
    prompt = text.float()(torch.tensor([PROMPT_TOKENS])).last_hidden_state
    return SD15Parts(unet, vae, prompt)


def _from_folder(kind: type[Net], folder: Path, part: str) -> Net:
    place = folder / part
    if not (place / "config.json").is_file():
        raise CheckpointError(
            f"{folder}: {part}/config.json is missing. Use a complete folder in diffusers' layout, "
            "or the checkpoint as a single file."
        )
    files = [p for p in place.iterdir() if p.suffix in (".safetensors", ".bin")]
    fp16_only = files and all(".fp16." in p.name for p in files)
    try:
        net: Net = cast(Any, kind).from_pretrained(
            place, local_files_only=True, variant="fp16" if fp16_only else None
        )
    except Exception as e:  # diffusers raises many exception types for damaged or missing files
        reason = (str(e) or type(e).__name__).splitlines()[0][:200]
        raise CheckpointError(
            f"{place}: cannot be loaded as {kind.__name__} ({reason}). Download the folder again."
        ) from e
    return net.requires_grad_(False).eval()


def _temporal_vae(weights: Weights) -> AutoencoderKLTemporalDecoder:
    shapes = weights.shapes
    channels = _levels(shapes, "encoder.down_blocks.{}.resnets.0.conv1.weight", weights.name)
    layers = _count(shapes, "encoder.down_blocks.0.resnets.{}.conv1.weight")
    with torch.device("meta"):
        net = AutoencoderKLTemporalDecoder(
            down_block_types=("DownEncoderBlock2D",) * len(channels),
            block_out_channels=channels,
            layers_per_block=layers,
        )
    return _fill(net, weights)


def _clip_vision(weights: Weights, heads: int) -> CLIPVisionModelWithProjection:
    shapes = weights.shapes
    try:
        patch = shapes["vision_model.embeddings.patch_embedding.weight"]
        cells = shapes["vision_model.embeddings.position_embedding.weight"][0] - 1
        config = CLIPVisionConfig(
            hidden_size=patch[0],
            patch_size=patch[2],
            image_size=round(cells**0.5) * patch[2],
            intermediate_size=shapes["vision_model.encoder.layers.0.mlp.fc1.weight"][0],
            num_hidden_layers=_count(shapes, "vision_model.encoder.layers.{}.mlp.fc1.weight"),
            num_attention_heads=heads,
            projection_dim=shapes["visual_projection.weight"][0],
            hidden_act="gelu",
        )
    except (LookupError, ValueError) as e:
        raise CheckpointError(f"{weights.name}: its CLIP vision is incomplete ({e}).") from e
    with torch.device("meta"):
        net = CLIPVisionModelWithProjection(config)
    return _fill(net, weights)


def _sd15_unet(weights: Weights) -> UNet2DConditionModel:
    shapes = weights.shapes
    prefix = "model.diffusion_model."
    widths = _levels(shapes, prefix + "input_blocks.{}.0.out_layers.3.weight", weights.name, 1, 3)
    context = next(s[1] for k, s in shapes.items() if k.endswith("attn2.to_k.weight"))
    with torch.device("meta"):
        net = UNet2DConditionModel(
            block_out_channels=widths,
            cross_attention_dim=context,
            attention_head_dim=SD15_HEADS,
        )
    return _fill(net, _convert_keys(weights, convert_ldm_unet_checkpoint, net))


def _sd15_vae(weights: Weights) -> AutoencoderKL:
    channels = _levels(weights.shapes, _VAE + "encoder.down.{}.block.0.conv1.weight", weights.name)
    with torch.device("meta"):
        net = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(channels),
            up_block_types=("UpDecoderBlock2D",) * len(channels),
            block_out_channels=channels,
            layers_per_block=2,
        )
    return _fill(net, _convert_keys(weights, convert_ldm_vae_checkpoint, net))


def _clip_text(weights: Weights) -> CLIPTextModel:
    text = weights.below(_TEXT)
    shapes = text.shapes
    try:
        vocabulary, hidden = shapes["text_model.embeddings.token_embedding.weight"]
        config = CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=shapes["text_model.encoder.layers.0.mlp.fc1.weight"][0],
            num_hidden_layers=_count(shapes, "text_model.encoder.layers.{}.mlp.fc1.weight"),
            num_attention_heads=CLIP_TEXT_HEADS,
            max_position_embeddings=len(PROMPT_TOKENS),
        )
    except (LookupError, ValueError) as e:
        raise CheckpointError(f"{weights.name}: its text encoder is incomplete ({e}).") from e
    with torch.device("meta"):
        net = CLIPTextModel(config)
    if not any(key.startswith("text_model.") for key in net.state_dict()):
        text = text.below("text_model.")  # transformers 5 removed this prefix
    return _fill(net, text)


def _convert_keys(weights: Weights, convert: Any, net: nn.Module) -> Weights:
    try:
        return Weights(weights.name, convert(dict(weights.tensors), net.config))
    except Exception as e:  # diffusers' conversion does not check keys
        raise CheckpointError(
            f"{weights.name}: not in the layout of SD 1.5 ({type(e).__name__}: {e}). "
            "Use the file as published, or download it again."
        ) from e


def _fill(net: Net, weights: Weights) -> Net:
    """Check a file's tensors and assign them to a network on the meta device."""
    # Old files store `position_ids`; transformers creates them itself.
    tensors = {k: v for k, v in weights.tensors.items() if not k.endswith("position_ids")}
    found = {key: tuple(value.shape) for key, value in tensors.items()}
    needed = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    check_shapes(found, needed, weights.name)
    net.load_state_dict(tensors, assign=True)
    for name, buffer in net.named_buffers():
        if buffer.is_meta and name.endswith("position_ids"):
            owner = net.get_submodule(name.rpartition(".")[0])
            owner.position_ids = torch.arange(buffer.shape[-1])[None]
    return net.requires_grad_(False).eval()


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    n = 0
    while pattern.format(n) in shapes:
        n += 1
    return n


def _levels(
    shapes: Mapping[str, tuple[int, ...]], pattern: str, name: str, first: int = 0, step: int = 1
) -> tuple[int, ...]:
    """Return the channels of a network's levels, which `pattern` numbers."""
    channels: list[int] = []
    while (key := pattern.format(first + step * len(channels))) in shapes:
        channels.append(shapes[key][0])
    if not channels:
        raise CheckpointError(
            f"{name}: {pattern.format(first)} is missing. Download the file again."
        )
    return tuple(channels)
