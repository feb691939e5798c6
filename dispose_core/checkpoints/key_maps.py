"""Rename keys of the SVD UNet between diffusers' and ComfyUI's layouts.

Keys have no prefix in either layout. See docs/reference_behaviour.md#comfyui-unet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from ..errors import CheckpointError

Value = TypeVar("Value")

_PLAIN = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET_PARTS = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_RESNET = {
    **{f"spatial_res_block.{ours}": theirs for ours, theirs in _RESNET_PARTS.items()},
    **{f"temporal_res_block.{ours}": f"time_stack.{t}" for ours, t in _RESNET_PARTS.items()},
    "time_mixer": "time_mixer",
}
_TRANSFORMER = {
    "norm": "norm",
    "proj_in": "proj_in",
    "proj_out": "proj_out",
    "transformer_blocks.0": "transformer_blocks.0",
    "temporal_transformer_blocks.0": "time_stack.0",
    "time_pos_embed.linear_1": "time_pos_embed.0",
    "time_pos_embed.linear_2": "time_pos_embed.2",
    "time_mixer": "time_mixer",
}


def _modules() -> dict[str, str]:
    """Return the names of the UNet's modules, diffusers -> ComfyUI."""
    table = dict(_PLAIN)

    def add(ours: str, theirs: str, parts: Mapping[str, str]) -> None:
        table.update({f"{ours}.{a}": f"{theirs}.{b}" for a, b in parts.items()})

    for i in range(4):
        for j in range(2):
            add(f"down_blocks.{i}.resnets.{j}", f"input_blocks.{1 + 3 * i + j}.0", _RESNET)
            add(f"down_blocks.{i}.attentions.{j}", f"input_blocks.{1 + 3 * i + j}.1", _TRANSFORMER)
        table[f"down_blocks.{i}.downsamplers.0.conv"] = f"input_blocks.{3 * (i + 1)}.0.op"
        for j in range(3):
            add(f"up_blocks.{i}.resnets.{j}", f"output_blocks.{3 * i + j}.0", _RESNET)
            add(f"up_blocks.{i}.attentions.{j}", f"output_blocks.{3 * i + j}.1", _TRANSFORMER)
        # The first up block has no attention, so its upsampler has index 1.
        place = 1 if i == 0 else 2
        table[f"up_blocks.{i}.upsamplers.0.conv"] = f"output_blocks.{3 * i + 2}.{place}.conv"
    for j in range(2):
        add(f"mid_block.resnets.{j}", f"middle_block.{2 * j}", _RESNET)
    add("mid_block.attentions.0", "middle_block.1", _TRANSFORMER)
    return table


_TO_COMFYUI = _modules()
_FROM_COMFYUI = {theirs: ours for ours, theirs in _TO_COMFYUI.items()}


def to_comfyui(key: str) -> str:
    """Translate a key from diffusers' layout to ComfyUI's.

    Raises:
        CheckpointError: an SVD UNet has no such tensor.
    """
    return _rename(key, _TO_COMFYUI, "diffusers")


def from_comfyui(key: str) -> str:
    """Translate a key from ComfyUI's layout to diffusers'.

    Raises:
        CheckpointError: an SVD UNet has no such tensor.
    """
    return _rename(key, _FROM_COMFYUI, "ComfyUI")


def rename_keys(state: Mapping[str, Value], rename: Callable[[str], str]) -> dict[str, Value]:
    """Rename the keys of a state dict; the values are not copied.

    Raises:
        CheckpointError: a key is unknown, or two keys name the same tensor.
    """
    renamed = {rename(key): value for key, value in state.items()}
    if len(renamed) != len(state):
        raise CheckpointError(
            f"{len(state) - len(renamed)} keys name the same tensor as another key. "
            "The file mixes two layouts; use it as published."
        )
    return renamed


def _rename(key: str, table: Mapping[str, str], layout: str) -> str:
    for module, rest in _splits(key):
        if module in table:
            return f"{table[module]}.{rest}"
    raise CheckpointError(
        f"{key}: an SVD UNet has no tensor of this name in {layout}'s layout. "
        "Use weights of an SVD-class UNet."
    )


def _splits(key: str) -> Iterable[tuple[str, str]]:
    """Split a.b.c into (a.b, c) and (a, b.c)."""
    parts = key.split(".")
    return ((".".join(parts[:n]), ".".join(parts[n:])) for n in range(len(parts) - 1, 0, -1))
