"""Registry of checkpoint architectures, which are recognized by their keys and shapes.

`inspect`, `convert`, `download`, the search for model files and the messages about wrong or missing
files are derived from its entries. Networks are imported only when a file is compared or loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import CheckpointError
from ..registry import Registry, load_attribute

if TYPE_CHECKING:
    from .state_dict_diff import StateDictDiff
    from .weights import Weights

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class DiffusersFolder:
    """A model as a folder in diffusers' layout.

    Attributes:
        parts: required subfolders, each with a `config.json`.
        part, class_name: the subfolder and class that distinguish this model from others.
    """

    parts: tuple[str, ...]
    part: str
    class_name: str


@dataclass(frozen=True)
class Architecture:
    """A type of weights file.

    Attributes:
        name: unique identifier.
        summary: completes the sentence "this is …".
        detect: returns whether keys and shapes belong to this architecture. Entries are tested in
            registry order; the first match is used.
        folder: subfolder of ComfyUI's models folder, or None.
        use: purpose in the pack, or None if the pack does not use it.
        roles: model files of a run for which it can be used, such as "unet" or "pose_net".
        example: a published file of this type, for messages.
        required: key prefixes that a file must have to be used in its roles.
        networks: key prefixes by network name, for counting parameters; "" matches the keys that
            no other prefix matches.
        diff: compares `Weights` with the network that the pack builds for them; a function or its
            "module:function". None if the pack does not load such files.
        diffusers: folder layout, if the pack can load it.
    """

    name: str
    summary: str
    detect: Callable[[Shapes], bool]
    folder: str | None = None
    use: str | None = None
    roles: tuple[str, ...] = ()
    example: str = ""
    required: tuple[str, ...] = ()
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    diff: str | Callable[[Weights], StateDictDiff] | None = None
    diffusers: DiffusersFolder | None = None

    def compare(self, weights: Weights) -> StateDictDiff | None:
        """Compare a file with the network that the pack builds for it, without loading it.

        Returns:
            The differences, or None for files that the pack does not load.

        Raises:
            CheckpointError: tensors that determine the network's sizes are missing.
        """
        if self.diff is None:
            return None
        function = (
            load_attribute(self.diff, __package__) if isinstance(self.diff, str) else self.diff
        )
        return function(weights)


def has(shapes: Shapes, *prefixes: str) -> bool:
    """Return whether every prefix is the beginning of at least one key."""
    return all(any(key.startswith(prefix) for key in shapes) for prefix in prefixes)


def has_any(shapes: Shapes, *prefixes: str) -> bool:
    """Return whether at least one key begins with one of the prefixes."""
    return any(key.startswith(prefixes) for key in shapes)


_LORA_MARKS = ("lora_up", "lora_down", "lora_A", "lora_B", ".lora.", "lora_te", "lora_unet")
# Prefixes of the UNet's keys in a UNet file and in a full checkpoint.
_DIFFUSERS_ROOTS, _COMFYUI_ROOTS = ("", "unet."), ("", "model.diffusion_model.")


def _is_lora(shapes: Shapes) -> bool:
    return any(mark in key for key in shapes for mark in _LORA_MARKS)


def _is_svd_in_diffusers_layout(shapes: Shapes) -> bool:
    return has_any(
        shapes,
        *(f"{root}down_blocks.0.resnets.0.spatial_res_block." for root in _DIFFUSERS_ROOTS),
    )


def _is_svd_in_comfyui_layout(shapes: Shapes) -> bool:
    return has_any(shapes, *(f"{root}input_blocks.1.0.time_stack." for root in _COMFYUI_ROOTS))


def _is_image_unet(shapes: Shapes) -> bool:
    in_diffusers = (has(shapes, f"{r}down_blocks.", f"{r}up_blocks.") for r in _DIFFUSERS_ROOTS)
    return any(in_diffusers) or has_any(shapes, *(f"{r}input_blocks." for r in _COMFYUI_ROOTS))


def _text_width(shapes: Shapes) -> int | None:
    """Return the channels of an image UNet's text embedding, or None if it has no attention."""
    keys = (key for key, shape in shapes.items() if len(shape) == 2)
    key = next((key for key in keys if key.endswith("attn2.to_k.weight")), None)
    return None if key is None else shapes[key][1]


def _image_model(width: int) -> Callable[[Shapes], bool]:
    return lambda shapes: _is_image_unet(shapes) and _text_width(shapes) == width


def _part(*prefixes: str) -> Callable[[Shapes], bool]:
    """Detect a component in its own file, not inside a checkpoint with an image UNet."""
    return lambda shapes: (
        has_any(shapes, *prefixes) and not (_is_image_unet(shapes) and _text_width(shapes))
    )


def _never(shapes: Shapes) -> bool:
    """Match no weights; programs are recognized by `programs.Program.architecture`."""
    return False


DISPOSE = Architecture(
    "dispose",
    "DisPose's ControlNet",
    lambda shapes: has(
        shapes, "controlnet_cond_embedding.conv_in_flow.", "point_adapter.model_list."
    ),
    folder="controlnet",
    use="DisPose's ControlNet",
    roles=("dispose",),
    example="DisPose.pth",
    networks={
        "motion encoders": ("controlnet_cond_embedding.", "point_adapter."),
        "ControlNet": ("",),
    },
    diff=".architectures.dispose:diff",
)
CMP = Architecture(
    "cmp",
    "CMP, the dense motion network",
    lambda shapes: has(shapes, "flow_decoder.", "flow_encoder."),
    folder="dispose",
    use="the paper's motion network",
    roles=("cmp",),
    example="ckpt_iter_42000.pth.tar",
    networks={"CMP": ("",)},
    diff=".architectures.cmp:diff",
)
POSE_NET = Architecture(
    "pose_net",
    "MimicMotion's PoseNet",
    lambda shapes: has(shapes, "conv_layers.", "final_proj."),
    folder="dispose",
    use="MimicMotion's PoseNet",
    roles=("pose_net",),
    example="mimic_motion_pose_net.safetensors",
    networks={"PoseNet": ("",)},
    diff=".architectures.mimicmotion:diff_pose_net",
)
MIMICMOTION = Architecture(
    "mimicmotion",
    "MimicMotion with UNet and PoseNet",
    lambda shapes: has(shapes, "unet.down_blocks.", "pose_net."),
    folder="diffusion_models",
    use="the video model and its PoseNet",
    roles=("unet", "pose_net"),
    example="MimicMotion_1-1.pth",
    networks={"UNet": ("unet.",), "PoseNet": ("pose_net.",)},
    diff=".architectures.mimicmotion:diff_whole",
)
LORA = Architecture("lora", "a LoRA", _is_lora, folder="loras")
CONTROLNET = Architecture(
    "controlnet",
    "a ControlNet of another type",
    lambda shapes: has_any(shapes, "controlnet_", "control_model.", "input_hint_block."),
    folder="controlnet",
)
SVD_UNET = Architecture(
    "svd_unet",
    "an SVD-class UNet in diffusers' layout (MimicMotion's, or SVD's own)",
    _is_svd_in_diffusers_layout,
    folder="diffusion_models",
    use="the video model; PoseNet is a separate file",
    roles=("unet",),
    example="a merged MimicMotion UNet",
    networks={"UNet": ("",)},
    diff=".architectures.mimicmotion:diff_unet",
)
SVD = Architecture(
    "svd",
    "a whole Stable Video Diffusion checkpoint",
    lambda shapes: _is_svd_in_comfyui_layout(shapes) and has(shapes, "first_stage_model."),
    folder="checkpoints",
    use="VAE and CLIP vision of the video model",
    roles=("svd",),
    example="svd_xt_1_1.safetensors",
    networks={"VAE": ("first_stage_model.",), "CLIP": ("conditioner.",)},
    diffusers=DiffusersFolder(("vae", "image_encoder"), "vae", "AutoencoderKLTemporalDecoder"),
)
SVD_COMFYUI = Architecture(
    "svd_comfyui",
    "an SVD-class UNet in ComfyUI's layout (MimicMotion's, or SVD's own)",
    _is_svd_in_comfyui_layout,
    folder="diffusion_models",
    use="the video model; PoseNet is a separate file",
    roles=("unet",),
    example="MimicMotion as ComfyUI saves it",
    networks={"UNet": ("",)},
    diff=".architectures.mimicmotion:diff_unet",
)
SD15 = Architecture(
    "sd15",
    "a Stable Diffusion 1.5 checkpoint or UNet",
    _image_model(768),
    folder="checkpoints",
    use="keypoint features",
    roles=("sd15",),
    example="v1-5-pruned-emaonly-fp16.safetensors",
    required=("first_stage_model.", "cond_stage_model.transformer."),
    # The text encoder is not counted; it is freed before the UNet runs.
    networks={"SD 1.5": ("model.diffusion_model.", "first_stage_model.")},
    diffusers=DiffusersFolder(("unet", "vae", "text_encoder"), "unet", "UNet2DConditionModel"),
)
SD2 = Architecture(
    "sd2", "a Stable Diffusion 2 checkpoint or UNet", _image_model(1024), folder="checkpoints"
)
SDXL = Architecture("sdxl", "an SDXL checkpoint or UNet", _image_model(2048), folder="checkpoints")
VAE = Architecture(
    "vae",
    "a VAE",
    _part("encoder.down", "decoder.up", "decoder.mid", "first_stage_model."),
    folder="vae",
)
CLIP_VISION = Architecture(
    "clip_vision",
    "a CLIP vision model",
    _part("vision_model.", "visual.", "image_encoder.vision_model."),
    folder="clip_vision",
)
TEXT_ENCODER = Architecture(
    "text_encoder",
    "a text encoder",
    _part("text_model.", "encoder.block.0.layer.", "shared.weight"),
    folder="text_encoders",
)
# Detectors run as programs. Their plain weights are recognized, but not used.
YOLOX = Architecture(
    "yolox",
    "YOLOX, the person detector of DWPose",
    _part("backbone.backbone.stem.", "backbone.backbone.dark"),
)
DWPOSE = Architecture(
    "dwpose", "DWPose's pose network", _part("head.cls_x.", "head.final_layer.", "head.mlp.")
)
YOLOX_PROGRAM = Architecture(
    "yolox_program",
    YOLOX.summary,
    _never,
    folder="detection",
    use="pose detection: finds people",
)
DWPOSE_PROGRAM = Architecture(
    "dwpose_program",
    DWPOSE.summary,
    _never,
    folder="detection",
    use="pose detection: finds joints",
)
MEDIAPIPE_WHEEL = Architecture(
    "mediapipe_wheel",
    "a wheel of MediaPipe with its networks",
    _never,
    folder="detection",
    use="pose detection: finds people, bodies, hands and faces",
)
ONNX = Architecture("onnx", "an ONNX model this pack does not know", _never)
TORCHSCRIPT = Architecture("torchscript", "a TorchScript program this pack does not know", _never)
UNKNOWN = Architecture("unknown", "a file this pack does not know", _never)

ARCHITECTURES: Registry[Architecture] = Registry(
    "checkpoint architecture",
    (
        DISPOSE, CMP, POSE_NET, MIMICMOTION, LORA, CONTROLNET, SVD_UNET, SVD, SVD_COMFYUI, SD15,
        SD2, SDXL, VAE, CLIP_VISION, TEXT_ENCODER, YOLOX, DWPOSE, YOLOX_PROGRAM, DWPOSE_PROGRAM,
        MEDIAPIPE_WHEEL, ONNX, TORCHSCRIPT, UNKNOWN,
    ),
    CheckpointError,
)  # fmt: skip


def recognize(shapes: Shapes) -> Architecture:
    """Return the architecture that matches the keys and shapes, or `UNKNOWN`."""
    return next((each for each in ARCHITECTURES.values() if each.detect(shapes)), UNKNOWN)


def architectures_for(role: str) -> tuple[Architecture, ...]:
    """Return the architectures that have a role; see `Architecture.roles`."""
    return tuple(each for each in ARCHITECTURES.values() if role in each.roles)


def require_role(shapes: Shapes, name: str, role: str) -> Architecture:
    """Recognize a file and check that it has the required role.

    Args:
        shapes: shapes of the file's tensors by key.
        name: file name for the message.
        role: see `Architecture.roles`.

    Raises:
        CheckpointError: the architecture does not have the role, or required parts are missing.
    """
    architecture = recognize(shapes)
    if role in architecture.roles:
        missing = [prefix for prefix in architecture.required if not has(shapes, prefix)]
        if missing:
            raise CheckpointError(
                f"{name}: {architecture.summary}, but without {' and '.join(missing)}*. Use a "
                f"complete file such as {architecture.example}."
            )
        return architecture
    first = f" (its first tensor is {next(iter(shapes))})" if architecture is UNKNOWN else ""
    needed = ", or ".join(f"{each.summary}: {each.example}" for each in architectures_for(role))
    raise CheckpointError(f"{name}: this is {architecture.summary}{first}. Needed is {needed}.")
