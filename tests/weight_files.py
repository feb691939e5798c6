"""Weight files for tests: full-size ones that take no disk, and the tiny networks'."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import torch

from .rule_weights import rnd, rule_state, rule_tensor
from .tiny_nets import GOLDENS, manifest

SD15_TEXT = "cond_stage_model.transformer.text_model."


def write_hollow(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Path:
    """A safetensors file of fp16 zeros; its data is a hole, so it takes neither disk nor time."""
    header, end = {}, 0
    for key, shape in shapes.items():
        start, size = end, 2
        for side in shape:
            size *= side
        end = start + size
        header[key] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


def tiny_mimicmotion() -> dict:
    """State dict of a tiny `MimicMotion_1-1.pth`."""
    unet = manifest("tiny_unet", "unet.")
    pose = manifest("tiny_vae_clip_posenet", "pose_net.")
    return {
        **{f"unet.{k}": v for k, v in rule_state(unet, "unet.").items()},
        **{f"pose_net.{k}": v for k, v in rule_state(pose, "pose_net.", 2**0.5).items()},
    }


def drawn(manifest: str, prefix: str = "", rule: str | None = None) -> dict[str, torch.Tensor]:
    """Rule weights of a manifest: its keys behind `prefix`, drawn under those behind `rule`."""
    shapes = json.loads((GOLDENS / f"manifest_{manifest}.json").read_text())
    rule = prefix if rule is None else rule
    return {
        prefix + key: rule_tensor(rule + key, tuple(shape)).contiguous()
        for key, shape in shapes.items()
    }


def tiny_sd15() -> dict:
    """State dict of a tiny SD 1.5; its text encoder has one layer, but all words."""
    text = {
        "embeddings.token_embedding.weight": torch.zeros(49408, 768, dtype=torch.float16),
        "embeddings.position_embedding.weight": rnd("positions", (77, 768)),
        "embeddings.position_ids": torch.arange(77)[None],
        "final_layer_norm.weight": torch.ones(768),
        "final_layer_norm.bias": torch.zeros(768),
    }
    text["embeddings.token_embedding.weight"][2751, 5] = 40.0  # "human"
    layer = "encoder.layers.0."
    for name, shape in {
        **{f"self_attn.{p}_proj": (768, 768) for p in ("q", "k", "v", "out")},
        "mlp.fc1": (32, 768),
        "mlp.fc2": (768, 32),
    }.items():
        text[f"{layer}{name}.weight"] = torch.zeros(shape)
        text[f"{layer}{name}.bias"] = torch.zeros(shape[0])
    for norm in ("layer_norm1", "layer_norm2"):
        text[f"{layer}{norm}.weight"] = torch.ones(768)
        text[f"{layer}{norm}.bias"] = torch.zeros(768)
    return {**drawn("ldm_sd15_tiny"), **{SD15_TEXT + key: value for key, value in text.items()}}
