"""Locate the model files of detectors and densifiers by the loader argument they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError
from .catalog import places, published, source


@dataclass(frozen=True)
class FileRole:
    """A file that a backend needs.

    Attributes:
        argument: argument of the backend's loader.
        names: accepted published names; the first is the recommended one.
        folder: subfolder of ComfyUI's models folder.
        source: a sentence that names the page to download it from.
        catalog_role: role of the `ModelFile`s in the catalog, or None if they are not listed.
        node_input: input of the loader node that overrides the file, or None.
        summary: short description for the tooltip of that input.
    """

    argument: str
    names: tuple[str, ...]
    folder: str
    source: str
    catalog_role: str | None = None
    node_input: str | None = None
    summary: str = ""


def role_of(
    argument: str, catalog_role: str, node_input: str | None = None, summary: str = ""
) -> FileRole:
    """Build the `FileRole` of files in the catalog."""
    files = published(role=catalog_role)
    return FileRole(
        argument,
        tuple(file.name for file in files),
        files[0].folder,
        source(files[0]),
        catalog_role,
        node_input,
        summary,
    )


def locate_files(
    roles: Iterable[FileRole], folder: Path | None, models: Path | None, what: str, option: str
) -> dict[str, Path]:
    """Find the file of each role by its published names.

    Args:
        folder: folder to search; None searches the roles' folders below `models`.
        models: ComfyUI's models folder.
        what: name of the backend for the message, such as "detector dwpose".
        option: command-line option that sets `folder`.

    Returns:
        Paths by argument.

    Raises:
        CheckpointError: files are missing; the message lists them, their folders and sources.
    """
    roles = tuple(roles)
    files: dict[str, Path] = {}
    missing: list[str] = []
    for role in roles:
        if folder is not None:
            folders = [folder]
        else:
            folders = places(role.folder, models) if models is not None else []
        paths = (place / name for place in folders for name in role.names)
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            missing.append(f"{' or '.join(role.names)} (models/{role.folder}). {role.source}")
        else:
            files[role.argument] = path
    if missing:
        where = folder or models
        place = f"not in {where}" if where else "but no folder is given"
        raise CheckpointError(
            "\n".join(
                [
                    f"{what} needs {len(missing)} file{'s' * (len(missing) > 1)}, {place}. Give "
                    f"their folder with {option}, or ComfyUI's models folder with --models:",
                    *missing,
                ]
            )
        )
    return files
