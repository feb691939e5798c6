"""The command line: what each command takes, how it reports, and its exit codes.

Progress goes to stderr, results to stdout, so that `--json` can be piped. The work itself is in
`commands/`, one module a command, imported once the arguments are known to be right.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys

from ..errors import DisPoseError, MissingPackage, SettingsError
from .animate import add_animate, add_features
from .checkpoints import add_convert, add_inspect, add_models
from .motion import add_demo, add_motion, add_pose, add_preview
from .options import EXIT_CODES

# 2 is argparse's; a command that has done only some of its jobs gives its own in the summary.
OK, WRONG, UNUSABLE, MISSING_PACKAGE, CANCELLED = 0, 2, 3, 4, 130


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Reports contain signs that a redirected Windows console cannot write.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = build_parser().parse_args(arguments)
    command = importlib.import_module(f"..commands.{options.command}", __package__)
    try:
        summary = command.run(options)
    except KeyboardInterrupt:
        print("\ncancelled; nothing half-written is left", file=sys.stderr)
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
    return summary.get("exit_code", OK)


def exit_code(error: DisPoseError) -> int:
    """Of a command that ends with this error."""
    if isinstance(error, SettingsError):
        return WRONG
    return MISSING_PACKAGE if isinstance(error, MissingPackage) else UNUSABLE


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m dispose_core",
        description="Animate the person in a picture with the motion of a video.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        *(add_pose, add_motion, add_preview, add_demo, add_animate, add_features),
        *(add_inspect, add_convert, add_models),
    ):
        add(commands)
    return parser
