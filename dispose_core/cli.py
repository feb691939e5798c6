"""The command line: what each command takes, how it reports, and its exit codes.

Progress goes to stderr, results to stdout, so that `--json` can be piped. The work itself is in
`commands.py`, which is imported once the arguments are known to be right.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path

from .errors import DisPoseError, MissingPackage

OK, UNUSABLE, MISSING_PACKAGE, CANCELLED = 0, 3, 4, 130  # 2 is argparse's

EXIT_CODES = """exit codes:
  0    done
  2    the arguments are wrong
  3    a picture, video or pose file cannot be used, or the result cannot be written
  4    an optional package is not installed
  130  cancelled with Ctrl-C; no half-written file is left"""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Reports contain signs that a redirected Windows console cannot write.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = build_parser().parse_args(arguments)
    from . import commands

    try:
        summary = getattr(commands, options.command)(options)
    except KeyboardInterrupt:
        print("\ncancelled; nothing half-written is left", file=sys.stderr)
        return CANCELLED
    except DisPoseError as e:
        if options.json:
            print(json.dumps({"error": str(e), "kind": type(e).__name__}))
        print(f"{options.command}: {e}", file=sys.stderr)
        return MISSING_PACKAGE if isinstance(e, MissingPackage) else UNUSABLE
    try:
        if options.json:
            print(json.dumps(summary, ensure_ascii=False))
        else:
            print("\n".join(summary["report"]))
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m dispose_core",
        description="Animate the person in a picture with the motion of a video.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _pose(commands)
    _motion(commands)
    _preview(commands)
    _demo(commands)
    return parser


def _pose(commands) -> None:
    parser = _command(
        commands,
        "pose",
        "find the person in a picture or video and save the poses as OpenPose JSON",
        "pose dance.mp4 -o poses.json",
        "pose portrait.jpg -o reference.json",
        "pose dance.mp4 -o poses.json --stride 2 --start 3 --duration 4",
    )
    parser.add_argument("input", type=Path, help="a picture, a video or a folder of pictures")
    _output(parser, "poses.json")
    _detector(parser)
    _sampling(parser, stride=1)


def _motion(commands) -> None:
    parser = _command(
        commands,
        "motion",
        "compute the dense motion of a reference picture driven by a video or by poses",
        "motion --reference portrait.jpg --driving dance.mp4 -o field.npz",
        "motion --reference portrait.jpg --poses poses.json --reference-pose reference.json "
        "--method none --size 288x512 -o field.npz",
    )
    parser.add_argument("--reference", type=Path, required=True, help="picture to animate")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--driving", type=Path, help="video, animation or folder of pictures")
    source.add_argument(
        "--poses", type=Path, help="driving poses as OpenPose JSON; all are used, without stride"
    )
    parser.add_argument(
        "--reference-pose",
        type=Path,
        help="pose of the reference as OpenPose JSON; found in the picture when not given",
    )
    _output(parser, "field.npz")
    _motion_options(parser)
    parser.add_argument(
        "--size",
        type=_size,
        metavar="WxH",
        help="size of the flow, such as 576x1024; by default the picture's, its short side 576",
    )


def _preview(commands) -> None:
    parser = _command(
        commands,
        "preview",
        "show the reference person moving by a motion field",
        "preview --reference portrait.jpg --field field.npz -o preview.mp4",
    )
    parser.add_argument("--reference", type=Path, required=True, help="picture of the field")
    parser.add_argument("--field", type=Path, required=True, help=".npz that 'motion' wrote")
    _output(parser, "out.mp4")
    parser.add_argument(
        "--mask", type=Path, help="picture that is white on the person; found when not given"
    )
    parser.add_argument("--fps", type=_positive, default=24.0, help="default: %(default)s")


def _demo(commands) -> None:
    parser = _command(
        commands,
        "demo",
        "the whole job on the sample media or on yours: poses, motion, preview, contact sheet",
        "demo",
        "demo --reference portrait.jpg --driving dance.mp4 --output output/mine",
    )
    parser.add_argument("--reference", type=Path, help="default: the sample that is shipped")
    parser.add_argument("--driving", type=Path, help="default: the sample that is shipped")
    parser.add_argument("--output", type=Path, default=Path("output/demo"), help="folder")
    _motion_options(parser, stride=1)
    parser.add_argument("--size", type=_size, metavar="WxH", help=argparse.SUPPRESS)


def _command(commands, name: str, summary: str, *examples: str) -> argparse.ArgumentParser:
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


def _output(parser: argparse.ArgumentParser, example: str) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help=f"file to write, such as {example}"
    )


def _detector(parser: argparse.ArgumentParser) -> None:
    from .pose.detect import DETECTORS

    parser.add_argument(
        "--detector", choices=list(DETECTORS), default="mediapipe", help="default: %(default)s"
    )


def _sampling(parser: argparse.ArgumentParser, stride: int) -> None:
    parser.add_argument(
        "--stride",
        type=_count,
        default=stride,
        metavar="N",
        help="use every Nth frame, at 48 fps and more proportionally fewer; default: %(default)s",
    )
    parser.add_argument("--start", type=_seconds, default=0.0, metavar="S", help="seconds to skip")
    parser.add_argument("--duration", type=_positive, metavar="S", help="seconds to use")
    parser.add_argument("--max-frames", type=_count, metavar="N", help="use at most N frames")


def _motion_options(parser: argparse.ArgumentParser, stride: int = 2) -> None:
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
    _detector(parser)
    _sampling(parser, stride)


def _size(text: str) -> tuple[int, int]:
    """ "WxH" -> (H, W)."""
    match = re.fullmatch(r"(\d+)[x×](\d+)", text)
    if not match or not all(16 <= int(side) <= 8192 for side in match.groups()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size such as 576x1024 with sides of 16 to 8192"
        )
    return int(match[2]), int(match[1])


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
