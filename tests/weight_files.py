"""Weight files for tests: full-size ones that take no disk, and the tiny networks'."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from .rule_weights import rule_state
from .tiny_nets import manifest


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
