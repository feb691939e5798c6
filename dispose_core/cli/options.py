"""Options of the commands, generated from `RunConfig`, and options shared by all commands."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from ..motion.densifiers.registry import DENSIFIERS
from ..pipeline.config import RunConfig, load_config, with_values
from ..pose.detectors.registry import DETECTORS
from ..registry import Registry

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from .console import Summary

    Subparsers = _SubParsersAction[argparse.ArgumentParser]

EXIT_CODES = """exit codes:
  0    done
  2    wrong arguments, or wrong settings in a file
  3    an image, video or pose file cannot be used, or the result cannot be written
  4    an optional package is not installed
  5    some jobs of a batch failed; the summary says which
  130  cancelled with Ctrl-C; no incomplete file is left"""

DETECTION = ("detector", "detector_files", "threshold")
VIDEO = ("stride", "start", "duration", "max_frames")
MOTION = (
    *("method", "smoothing", "densifier", "densifier_files", "cmp", "mask"),
    *(*DETECTION, "person", *VIDEO),
)
_CHOICES: dict[str, Registry[Any]] = {"detector": DETECTORS, "densifier": DENSIFIERS}


def add_command(
    commands: Subparsers,
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], Summary],
    *examples: str,
) -> argparse.ArgumentParser:
    """Add a subparser with examples, exit codes and `--json`.

    Args:
        run: runs the command and returns the summary for `--json`.
    """
    lines = "\n".join(f"  python -m dispose_core {example}" for example in examples)
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{lines}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    parser.set_defaults(run=run)
    return parser


def add_output(parser: argparse.ArgumentParser, example: str) -> None:
    """Add the option for the output file."""
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help=f"file to write, such as {example}"
    )


def add_config(
    parser: argparse._ActionsContainer,
    *names: str,
    required: tuple[str, ...] = (),
    defaults: dict[str, Any] | None = None,
) -> None:
    """Add options for fields of `RunConfig`; options that are not given are absent after parsing.

    Args:
        names: of the fields.
        required: names of required options.
        defaults: defaults that differ from those of `RunConfig`; these are present after parsing.
    """
    defaults = defaults or {}
    for name in names:
        field = RunConfig.model_fields[name]
        default = defaults.get(name, field.get_default(call_default_factory=True))
        text = (field.description or "").replace("%", "%%")
        if default is not None and not isinstance(default, bool):
            text += f"; default: {default}"
        flags = ["-o", "--output"] if name == "output" else [f"--{name.replace('_', '-')}"]
        options: dict[str, Any] = {"help": text, "default": defaults.get(name, argparse.SUPPRESS)}
        if isinstance(default, bool):
            parser.add_argument(*flags, action=argparse.BooleanOptionalAction, **options)
            continue
        if name in required:
            options["required"] = True
        annotation = _without_none(field.annotation)
        if name in _CHOICES:
            registry = _CHOICES[name]
            options["choices"] = list(registry)
            options["help"] = f"{registry.summaries()} {text}"
        elif get_origin(annotation) is Literal:
            options["choices"] = list(get_args(annotation))
        else:
            metadata = tuple(field.metadata)
            parts = (annotation, *metadata)
            whole: Any = Annotated[parts] if metadata else annotation
            options["type"] = _parser_of(whole)
            options["metavar"] = _metavar(annotation)
        parser.add_argument(*flags, **options)


def add_models(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add options for the models folder, device, dtype and offloading."""
    add_config(parser.add_argument_group("model files"), "models", *names)
    add_config(parser.add_argument_group("running"), "device", "dtype", "offload")


def config_of(options: argparse.Namespace) -> RunConfig:
    """Configuration from the command line, which overrides `--config`, which overrides defaults."""
    file = getattr(options, "config", None)
    config = RunConfig() if file is None else load_config(file)
    given = {key: value for key, value in vars(options).items() if key in RunConfig.model_fields}
    config = with_values(config, given, "command line")
    if config.models is None and (folder := default_models()) is not None:
        config = with_values(config, {"models": folder}, "default")
    return config


def default_models() -> Path | None:
    """The models folder of the ComfyUI in which the pack is installed.

    In a checkout outside ComfyUI it is `.models`, if `dev.py` has made it; else None.
    """
    pack = Path(__file__).resolve().parents[2]
    inside = pack.parent.name == "custom_nodes"
    folder = pack.parents[1] / "models" if inside else pack / ".models"
    return folder if folder.is_dir() else None


def size(text: str) -> tuple[int, int]:
    """Parse "WxH" to (H, W)."""
    match = re.fullmatch(r"(\d+)[x×](\d+)", text)
    if not match or not all(16 <= int(side) <= 8192 for side in match.groups()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size such as 576x1024 with sides of 16 to 8192"
        )
    return int(match[2]), int(match[1])


def _parser_of(annotation: Any) -> Callable[[str], Any]:
    """Parser of an option's text that follows the pydantic field."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def parse(text: str) -> Any:
        try:
            return adapter.validate_python(text)
        except ValidationError as e:
            message = e.errors()[0]["msg"].removeprefix("Value error, ")
            raise argparse.ArgumentTypeError(f"{text!r}: {message}") from None

    return parse


def _without_none(annotation: Any) -> Any:
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    if len(choices) == 1 and type(None) in get_args(annotation):
        return choices[0]
    return annotation


def _metavar(annotation: Any) -> str:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return {int: "N", float: "X", Path: "PATH"}.get(annotation, "TEXT")
