"""Every model file the pack can use: what for, where it belongs, where it comes from.

The table is `catalog.json`. Sizes and hashes are those that the publishers' pages state. What could
not be looked up is null and shown as unknown, never guessed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

HUB = "https://huggingface.co"


@dataclass(frozen=True)
class ModelFile:
    """One published file.

    Attributes:
        name: under which it is kept; the pack takes it under any other name too.
        folder: of ComfyUI's models folder.
        role: what the pack does with it; files of one role replace one another.
        use: the same in words.
        architectures: names of those that its content may be recognized as.
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
    architectures: tuple[str, ...]
    page: str
    url: str
    licence: str | None
    size: int
    rounded: bool = False
    sha256: str | None = None
    gated: bool = False


def _read_catalog() -> tuple[ModelFile, ...]:
    rows = json.loads((Path(__file__).parent / "catalog.json").read_text(encoding="utf-8"))
    return tuple(ModelFile(**{**row, "architectures": tuple(row["architectures"])}) for row in rows)


# The first file of a role is the one to recommend.
MODELS = _read_catalog()

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
