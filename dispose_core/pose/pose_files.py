"""Read poses from a file of any known format, or from a folder with one file per frame."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PoseError
from ..progress import Progress, no_progress
from .formats.registry import to_openpose
from .json_stream import parse_json, read_text
from .openpose_json import read_openpose
from .sequence import PoseSequence


@dataclass(frozen=True)
class CanvasSize:
    """Size in pixels of the image in which poses were found."""

    height: int
    width: int

    @classmethod
    def parse(cls, text: str) -> CanvasSize:
        """Parse "576x1024", width first.

        Raises:
            PoseError: `text` is no such size.
        """
        match = re.fullmatch(r"([1-9]\d{0,4})[x×]([1-9]\d{0,4})", text)
        if match is None:
            raise PoseError(f"{text!r} is not a size in pixels such as 576x1024, width first")
        return cls(int(match[2]), int(match[1]))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def load_poses(
    path: str | Path, canvas: CanvasSize | None = None, on_frame: Progress = no_progress
) -> tuple[list[PoseSequence], list[str]]:
    """Read poses from a JSON file, or from a folder of them in the order of their numbers.

    Args:
        canvas: for files that do not say it.
        on_frame: called now and then, also to interrupt.

    Returns:
        One sequence per person (see `read_openpose`), and a report that names the format.

    Raises:
        PoseError: a file is missing, is not JSON, or holds no known poses.
    """
    path = Path(path)
    name = f"pose file {path.name}"
    if path.is_dir():
        files = frame_files(path)
        if not files:
            raise PoseError(f"{path}: no JSON file in this folder. Choose one with a file a frame.")
        frames, formats = [], set()
        for i, file in enumerate(files):
            found, kind = to_openpose(_read_json(file, on_frame), f"pose file {file.name}")
            if len(found) != 1:
                raise PoseError(
                    f"pose file {file.name}: {len(found)} frames, but a folder is read with one "
                    "frame a file. Load this file alone."
                )
            frames += found
            formats.add(kind)
            on_frame(i + 1, len(files))
        name, kind = (
            f"pose folder {path.name}",
            f"one file a frame, {' and '.join(sorted(formats))}",
        )
    else:
        frames, kind = to_openpose(_read_json(path, on_frame), name)
    size = None if canvas is None else (canvas.height, canvas.width)
    people = read_openpose(frames, name, size, on_frame)
    return people, [f"{path.name}: {kind}, {len(frames)} frame{'s' * (len(frames) > 1)}"]


def frame_files(folder: Path) -> list[Path]:
    """JSON files of a folder in the order of the numbers in their names."""
    return sorted(visible(folder.glob("*.json")), key=_numbers_in)


def visible(files: Iterable[Path]) -> list[Path]:
    """Files that are not hidden, as half-written ones are."""
    return [file for file in files if not file.name.startswith(".")]


def _numbers_in(path: Path) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _read_json(path: Path, on_item: Progress) -> Any:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = read_text(file, path.stat().st_size, on_item)
        return parse_json(text, on_item)
    except OSError as e:
        raise PoseError(f"pose file {path}: cannot be read ({e.strerror}). Check the path.") from e
    except (ValueError, RecursionError) as e:
        raise PoseError(f"pose file {path}: not valid JSON ({e}). {_meant(path)}") from e


def _meant(path: Path) -> str:
    """What to do with a file that is not JSON."""
    if path.suffix.lower() in (".mp4", ".webm", ".mov", ".mkv", ".avi", ".gif", ".png", ".jpg"):
        return (
            "A video or an image of skeletons cannot be read as poses: load the original in place "
            "of it and let the poses be detected, or save them as JSON (Save Poses, or the command "
            "`pose`)."
        )
    return "Save the poses again."
