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
from ..checkpoints.registry import (
    Architecture,
    DiffusersFolder,
    architectures_for,
    require_role,
)
from ..checkpoints.state_dict import open_weights
from ..checkpoints.weights import Weights
from ..errors import CheckpointError, DisPoseError
from ..motion.densifiers.registry import DENSIFIERS
from .config import RunConfig

_SUFFIXES = (".safetensors", ".sft", ".pth", ".pt", ".ckpt", ".bin", ".tar")


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
    return [role.argument for role in roles if architectures_for(role.argument)]


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
    architectures: dict[Path, Architecture] = {}
    opened: dict[Path, Weights] = {}
    for name in names or needed_files(settings):
        try:
            explicit = getattr(settings, name)
            path = explicit or _beside(name, paths, architectures) or _search(name, settings.models)
            if path.is_dir():
                _check_folder(name, path)
                parameters.update(_folder_parameters(name, path))
            else:
                weights = opened[path] if path in opened else open_weights(path)
                opened[path] = weights
                architectures[path] = require_role(weights.shapes, weights.name, name)
                parameters.update(_file_parameters(weights, architectures[path], name))
                if name == "unet":
                    unet_dtype = _stored_dtype(weights)
            paths[name] = path
        except DisPoseError as e:
            faults[name] = str(e)
    return ModelFiles(paths, faults, parameters, unet_dtype)


def _beside(
    name: str, paths: Mapping[str, Path], architectures: Mapping[Path, Architecture]
) -> Path | None:
    """PoseNet in the UNet's own file, if that holds both."""
    unet = paths.get("unet")
    if name != "pose_net" or unet is None or unet not in architectures:
        return None
    return unet if name in architectures[unet].roles else None


def _search(name: str, models: Path | None) -> Path:
    published_models = published(role=name)
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
    if _diffusers_folder(name) and not found:
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
    """Files in a folder that can serve as the model file `name`."""
    found = []
    for path in _sorted(place, "**/*"):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            try:
                require_role(open_weights(path).shapes, path.name, name)
            except CheckpointError:
                continue  # a file of another model
            found.append(path)
    return found


def _sorted(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _is_folder_of(name: str, path: Path) -> bool:
    try:
        _check_folder(name, path)
    except CheckpointError:
        return False
    return True


def _diffusers_folder(name: str) -> DiffusersFolder | None:
    """The layout in which a model file may also be a folder."""
    return next((each.diffusers for each in architectures_for(name) if each.diffusers), None)


def _check_folder(name: str, path: Path) -> None:
    layout = _diffusers_folder(name)
    if layout is None:
        raise CheckpointError(f"{path} is a folder. Name the file itself.")
    for component in layout.parts:
        config = path / component / "config.json"
        try:
            facts = json.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as e:
            raise CheckpointError(
                f"{path}: {component}/config.json cannot be read ({e}). Give the whole folder in "
                "diffusers' layout, or the checkpoint as a single file."
            ) from e
        found = facts.get("_class_name")
        if component == layout.part and found != layout.class_name:
            raise CheckpointError(
                f"{path}: its {component} is {found}, needed {layout.class_name}."
            )
        if component == "unet" and facts.get("cross_attention_dim") != 768:
            raise CheckpointError(
                f"{path}: not Stable Diffusion 1.5; its text embeddings have another width."
            )


def _folder_parameters(name: str, path: Path) -> dict[str, int]:
    layout = _diffusers_folder(name)
    counts = dict.fromkeys(layout.parts if layout else (), 0)
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


def _file_parameters(weights: Weights, architecture: Architecture, name: str) -> dict[str, int]:
    """Parameters of the networks in a file; of PoseNet alone if the file is there for that."""
    prefixes = tuple(p for group in architecture.networks.values() for p in group if p)

    def count(group: tuple[str, ...]) -> int:
        if group == ("",):
            return _count(weights, lambda key: not key.startswith(prefixes))
        return _count(weights, lambda key: key.startswith(group))

    counts = {network: count(group) for network, group in architecture.networks.items()}
    return {"PoseNet": counts["PoseNet"]} if name == "pose_net" else counts


def _count(weights: Weights, selected: Callable[[str], bool]) -> int:
    return sum(tensor.numel() for key, tensor in weights.tensors.items() if selected(key))


def _stored_dtype(weights: Weights) -> torch.dtype:
    return next(t.dtype for t in weights.tensors.values() if t.is_floating_point())
