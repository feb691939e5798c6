"""Options that several commands share, and the values they take."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import values

EXIT_CODES = """exit codes:
  0    done
  2    the arguments are wrong
  3    a picture, video or pose file cannot be used, or the result cannot be written
  4    an optional package is not installed
  130  cancelled with Ctrl-C; no half-written file is left"""


def add_command(commands, name: str, summary: str, *examples: str) -> argparse.ArgumentParser:
    """A subparser with examples, exit codes and `--json`; the command is `commands/<name>.py`."""
    lines = "\n".join(f"  python -m dispose_core {example}" for example in examples)
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{lines}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    return parser


def add_output(parser: argparse.ArgumentParser, example: str) -> None:
    """The file to write."""
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help=f"file to write, such as {example}"
    )


def add_detector(parser: argparse.ArgumentParser) -> None:
    """What finds people."""
    from ..pose.detect import DETECTORS

    parser.add_argument(
        "--detector", choices=list(DETECTORS), default="mediapipe", help="default: %(default)s"
    )


def add_sampling(parser: argparse.ArgumentParser, stride: int) -> None:
    """Which frames of a video are used."""
    parser.add_argument(
        "--stride",
        type=values.count,
        default=stride,
        metavar="N",
        help="use every Nth frame, at 48 fps and more proportionally fewer; default: %(default)s",
    )
    parser.add_argument(
        "--start", type=values.seconds, default=0.0, metavar="S", help="seconds to skip"
    )
    parser.add_argument("--duration", type=values.positive, metavar="S", help="seconds to use")
    parser.add_argument("--max-frames", type=values.count, metavar="N", help="use at most N frames")


def add_motion_options(parser: argparse.ArgumentParser, stride: int = 2) -> None:
    """How poses become motion."""
    parser.add_argument(
        "--method",
        choices=["fit", "none"],
        default="fit",
        help="fit: scale and move the driver onto the reference; none: take the poses as they "
        "are; default: %(default)s",
    )
    parser.add_argument(
        "--densifier", choices=["skinning"], default="skinning", help="default: %(default)s"
    )
    add_detector(parser)
    add_sampling(parser, stride)
