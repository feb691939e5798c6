"""The command line: one module a command, with its options, help and work together.

Progress goes to stderr, results to stdout, so that `--json` can be piped. Heavy packages are
imported inside the work, so that help and wrong arguments are answered at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from ..errors import DisPoseError, MissingPackage, SettingsError
from . import animate, convert, demo, features, inspect, models, motion, pose, preview
from .options import EXIT_CODES

COMMANDS = (pose, motion, preview, demo, animate, features, inspect, convert, models)
# 2 is argparse's; a command that has done only some of its jobs gives its own in the summary.
OK, WRONG, UNUSABLE, MISSING_PACKAGE, CANCELLED = 0, 2, 3, 4, 130


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Reports contain signs that a redirected Windows console cannot write.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = build_parser().parse_args(arguments)
    try:
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
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(summary.get("exit_code", OK))


def exit_code(error: DisPoseError) -> int:
    """Of a command that ends with this error."""
    if isinstance(error, SettingsError):
        return WRONG
    return MISSING_PACKAGE if isinstance(error, MissingPackage) else UNUSABLE


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m dispose_core",
        description="Animate the person in an image with the motion of a video.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
