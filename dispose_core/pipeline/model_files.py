"""Locate the model files of a run: given explicitly, or found in ComfyUI's models folder.

No weights are loaded. Files are searched by their published names first, then by content, so that
renamed files are found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..checkpoints.catalog import places, present, published, source
from ..checkpoints.recognise import Kind, recognise, require_kind
from ..checkpoints.state_dict import Weights, open_weights
from ..errors import CheckpointError, DisPoseError
from ..motion.densifiers.registry import DENSIFIERS
from .config import RunConfig

_SUFFIXES = (".safetensors", ".sft", ".pth", ".pt", ".ckpt", ".bin", ".tar")

# Accepted kinds of each file, with their names for messages.
_KINDS: dict[str, dict[Kind, str]] = {
    "unet": {
        Kind.MIMICMOTION: "MimicMotion_1-1.pth",
        Kind.SVD_UNET: "a merged MimicMotion UNet",
        Kind.SVD_COMFYUI: "MimicMotion as ComfyUI saves it",
    },
    "pose_net": {
        Kind.POSE_NET: "mimic_motion_pose_net.safetensors",
        Kind.MIMICMOTION: "MimicMotion_1-1.pth",
    },
    "dispose": {Kind.DISPOSE: "DisPose.pth"},
    "svd": {Kind.SVD: "svd_xt_1_1.safetensors"},
    "sd15": {Kind.SD15: "v1-5-pruned-emaonly-fp16.safetensors"},
    "cmp": {Kind.CMP: "ckpt_iter_42000.pth.tar"},
}
_PUBLISHED_ROLES = {"unet": "mimicmotion"}  # roles in the catalog that have another name

# Components of a folder in diffusers' layout, and the class of one that identifies the model.
_FOLDERS = {
    "svd": (("vae", "image_encoder"), "vae", "AutoencoderKLTemporalDecoder"),
    "sd15": (("unet", "vae", "text_encoder"), "unet", "UNet2DConditionModel"),
}

# Key prefixes of the components in files that hold several.
_PARTS: dict[Kind, dict[str, tuple[str, ...]]] = {
    Kind.MIMICMOTION: {"UNet": ("unet.",), "PoseNet": ("pose_net.",)},
    Kind.DISPOSE: {"motion encoders": ("controlnet_cond_embedding.", "point_adapter.")},
    Kind.SVD: {"VAE": ("first_stage_model.",), "CLIP": ("conditioner.",)},
}
_WHOLE = {
    Kind.SVD_UNET: "UNet",
    Kind.SVD_COMFYUI: "UNet",
    Kind.POSE_NET: "PoseNet",
    Kind.DISPOSE: "ControlNet",
    Kind.SD15: "SD 1.5",
    Kind.CMP: "CMP",
}


@dataclass(frozen=True)
class ModelFiles:
    """The model files of a run.

    Attributes:
        paths: by setting: unet, pose_net, dispose, svd, sd15, cmp.
        faults: errors of files that cannot be used, by setting.
        parameters: number of parameters by network, read from the files.
        unet_dtype: dtype in which the UNet is stored.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    unet_dtype: torch.dtype | None = None

    def require(self, names: list[str]) -> None:
        """Raise CheckpointError, listing all faults, unless these files can be used."""
        faults = [f"{name}: {self.faults[name]}" for name in names if name in self.faults]
        if faults:
            raise CheckpointError("\n".join(["these model files are needed:", *faults]))


def needed_files(settings: RunConfig) -> list[str]:
    """Settings of the files that a run needs."""
    return [
        *("unet", "pose_net", "dispose", "svd"),
        *(["sd15"] if settings.makes_features else []),
        *(_densifier_files(settings) if settings.uses_control else []),
    ]


def _densifier_files(settings: RunConfig) -> list[str]:
    """Files of the densifier that are searched like other model files."""
    if settings.densifier_files is not None:  # they are located when the densifier is loaded
        return []
    roles = DENSIFIERS[settings.densifier_name].files
    return [role.argument for role in roles if role.argument in _KINDS]


def find_densifier_files(config: RunConfig) -> dict[str, Path]:
    """Find the files of the configured densifier, by argument; empty if it has its own folder.

    Raises:
        CheckpointError: a file is missing or of another model.
    """
    names = _densifier_files(config)
    if not names:
        return {}
    files = find_model_files(config, names)
    files.require(names)
    return dict(files.paths)


def find_model_files(settings: RunConfig, names: list[str] | None = None) -> ModelFiles:
    """Find the files of a run and read their headers.

    Args:
        settings: explicit paths, and the models folder for the other files.
        names: files to find; those of an `animate` run when None.
    """
    paths: dict[str, Path] = {}
    faults: dict[str, str] = {}
    parameters: dict[str, int] = {}
    unet_dtype = None
    kinds: dict[Path, Kind] = {}
    opened: dict[Path, Weights] = {}
    for name in names or needed_files(settings):
        try:
            explicit = getattr(settings, name)
            path = (
                explicit
                or _in_mimicmotion_file(name, paths, kinds)
                or _search(name, settings.models)
            )
            if path.is_dir():
                _check_folder(name, path)
                parameters.update(_folder_parameters(name, path))
            else:
                weights = opened[path] if path in opened else open_weights(path)
                opened[path] = weights
                kinds[path] = require_kind(weights.shapes, weights.name, _KINDS[name])
                parameters.update(_file_parameters(weights, kinds[path], name))
                if name == "unet":
                    unet_dtype = _stored_dtype(weights)
            paths[name] = path
        except DisPoseError as e:
            faults[name] = str(e)
    return ModelFiles(paths, faults, parameters, unet_dtype)


def _in_mimicmotion_file(
    name: str, paths: Mapping[str, Path], kinds: Mapping[Path, Kind]
) -> Path | None:
    """MimicMotion's own file for PoseNet, if it contains it."""
    unet = paths.get("unet")
    if name != "pose_net" or unet is None or kinds.get(unet) is not Kind.MIMICMOTION:
        return None
    return unet


def _search(name: str, models: Path | None) -> Path:
    published_models = published(role=_PUBLISHED_ROLES.get(name, name))
    where = " ".join(map(source, published_models))
    option = f"--{name.replace('_', '-')}"
    if models is None:
        raise CheckpointError(
            f"no file given. Name ComfyUI's models folder with --models, or the file with {option}."
            f" {where}"
        )
    if not models.is_dir():
        raise CheckpointError(f"{models} is not a folder. Name ComfyUI's models folder.")
    for model in published_models:
        if found := present(model, models):
            return found[0]
    folders = list(dict.fromkeys(model.folder for model in published_models))
    searched = [place for folder in folders for place in places(folder, models)]
    found = [path for place in searched for path in _matching_files(place, name)]
    if name in _FOLDERS and not found:
        searched.append(models / "diffusers")
        found = [path for path in _sorted(searched[-1], "*") if _is_folder_of(name, path)]
    if not found:
        raise CheckpointError(
            f"nothing found in {' or '.join(map(str, searched))}. {where} Put it there, or name "
            f"the file with {option}."
        )
    if len(found) > 1:
        raise CheckpointError(
            f"{len(found)} files would do: {', '.join(map(str, found))}. Name one with {option}."
        )
    return found[0]


def _matching_files(place: Path, name: str) -> list[Path]:
    """Files in a folder that are recognised as the needed kind."""
    found = []
    for path in _sorted(place, "**/*"):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            try:
                shapes = open_weights(path).shapes
            except CheckpointError:
                continue  # a file of another model
            if recognise(shapes) in _KINDS[name] and _is_whole(name, shapes):
                found.append(path)
    return found


def _is_whole(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether an SD 1.5 file is complete, not only a UNet."""
    return name != "sd15" or any(key.startswith("cond_stage_model.") for key in shapes)


def _sorted(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _is_folder_of(name: str, path: Path) -> bool:
    try:
        _check_folder(name, path)
    except CheckpointError:
        return False
    return True


def _check_folder(name: str, path: Path) -> None:
    if name not in _FOLDERS:
        raise CheckpointError(f"{path} is a folder. Name the file itself.")
    parts, part, expected_class = _FOLDERS[name]
    for component in parts:
        config = path / component / "config.json"
        try:
            facts = json.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as e:
            raise CheckpointError(
                f"{path}: {component}/config.json cannot be read ({e}). Give the whole folder in "
                "diffusers' layout, or the checkpoint as a single file."
            ) from e
        found = facts.get("_class_name")
        if component == part and found != expected_class:
            raise CheckpointError(f"{path}: its {part} is {found}, needed {expected_class}.")
        if component == "unet" and facts.get("cross_attention_dim") != 768:
            raise CheckpointError(
                f"{path}: not Stable Diffusion 1.5; its text embeddings have another width."
            )


def _folder_parameters(name: str, path: Path) -> dict[str, int]:
    counts = dict.fromkeys(_FOLDERS[name][0], 0)
    for part in counts:
        for suffix in (".safetensors", ".bin"):
            files = _sorted(path / part, f"*{suffix}")
            # If both precisions exist, only one is loaded.
            files = [p for p in files if ".fp16." not in p.name] or files
            if files:
                counts[part] = sum(_count(open_weights(p), lambda key: True) for p in files)
                break
    if name == "svd":
        return {"VAE": counts["vae"], "CLIP": counts["image_encoder"]}
    return {"SD 1.5": counts["unet"] + counts["vae"]}


def _file_parameters(weights: Weights, kind: Kind, name: str) -> dict[str, int]:
    if name == "pose_net" and kind is Kind.MIMICMOTION:
        return {"PoseNet": _count_below(weights, ("pose_net.",))}
    parts: dict[str, tuple[str, ...]] = _PARTS.get(kind, {})
    counts = {network: _count_below(weights, prefixes) for network, prefixes in parts.items()}
    if kind in _WHOLE:
        rest = tuple(prefix for prefixes in parts.values() for prefix in prefixes)
        # The text encoder is not in memory while the UNet runs.
        rest += ("cond_stage_model.",)
        counts[_WHOLE[kind]] = _count(weights, lambda key: not key.startswith(rest))
    return counts


def _count_below(weights: Weights, prefixes: tuple[str, ...]) -> int:
    return _count(weights, lambda key: key.startswith(prefixes))


def _count(weights: Weights, predicate: Callable[[str], bool]) -> int:
    return sum(tensor.numel() for key, tensor in weights.tensors.items() if predicate(key))


def _stored_dtype(weights: Weights) -> torch.dtype:
    return next(t.dtype for t in weights.tensors.values() if t.is_floating_point())
