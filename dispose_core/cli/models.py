"""`models`: list the known model files and their status, and download them on request."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoints.catalog import MODELS, ModelFile, present, published
from ..errors import MediaError
from ..pose.detectors.registry import DETECTORS
from .console import Summary
from .options import add_command, add_config, default_models

if TYPE_CHECKING:
    from .options import Subparsers


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "models",
        "list the model files the pack can use, or download some",
        run,
        "models",
        "models --models ComfyUI/models --download DisPose.pth mediapipe",
    )
    add_config(parser, "models", defaults={"models": None})
    parser.add_argument(
        "--download",
        nargs="+",
        default=[],
        choices=[*detector_files(), *(model.name for model in MODELS)],
        metavar="NAME",
        help="download these files into their folders; the name of a detector "
        f"({', '.join(detector_files())}) stands for its files. Nothing is downloaded without this "
        "option",
    )


def detector_files() -> dict[str, list[ModelFile]]:
    """The recommended published files of each detector that has some."""
    files = {
        name: [published(role=role.catalog_role)[0] for role in spec.files if role.catalog_role]
        for name, spec in DETECTORS.items()
    }
    return {name: models for name, models in files.items() if models}


def run(options: Namespace) -> Summary:
    """Download the files of `--download`; the summary lists all files."""
    folder = options.models or default_models()
    files = detector_files() | {model.name: [model] for model in MODELS}
    wanted = {model.name: model for name in options.download for model in files[name]}
    fetched = [fetch(model, folder) for model in wanted.values()]
    rows = [
        {
            **asdict(model),
            "present": None if folder is None else [str(p) for p in present(model, folder)],
        }
        for model in MODELS
    ]
    report = [f"{path.name}: in {path.parent}" for path in fetched]
    return {
        "command": options.command,
        "folder": folder and str(folder),
        "models": rows,
        "downloaded": [str(path) for path in fetched],
        "report": report or table(folder),
    }


def fetch(model: ModelFile, folder: Path | None) -> Path:
    """Download a file into its folder below the models folder.

    Raises:
        MediaError: there is no models folder, or see `download`.
    """
    if folder is None:
        raise MediaError(
            f"{model.name}: the pack is not installed in ComfyUI. Name its models folder "
            "with --models."
        )
    from tqdm import tqdm

    from ..checkpoints.download import download

    with tqdm(desc=model.name, unit="B", unit_scale=True, dynamic_ncols=True) as bar:

        def on_bytes(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return download(model, folder / model.folder, on_bytes)


def table(folder: Path | None) -> list[str]:
    """All published files as lines of text; present or missing where `folder` is given."""
    where = f"in {folder}" if folder else "no models folder; name one with --models"
    lines = [f"model files ({where}):"]
    for model in MODELS:
        state = "?"
        if folder:
            state = "present" if present(model, folder) else "missing"
        gate = ", gated: accept it there first" if model.gated else ""
        lines += [
            "",
            f"{model.name}  [{state}]",
            f"  {model.use}",
            f"  models/{model.folder}, {gigabytes(model)}",
            f"  licence: {model.licence or 'none stated'}{gate}",
            f"  {model.page}",
        ]
    return lines


def gigabytes(model: ModelFile) -> str:
    """Format the size in decimal GB or MB."""
    unit, name = (1e9, "GB") if model.size >= 1e9 else (1e6, "MB")
    return f"{model.size / unit:.2f} {name}"
