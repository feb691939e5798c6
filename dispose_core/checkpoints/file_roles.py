"""Files that a detector or densifier needs, each under the name of the argument that takes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError
from .catalog import places, published, source


@dataclass(frozen=True)
class FileRole:
    """One file that a backend takes.

    Attributes:
        argument: of the backend's loader.
        names: published names, any of which will do; the first is the one to recommend.
        folder: of ComfyUI's models folder.
        source: where to get it, a sentence.
        catalog_role: of `catalog.ModelFile`, where the catalog lists it.
        node_input: of the graph's loader, which may name another file; None if there is none.
        summary: what the file is, for the tooltip of that input.
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
    """The role of files that the catalog lists."""
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
    """The files of all roles under their published names.

    Args:
        folder: where to look; else below the models folder.
        models: ComfyUI's models folder.
        what: who needs them, such as "detector dwpose".
        option: of the command line that names the folder.

    Returns:
        Paths by argument.

    Raises:
        CheckpointError: all that are missing, where they belong and where to get them.
    """
    roles = tuple(roles)
    found: dict[str, Path] = {}
    missing: list[str] = []
    for role in roles:
        if folder is not None:
            looked = [folder]
        else:
            looked = places(role.folder, models) if models is not None else []
        paths = (place / name for place in looked for name in role.names)
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            missing.append(f"{' or '.join(role.names)} (models/{role.folder}). {role.source}")
        else:
            found[role.argument] = path
    if missing:
        where = folder or models
        place = f"not in {where}" if where else "no folder is named"
        raise CheckpointError(
            "\n".join(
                [
                    f"{what} needs {len(missing)} file{'s' * (len(missing) > 1)}, {place}. Name "
                    f"their folder with {option}, or ComfyUI's models folder with --models:",
                    *missing,
                ]
            )
        )
    return found
