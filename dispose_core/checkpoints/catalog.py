"""Every model file the pack can use: what for, where it belongs, where it comes from.

Sizes and hashes are those that the publishers' pages state. What could not be looked up is None
and shown as unknown, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .recognise import Kind

HUB = "https://huggingface.co"


@dataclass(frozen=True)
class ModelFile:
    """One published file.

    Attributes:
        name: under which it is kept; the pack takes it under any other name too.
        folder: of ComfyUI's models folder.
        role: what the pack does with it; files of one role replace one another.
        use: the same in words.
        kinds: what its content is recognised as.
        page: where people read its licence and download it by hand.
        url: of the file itself.
        licence: as the publisher names it, None where none is stated.
        size: in bytes; of three digits only where `rounded`.
        sha256: of the whole file, None where unknown.
        gated: its licence must be accepted on its page, signed in, before it can be downloaded.
    """

    name: str
    folder: str
    role: str
    use: str
    kinds: tuple[Kind, ...]
    page: str
    url: str
    licence: str | None
    size: int
    rounded: bool = False
    sha256: str | None = None
    gated: bool = False


def _on_hub(name: str, repository: str, path: str = "", **facts) -> ModelFile:
    page = f"{HUB}/{repository}"
    return ModelFile(name, page=page, url=f"{page}/resolve/main/{path}{name}", **facts)


# The first of a role is the one to recommend.
MODELS = (
    _on_hub(
        "MimicMotion_1-1.pth",
        "tencent/MimicMotion",
        folder="diffusion_models",
        role="mimicmotion",
        use="MimicMotion: UNet and PoseNet",
        kinds=(Kind.MIMICMOTION,),
        licence="Tencent's own, built on Stable Video Diffusion's: LICENSE and NOTICE there",
        size=3_049_867_447,
        sha256="b812659ea273b2758c918facf759af5d7cad9564dc35156c59ec17e93f9749a4",
    ),
    _on_hub(
        "MimicMotionMergedUnet_1-1-fp16.safetensors",
        "Kijai/MimicMotion_pruned",
        folder="diffusion_models",
        role="mimicmotion",
        use="MimicMotion: UNet alone, with a PoseNet file beside it",
        kinds=(Kind.SVD_UNET,),
        licence="Apache-2.0",
        size=3_049_435_868,
        sha256="0b25a55309ff65e0215eeed7d0fc6cff209f392c26ebf8d6df9f63da40084325",
    ),
    ModelFile(
        "mimic_motion_pose_net.safetensors",
        folder="dispose",
        role="pose_net",
        use="MimicMotion: PoseNet alone; MimicMotion_1-1.pth holds it too",
        kinds=(Kind.POSE_NET,),
        page="https://github.com/kijai/ComfyUI-MimicMotionWrapper",
        url="https://github.com/kijai/ComfyUI-MimicMotionWrapper/raw/main/models/"
        "mimic_motion_pose_net.safetensors",
        licence="Apache-2.0",
        size=412_730,
        sha256="569ba0aeaa25872e1c02be54af2706836b69157577fcc0cd2a23cd5c7358e2d7",
    ),
    _on_hub(
        "DisPose.pth",
        "lihxxx/DisPose",
        folder="controlnet",
        role="dispose",
        use="DisPose's ControlNet",
        kinds=(Kind.DISPOSE,),
        licence=None,
        size=2_740_862_655,
        sha256="417d8b06a73d75c79f5e88770112363cb89c2112c6c266ee8d98b78cda0545e7",
    ),
    _on_hub(
        "svd_xt_1_1.safetensors",
        "stabilityai/stable-video-diffusion-img2vid-xt-1-1",
        folder="checkpoints",
        role="svd",
        use="Stable Video Diffusion XT 1.1: VAE and CLIP vision",
        kinds=(Kind.SVD,),
        licence="stable-video-diffusion-1-1-community",
        size=4_780_000_000,
        rounded=True,
        sha256="69ccfea1bb45dd63b3ba8b6cfe8b0d45d780995dfdde590aeaa97cc567018d33",
        gated=True,
    ),
    _on_hub(
        "v1-5-pruned-emaonly-fp16.safetensors",
        "Comfy-Org/stable-diffusion-v1-5-archive",
        folder="checkpoints",
        role="sd15",
        use="Stable Diffusion 1.5: keypoint features; any SD 1.5 checkpoint will do",
        kinds=(Kind.SD15,),
        licence="CreativeML Open RAIL-M",
        size=2_132_696_762,
        sha256="e9476a13728cd75d8279f6ec8bad753a66a1957ca375a1464dc63b37db6e3916",
    ),
    _on_hub(
        "ckpt_iter_42000.pth.tar",
        "MyNiuuu/MOFA-Video-Hybrid",
        "models/cmp/experiments/semiauto_annot/resnet50_vip%2Bmpii_liteflow/checkpoints/",
        folder="dispose",
        role="cmp",
        use="CMP, the paper's dense motion network",
        kinds=(Kind.CMP,),
        licence="Apache-2.0",
        size=228_465_722,
        sha256="cd3a385e227c29f89b5c7c6f4c89d356f6022fa7fcfc71ab1bd40e9833048dd6",
    ),
    _on_hub(
        "yolox_l.onnx",
        "yzd-v/DWPose",
        folder="detection",
        role="yolox",
        use="DWPose: person detector",
        kinds=(Kind.YOLOX, Kind.ONNX),
        licence="Apache-2.0",
        size=216_746_733,
        sha256="7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
    ),
    _on_hub(
        "dw-ll_ucoco_384.onnx",
        "yzd-v/DWPose",
        folder="detection",
        role="dwpose",
        use="DWPose: pose network",
        kinds=(Kind.DWPOSE, Kind.ONNX),
        licence="Apache-2.0",
        size=134_399_116,
        sha256="724f4ff2439ed61afb86fb8a1951ec39c6220682803b4a8bd4f598cd913b1843",
    ),
    _on_hub(
        "yolox_l.torchscript.pt",
        "hr16/yolox-onnx",
        folder="detection",
        role="yolox",
        use="DWPose: person detector as TorchScript",
        kinds=(Kind.YOLOX, Kind.TORCHSCRIPT),
        licence="Apache-2.0",
        size=217_697_649,
        sha256="80bc14b13c260c24b3014cd42c02994bf52296ab8fa2d80a60b6afe08c93ef42",
    ),
    _on_hub(
        "dw-ll_ucoco_384_bs5.torchscript.pt",
        "hr16/DWPose-TorchScript-BatchSize5",
        folder="detection",
        role="dwpose",
        use="DWPose: pose network as TorchScript, five people at once",
        kinds=(Kind.DWPOSE, Kind.TORCHSCRIPT),
        licence="Apache-2.0",
        size=135_059_124,
        sha256="d86a0b2b59fddc0901a7076e9f59c9f8602602133ed72511c693fd11eea23d91",
    ),
)

# Files of an optional backend that the pack neither lists nor downloads.
_OPENPOSE = ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth")

FOLDERS = tuple(dict.fromkeys(model.folder for model in MODELS))
# Folders that ComfyUI looks into under the same name.
_ALIASES = {"diffusion_models": ("unet",), "controlnet": ("t2i_adapter",)}


def published(
    folder: str | None = None, role: str | None = None, name: str | None = None
) -> list[ModelFile]:
    """The files of a folder, a role and a name, each if given."""
    wanted = {"folder": folder, "role": role, "name": name}
    return [
        model
        for model in MODELS
        if all(value in (None, getattr(model, key)) for key, value in wanted.items())
    ]


def places(folder: str, models: Path) -> list[Path]:
    """Where files of a folder may lie below a models folder."""
    return [models / name for name in (folder, *_ALIASES.get(folder, ()))]


def present(model: ModelFile, models: Path) -> list[Path]:
    """Where a file lies below a models folder, by its name."""
    found = (place.glob(f"**/{model.name}") for place in places(model.folder, models))
    return sorted(path for paths in found for path in paths)


def where_to_get(folder: str, name: str) -> str:
    """For a message about a missing file: where it is published, or what the folder is for."""
    basename = Path(name.replace("\\", "/")).name
    if basename in _OPENPOSE:
        return f"OpenPose's files are at {HUB}/lllyasviel/Annotators (for non-commercial use)."
    known = published(name=basename) or list(
        {model.role: model for model in reversed(published(folder))}.values()
    )
    return " ".join(map(source, known))


def source(model: ModelFile) -> str:
    """A sentence on where a file is to be had."""
    gate = ", once its licence is accepted there" if model.gated else ""
    return f"{model.name} ({model.use}) is at {model.page}{gate}."
