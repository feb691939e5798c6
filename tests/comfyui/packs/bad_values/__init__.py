"""Values that no node should output, on a connection of any type, and a node that takes any."""

from __future__ import annotations

import ctypes
import gc
import math
import sys
from importlib import import_module

import torch


class AnyType(str):
    """Equal to every type in ComfyUI's check of connections."""

    def __ne__(self, other: object) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


ANY = AnyType("*")
NAN, INF = math.nan, math.inf


def pose(value: object = 0.5, count: int = 18, **canvas: object) -> list[dict]:
    return [{"people": [{"pose_keypoints_2d": [value, value, 1.0] * count}], **canvas}]


def image(*shape: int, value: float = 0.5, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.full(shape, value).to(dtype)


def features():
    errors = ".dispose_core.errors"
    root = next(key for key in sys.modules if key.endswith(errors)).removesuffix(errors)
    module = import_module(f"{root}.dispose_core.features.keypoint_features")
    return module.KeypointFeatures(torch.zeros(18, 1280), torch.ones(18, dtype=torch.bool))


GENERAL = {
    "none": lambda: None,
    "number": lambda: 7.5,
    "text": lambda: "text",
    "empty_list": lambda: [],
    "nested_list": lambda: [[[]]],
    "dict": lambda: {"a": 1},
    "object": object,
    "tensor": lambda: torch.zeros(3),
    "class": lambda: dict,
}
NUMBERS = {
    "nan": lambda: NAN,
    "infinite": lambda: -INF,
    "huge": lambda: 10**400,
    "minus": lambda: -1,
    "fraction": lambda: 2.5,
    "tensor_number": lambda: torch.tensor(3),
    "complex": lambda: 1j,
}
IMAGES = {
    "no_image": lambda: image(0, 8, 8, 3),
    "grey": lambda: image(1, 64, 64, 1),
    "two_channels": lambda: image(1, 64, 64, 2),
    "rgba": lambda: image(1, 64, 64, 4),
    "bytes": lambda: image(1, 64, 64, 3, dtype=torch.uint8),
    "halves": lambda: image(1, 64, 64, 3, dtype=torch.float16),
    "nan_image": lambda: image(1, 64, 64, 3, value=NAN),
    "infinite_image": lambda: image(2, 64, 64, 3, value=INF),
    "bright": lambda: image(1, 64, 64, 3, value=500.0),
    "flat": lambda: image(64, 64, 3),
    "five_dimensions": lambda: image(1, 1, 64, 64, 3),
    "pixel": lambda: image(1, 1, 1, 3),
    "line": lambda: image(1, 1, 4096, 3),
    "column": lambda: image(1, 4096, 1, 3),
    "odd_size": lambda: image(1, 61, 67, 3),
    "batch": lambda: image(3, 64, 64, 3),
    "no_height": lambda: image(1, 0, 8, 3),
    "image_list": lambda: [image(1, 64, 64, 3)],
}
MASKS = {
    "other_size": lambda: image(1, 9, 7),
    "two_masks": lambda: image(2, 64, 64),
    "no_mask": lambda: image(0, 64, 64),
    "nan_mask": lambda: image(1, 64, 64, value=NAN),
    "black_mask": lambda: image(1, 64, 64, value=0.0),
    "mask_of_bytes": lambda: image(1, 64, 64, dtype=torch.uint8),
    "mask_of_bools": lambda: image(1, 64, 64, dtype=torch.bool),
    "mask_4d": lambda: image(1, 1, 64, 64),
}
POSES = {
    "no_people": lambda: [{"people": [], "canvas_width": 64, "canvas_height": 64}],
    "people_none": lambda: [{"people": None}],
    "people_text": lambda: [{"people": "two"}],
    "frames_none": lambda: [None, None],
    "frames_text": lambda: ["a"],
    "person_list": lambda: [{"people": [[1, 2, 3]]}],
    "no_keys": lambda: [{}],
    "cut_list": lambda: pose(count=5),
    "numbers_as_text": lambda: pose("0.5"),
    "nan_pose": lambda: pose(NAN),
    "infinite_pose": lambda: pose(INF),
    "far_pose": lambda: pose(1e300, canvas_width=64, canvas_height=64),
    "huge_integers": lambda: pose(10**400, canvas_width=64, canvas_height=64),
    "lists_in_list": lambda: pose([1, 2]),
    "booleans": lambda: pose(True),
    "canvas_0": lambda: pose(30.0, canvas_width=0, canvas_height=0),
    "canvas_minus": lambda: pose(30.0, canvas_width=-5, canvas_height=8),
    "canvas_huge": lambda: pose(canvas_width=10**9, canvas_height=10**9),
    "canvas_nan": lambda: pose(canvas_width=NAN, canvas_height=NAN),
    "canvas_text": lambda: pose(canvas_width="64", canvas_height="64"),
    "canvas_line": lambda: pose(canvas_width=60_000, canvas_height=1),
    "canvas_list": lambda: pose(canvas_width=[1], canvas_height={}),
    "crowd": lambda: [{"people": [{}] * 300_000}],
    "long_clip": lambda: [{"people": []}] * 300_000,
    "long_list": lambda: pose(count=1_000_000),
    "generator": lambda: iter(pose()),
    "two_lengths": lambda: pose() * 7,
    "tensor_points": lambda: [{"people": [{"pose_keypoints_2d": torch.rand(54)}]}],
    "dict_points": lambda: [{"people": [{"pose_keypoints_2d": {"x": 1}}]}],
}
LATENTS = {
    "no_samples": lambda: {},
    "samples_none": lambda: {"samples": None},
    "video_latents": lambda: {"samples": torch.zeros(1, 16, 3, 8, 8)},
    "other_channels": lambda: {"samples": torch.zeros(3, 16, 8, 8)},
    "one_latent": lambda: {"samples": torch.zeros(1, 4, 8, 8)},
    "no_latents": lambda: {"samples": torch.zeros(0, 4, 8, 8)},
    "nan_latents": lambda: {"samples": torch.full((2, 4, 8, 8), NAN)},
    "integer_latents": lambda: {"samples": torch.zeros(2, 4, 8, 8, dtype=torch.long)},
}
CONDITIONINGS = {
    "no_options": lambda: [[torch.zeros(1, 1, 8)]],
    "conditioning_of_none": lambda: [[None, {}]],
    "two_prompts": lambda: [[torch.zeros(1, 7, 48), {}]] * 2,
}
GOOD = {
    "features": features,
    "conditioning": lambda: [[torch.zeros(1, 7, 48), {}]],
}
# Names of the values that are bad for an input, by its type; "*" for all others.
KINDS = {
    "INT": [*GENERAL, *NUMBERS],
    "FLOAT": [*GENERAL, *NUMBERS],
    "IMAGE": [*GENERAL, *IMAGES],
    "MASK": [*GENERAL, *MASKS],
    "POSE_KEYPOINT": [*GENERAL, *POSES],
    "LATENT": [*GENERAL, *LATENTS],
    "CONDITIONING": [*GENERAL, *CONDITIONINGS],
    "*": [*GENERAL],
}
VALUES = {
    **{**GENERAL, **NUMBERS, **IMAGES, **MASKS, **POSES},
    **{**LATENTS, **CONDITIONINGS, **GOOD},
}


class BadValue:
    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "run", (ANY,)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (list(VALUES),)}}

    def run(self, value):
        return (VALUES[value](),)


class TakeAnything:
    """Ends a graph."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "run", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (ANY,)}}

    def run(self, value):
        return {}


class ReturnMemory:
    """Gives the system what is allocated and not in use, so that its numbers show what is."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "run", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"number": ("INT", {"default": 0})}}

    def run(self, number):
        gc.collect()
        if sys.platform == "linux":
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        return {}


NODE_CLASS_MAPPINGS = {
    "BadValue": BadValue,
    "TakeAnything": TakeAnything,
    "ReturnMemory": ReturnMemory,
}
