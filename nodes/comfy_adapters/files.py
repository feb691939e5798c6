"""Files selected in nodes: weights, pose JSON in ComfyUI's folders, and bundled samples."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import folder_paths

from ...dispose_core.checkpoints.catalog import FOLDERS, published, where_to_get
from ...dispose_core.checkpoints.file_roles import FileRole
from ...dispose_core.errors import CheckpointError, MediaError, PoseError

ASSETS = Path(__file__).parents[2] / "assets"
SAMPLE = " [sample]"
OUTPUT = " [output]"

_FRAME = "_keypoints"  # OpenPose writes a file per frame: dance_000000000012_keypoints.json

# Reserved in every folder of Windows, with any ending.
_DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10)),
}
_LONGEST_NAME = 200  # of the 255 bytes of most systems; number, ending and temporary name are added

_WEIGHTS = (".safetensors", ".sft", ".pth", ".pt", ".ckpt", ".bin", ".tar", ".onnx")


def register_folders() -> None:
    """Register the pack's own model folders with ComfyUI.

    Folders already named by extra_model_paths.yaml or another pack keep their paths and order.
    Nothing is created on disk: ComfyUI lists a missing folder as empty, and finds it once it is
    created.

    ComfyUI from 0.22 on has a `detection` folder of its own, which lists no ONNX files. The set of
    endings is shared by all folders, so it is replaced for ours rather than changed.
    """
    for name in FOLDERS:
        folder_paths.add_model_folder_path(name, os.path.join(folder_paths.models_dir, name))
        places, endings = folder_paths.folder_names_and_paths[name]
        published_endings = {Path(model.name).suffix for model in published(name)}
        if endings and not published_endings <= set(endings):  # an empty set lists every file
            folder_paths.folder_names_and_paths[name] = (places, set(endings) | published_endings)


def weight_files(folder: str, role: str | None = None) -> list[str]:
    """Names of the weight files in a folder, published names first.

    Args:
        folder: "diffusion_models", "controlnet", "checkpoints", "dispose" or "detection".
        role: of `ModelFile`, such as "yolox"; files of this role come first.
    """
    found = [
        name for name in folder_paths.get_filename_list(folder) if name.lower().endswith(_WEIGHTS)
    ]
    ours = {model.name: i for i, model in enumerate(published(folder, role))}
    return sorted(found, key=lambda name: ours.get(os.path.basename(name), len(ours)))


class WeightNames(list[str]):
    """Options of a combo that chooses a weights file.

    Listed are the files that are there. ComfyUI's check of a workflow accepts the published names
    too: a node whose file is missing says itself where to get it, and one that does not need the
    file, such as a detector of another backend, runs.
    """

    def __init__(self, found: Iterable[str], accepted: Iterable[str] = ()) -> None:
        super().__init__(found)
        # ComfyUI copies a list as `type(options)(options)`.
        self._accepted = frozenset(accepted) | getattr(found, "_accepted", frozenset())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and name in self._accepted)


def weight_choice(folder: str, role: str | None, expected: str | None = None) -> dict[str, Any]:
    """Options and default of a combo that chooses a weights file.

    Only files that are there are options: the front end offers a download for a file that a
    workflow names and the combo does not list. Without any, a new node shows the published name,
    and `weight_path` says where to get it.

    Args:
        folder, role: as in `weight_files`.
        expected: name of the file, for one that the catalog does not list.
    """
    found = weight_files(folder, role)
    names = [expected] if expected else []
    names += [model.name for model in published(folder, role)]
    return {
        "options": WeightNames(found, names),
        "default": found[0] if found else names[0],
    }


def is_there(folder: str, name: str) -> bool:
    """Whether a file of this name is in the folder."""
    return folder_paths.get_full_path(folder, name) is not None


def weight_path(folder: str, name: str) -> Path:
    """Path of a file named by `weight_files`.

    Raises:
        CheckpointError: there is no such file; the message says where it belongs and where to
            get it.
    """
    found = folder_paths.get_full_path(folder, name)
    if found is not None:
        return Path(found)
    name = _shortened(name)
    raise CheckpointError(_not_found(folder, name, where_to_get(folder, name)))


def published_path(role: FileRole) -> Path:
    """Path of the file of a role under one of its published names.

    Raises:
        CheckpointError: there is none; the message says where it belongs and where to get it.
    """
    for name in role.names:
        if (found := folder_paths.get_full_path(role.folder, name)) is not None:
            return Path(found)
    raise CheckpointError(_role_not_found(role))


def problem_with_roles(roles: Iterable[FileRole]) -> str | None:
    """One line for each of these roles that no file can fill, or None; for `validate_inputs`.

    A role with a `node_input` is filled by any file that the input lists; ComfyUI checks whether
    the chosen file is one of those. An error of `validate_inputs` appears once for every input that
    the method names, so a method names one input only.
    """
    missing = [
        _role_not_found(role)
        for role in roles
        if not any(folder_paths.get_full_path(role.folder, name) for name in role.names)
        and not (role.node_input is not None and _other_files(role))
    ]
    return "\n".join(missing) or None


def pose_files() -> list[str]:
    """Names of pose files for a combo: from the input folder, the output folder, then samples.

    A folder with one file per frame is one name, which ends with a slash.
    """
    return [
        *_json_below(Path(folder_paths.get_input_directory())),
        *(name + OUTPUT for name in _json_below(Path(folder_paths.get_output_directory()))),
        *(name + SAMPLE for name in _json_below(ASSETS / "poses")),
    ]


def pose_path(name: str) -> Path:
    """Path of a file named by `pose_files`.

    Raises:
        PoseError: there is no such file, or the name points outside its folder.
    """
    if name.endswith(SAMPLE):
        folder, name = ASSETS / "poses", name.removesuffix(SAMPLE)
    else:
        name, base = folder_paths.annotated_filepath(name)
        folder = Path(base or folder_paths.get_input_directory())
    try:
        path = (folder / name.strip()).resolve()
        found = path.is_dir() if name.strip().endswith("/") else path.is_file()
    except (OSError, ValueError):  # no system accepts such a name
        path, found = folder, False
    if not path.is_relative_to(folder.resolve()) or not found:
        raise PoseError(
            f"pose file {_shortened(name)!r} is not in {folder}. "
            "Put the JSON into ComfyUI's input folder and press R to refresh the list."
        )
    return path


def problem_with(name: str) -> str | None:
    """Error that `pose_path` would raise for a name, or None."""
    try:
        pose_path(name)
    except PoseError as e:
        return str(e)
    return None


def problem_with_weights(folder: str, name: str) -> str | None:
    """Error that `weight_path` would raise for a name, or None; for `validate_inputs`."""
    try:
        weight_path(folder, name)
    except CheckpointError as e:
        return str(e)
    return None


def sample(name: str) -> Path:
    """Path of a bundled sample file.

    Raises:
        MediaError: the pack was installed without its assets folder.
    """
    path = ASSETS / name
    if not path.is_file():
        raise MediaError(f"sample {name}: missing from {ASSETS}. Install the pack again.")
    return path


def next_output(prefix: str, extension: str) -> Path:
    """Next free name in the output folder, numbered like ComfyUI's own results.

    Raises:
        MediaError: the name is not one that every system accepts, or is outside the folder.
    """
    if problem := _problem_with_output(prefix):
        raise MediaError(
            f"filename_prefix {_shortened(prefix)!r}: {problem}. Use a name in ComfyUI's output "
            "folder such as poses/dance."
        )
    try:
        folder, name, counter, _, _ = folder_paths.get_save_image_path(
            prefix, folder_paths.get_output_directory()
        )
    except (OSError, ValueError) as e:
        raise MediaError(
            f"filename_prefix {_shortened(prefix)!r}: cannot be written "
            f"({getattr(e, 'strerror', None) or e}). Use a name in ComfyUI's output folder such as "
            "poses/dance."
        ) from e
    return Path(folder) / f"{name}_{counter:05}_{extension}"


def output_name(path: Path) -> str:
    """Name of a file in the output folder, as accepted by `pose_path`."""
    return path.relative_to(folder_paths.get_output_directory()).as_posix() + OUTPUT


def _problem_with_output(prefix: str) -> str | None:
    """What is wrong with the start of a name in the output folder, or None."""
    parts = [part for part in re.split(r"[/\\]", prefix) if part not in ("", ".")]
    if not parts:
        return "is empty"
    if os.path.isabs(prefix) or ".." in parts or re.match(r"[A-Za-z]:", prefix):
        return "leads outside ComfyUI's output folder"
    if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in prefix):
        return "has control characters"
    if any(part.startswith(".") for part in parts):
        return "has a hidden name, which Load Poses does not list"
    if device := next((p for p in parts if p.partition(".")[0].strip().upper() in _DEVICES), None):
        return f"{device} is a device in Windows"
    longest = max(len(part.encode()) for part in parts)
    if longest > _LONGEST_NAME:
        return f"a name of {longest} bytes, at most {_LONGEST_NAME} are possible"
    return None


def _shortened(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:79]}…"


def _role_not_found(role: FileRole) -> str:
    names = " or ".join(role.names)
    return _not_found(role.folder, names, role.source, listed=role.node_input is not None)


def _not_found(folder: str, name: str, where: str, listed: bool = True) -> str:
    refresh = " and press R to refresh the list" if listed else ""
    return f"{name}: not found in models/{folder}. {where} Put it there{refresh}."


def _other_files(role: FileRole) -> list[str]:
    """Files of a role's kind in its folder under names that are nobody else's published ones."""
    taken = {model.name for model in published(role.folder)}
    endings = tuple({Path(name).suffix for name in role.names})
    return [
        name
        for name in folder_paths.get_filename_list(role.folder)
        if name.endswith(endings) and os.path.basename(name) not in taken
    ]


def _json_below(folder: Path) -> list[str]:
    files = [path.relative_to(folder) for path in folder.glob("**/*.json")]
    files = [file for file in files if not any(part.startswith(".") for part in file.parts)]
    frames = Counter(file.parent for file in files if file.stem.endswith(_FRAME))
    per_frame = {parent for parent, count in frames.items() if count > 1 and parent != Path()}
    return sorted(
        {
            f"{file.parent.as_posix()}/" if file.parent in per_frame else file.as_posix()
            for file in files
        }
    )
