"""Files a user picks in a node: pose JSON in ComfyUI's folders and the samples we ship."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ...dispose_core.errors import MediaError, PoseError

ASSETS = Path(__file__).parents[2] / "assets"
SAMPLE = " [sample]"
OUTPUT = " [output]"


def pose_files() -> list[str]:
    """Names for a combo: the input folder's JSON files, then the output folder's, then ours."""
    return [
        *_json_below(Path(folder_paths.get_input_directory())),
        *(name + OUTPUT for name in _json_below(Path(folder_paths.get_output_directory()))),
        *(name + SAMPLE for name in _json_below(ASSETS / "poses")),
    ]


def pose_path(name: str) -> Path:
    """The file behind a name from `pose_files`.

    Raises:
        PoseError: there is no such file, or the name leads out of its folder.
    """
    if name.endswith(SAMPLE):
        folder, name = ASSETS / "poses", name.removesuffix(SAMPLE)
    else:
        name, base = folder_paths.annotated_filepath(name)
        folder = Path(base or folder_paths.get_input_directory())
    path = (folder / name.strip()).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise PoseError(
            f"pose file {name!r} is not in {folder}. "
            "Put the JSON into ComfyUI's input folder and press R to refresh the list."
        )
    return path


def problem_with(name: str) -> str | None:
    """Why `pose_path` would refuse a name, None when it would not."""
    try:
        pose_path(name)
    except PoseError as e:
        return str(e)
    return None


def sample(name: str) -> Path:
    """A file of the sample media that the pack ships.

    Raises:
        MediaError: the pack was installed without its assets folder.
    """
    path = ASSETS / name
    if not path.is_file():
        raise MediaError(f"sample {name}: missing from {ASSETS}. Install the pack again.")
    return path


def next_output(prefix: str, extension: str) -> Path:
    """A free name in the output folder, numbered as ComfyUI numbers its own results."""
    folder, name, counter, _, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory()
    )
    return Path(folder) / f"{name}_{counter:05}_{extension}"


def output_name(path: Path) -> str:
    """A file of the output folder by the name that `pose_path` takes."""
    return path.relative_to(folder_paths.get_output_directory()).as_posix() + OUTPUT


def _json_below(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.glob("**/*.json"))
    return sorted(name for name in found if not name.startswith("."))
