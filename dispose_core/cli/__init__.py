"""The command line; each module of this package defines one command.

Progress is written to stderr and results to stdout, so that `--json` can be piped. Heavy packages
are imported only when a command runs, so that help and invalid arguments respond quickly.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.util import find_spec

from ..errors import DisPoseError, MissingPackage, SettingsError
from . import animate, convert, demo, features, inspect, models, motion, pose, preview
from .options import EXIT_CODES

COMMANDS = (pose, motion, preview, demo, animate, features, inspect, convert, models)
# argparse uses 2; a command that completes only some of its jobs sets its own in the summary.
OK, WRONG, UNUSABLE, MISSING_PACKAGE, CANCELLED = 0, 2, 3, 4, 130


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Reports contain characters that a redirected Windows console cannot encode.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = build_parser().parse_args(arguments)
    try:
        if not has_opencv():
            raise MissingPackage(
                "OpenCV is missing. Install one of its packages, for example: "
                "pip install opencv-python-headless"
            )
        summary = options.run(options)
    except KeyboardInterrupt:
        print("\ncancelled; no incomplete file is left", file=sys.stderr)
        return CANCELLED
    except DisPoseError as e:
        if options.json:
            print(json.dumps({"error": str(e), "kind": type(e).__name__}))
        print(f"{options.command}: {e}", file=sys.stderr)
        return exit_code(e)
    try:
        if options.json:
            print(json.dumps(summary, ensure_ascii=False))
        else:
            print("\n".join(summary["report"]))
    except BrokenPipeError:  # the reader, such as `head`, closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(summary.get("exit_code", OK))


def has_opencv() -> bool:
    """Whether OpenCV is installed; an uninstalled one may leave a folder without a module."""
    spec = find_spec("cv2")
    return spec is not None and spec.origin is not None


def exit_code(error: DisPoseError) -> int:
    """Exit code of an error: wrong settings, a missing package, or anything else."""
    if isinstance(error, SettingsError):
        return WRONG
    return MISSING_PACKAGE if isinstance(error, MissingPackage) else UNUSABLE


def build_parser() -> argparse.ArgumentParser:
    """The command line with all commands; nothing heavy is imported."""
    parser = argparse.ArgumentParser(
        prog="python -m dispose_core",
        description="Animate the person in an image with the motion of a video.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
