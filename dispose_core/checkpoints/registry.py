"""Registry of checkpoint architectures: what a weights file is, recognized by its keys and shapes.

An entry holds everything that the rest of the pack needs to know about a kind of file, so that
`inspect`, `convert`, `download`, the search for model files and the messages about wrong or
missing files are derived from it. Nothing heavy is imported until a file is compared or loaded.
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
    """The same model as a folder in diffusers' layout.

    Attributes:
        parts: subfolders that must be there, each with a `config.json`.
        part, class_name: the subfolder whose class distinguishes this model from others.
    """

    parts: tuple[str, ...]
    part: str
    class_name: str


@dataclass(frozen=True)
class Architecture:
    """One kind of file.

    Attributes:
        name: one word, unique.
        summary: completes the sentence "this is …".
        detect: whether tensors of these keys and shapes are such a file. Entries are asked in
            their order; the first that says yes is taken.
        folder: of ComfyUI's models folder, where it has one.
        use: what the pack does with it; None if it has no use for it.
        roles: the model files of a run that it can serve as, such as "unet" or "pose_net".
        example: the published file of that kind, for messages.
        networks: prefixes of the keys by the name of the network, for counting parameters;
            "" takes the keys that no other prefix takes.
        diff: compares a file with the network that the pack builds for it; a function of
            `Weights`, or its "module:function". None if the pack does not load such files.
        diffusers: the layout as a folder, if the pack loads that too.
    """

    name: str
    summary: str
    detect: Callable[[Shapes], bool]
    folder: str | None = None
    use: str | None = None
    roles: tuple[str, ...] = ()
    example: str = ""
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    diff: str | Callable[[Weights], StateDictDiff] | None = None
    diffusers: DiffusersFolder | None = None

    def compare(self, weights: Weights) -> StateDictDiff | None:
        """How a file differs from the network that the pack builds for it; nothing is loaded.

        Returns:
            None for files that the pack does not load.

        Raises:
            CheckpointError: so much is missing that the network's sizes are unknown.
        """
        if self.diff is None:
            return None
        function = (
            load_attribute(self.diff, __package__) if isinstance(self.diff, str) else self.diff
        )
        return function(weights)


def has(shapes: Shapes, *prefixes: str) -> bool:
    """Whether each of these prefixes begins some key."""
    return all(any(key.startswith(prefix) for key in shapes) for prefix in prefixes)


def has_any(shapes: Shapes, *prefixes: str) -> bool:
    """Whether one of these prefixes begins some key."""
    return any(key.startswith(prefixes) for key in shapes)


_LORA_MARKS = ("lora_up", "lora_down", "lora_A", "lora_B", ".lora.", "lora_te", "lora_unet")
# Roots of the UNet's keys: in a file of its own, and inside a whole checkpoint.
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
    """Channels of the text embedding that an image UNet attends to; None if it has no attention."""
    keys = (key for key, shape in shapes.items() if len(shape) == 2)
    key = next((key for key in keys if key.endswith("attn2.to_k.weight")), None)
    return None if key is None else shapes[key][1]


def _image_model(width: int) -> Callable[[Shapes], bool]:
    return lambda shapes: _is_image_unet(shapes) and _text_width(shapes) == width


def _part(*prefixes: str) -> Callable[[Shapes], bool]:
    """Detects a single component, which is not part of a checkpoint with an image UNet."""
    return lambda shapes: (
        has_any(shapes, *prefixes) and not (_is_image_unet(shapes) and _text_width(shapes))
    )


def _never(shapes: Shapes) -> bool:
    """For files that hold programs: see `torchscript_onnx.Program.architecture`."""
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
    "MimicMotion, UNet and PoseNet in one",
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
    "a ControlNet of another kind",
    lambda shapes: has_any(shapes, "controlnet_", "control_model.", "input_hint_block."),
    folder="controlnet",
)
SVD_UNET = Architecture(
    "svd_unet",
    "an SVD-class UNet in diffusers' layout (MimicMotion's, or SVD's own)",
    _is_svd_in_diffusers_layout,
    folder="diffusion_models",
    use="the video model; PoseNet is a file of its own",
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
    use="the video model; PoseNet is a file of its own",
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
    # Without the text encoder, which is done before the UNet runs.
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
# Detectors run as programs; as plain weights they are only recognized, and have no folder.
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
ONNX = Architecture("onnx", "an ONNX model this pack does not know", _never)
TORCHSCRIPT = Architecture("torchscript", "a TorchScript program this pack does not know", _never)
UNKNOWN = Architecture("unknown", "a file this pack does not know", _never)

ARCHITECTURES: Registry[Architecture] = Registry(
    "checkpoint architecture",
    (
        DISPOSE, CMP, POSE_NET, MIMICMOTION, LORA, CONTROLNET, SVD_UNET, SVD, SVD_COMFYUI, SD15,
        SD2, SDXL, VAE, CLIP_VISION, TEXT_ENCODER, YOLOX, DWPOSE, YOLOX_PROGRAM, DWPOSE_PROGRAM,
        ONNX, TORCHSCRIPT, UNKNOWN,
    ),
    CheckpointError,
)  # fmt: skip


def recognize(shapes: Shapes) -> Architecture:
    """The architecture of a file with tensors of these keys and shapes, `UNKNOWN` if none is."""
    return next((each for each in ARCHITECTURES.values() if each.detect(shapes)), UNKNOWN)


def architectures_for(role: str) -> tuple[Architecture, ...]:
    """The architectures that can serve as a model file of a run."""
    return tuple(each for each in ARCHITECTURES.values() if role in each.roles)


def require_role(shapes: Shapes, name: str, role: str) -> Architecture:
    """The architecture of a file, if it can serve as the model file that is needed.

    Args:
        shapes: of the file's tensors.
        name: of the file, for the message.
        role: see `Architecture.roles`.

    Raises:
        CheckpointError: it cannot; the message says what the file is and what is needed.
    """
    found = recognize(shapes)
    if role in found.roles:
        return found
    first = f" (its first tensor is {next(iter(shapes))})" if found is UNKNOWN else ""
    needed = ", or ".join(f"{each.summary}: {each.example}" for each in architectures_for(role))
    raise CheckpointError(f"{name}: this is {found.summary}{first}. Needed is {needed}.")
