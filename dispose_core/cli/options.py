"""Options that several commands share, and the values they take."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import values

EXIT_CODES = """exit codes:
  0    done
  2    the arguments are wrong, or the settings in a file
  3    a picture, video or pose file cannot be used, or the result cannot be written
  4    an optional package is not installed
  5    some jobs of a batch failed; the summary says which
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
    from ..pose.detectors.registry import DETECTORS

    parser.add_argument(
        "--detector", choices=list(DETECTORS), default="mediapipe", help="default: %(default)s"
    )
    parser.add_argument(
        "--detector-files",
        type=Path,
        metavar="DIR",
        help="folder with the files of dwpose (yolox_l.onnx and dw-ll_ucoco_384.onnx, or their "
        "TorchScript) or openpose (body_pose_model.pth, hand_pose_model.pth, facenet.pth), as "
        "they are called where they are published; mediapipe needs none",
    )


def add_person(parser: argparse.ArgumentParser) -> None:
    """Which of several people in the video."""
    parser.add_argument(
        "--person",
        type=values.person,
        default="largest",
        metavar="WHO",
        help="of several people: largest; X,Y: nearest to this point (0,0 is the top left corner, "
        "1,1 the bottom right); track:N: the one the first frame lists as number N, from 0; each "
        "is followed, X,Y@FRAME and track:N@FRAME from another of the sampled frames; index:N: "
        "number N of every frame, not followed; default: %(default)s",
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
        "--start", type=values.not_negative, default=0.0, metavar="S", help="seconds to skip"
    )
    parser.add_argument("--duration", type=values.positive, metavar="S", help="seconds to use")
    parser.add_argument("--max-frames", type=values.count, metavar="N", help="use at most N frames")


def add_motion_options(parser: argparse.ArgumentParser, stride: int = 2) -> None:
    """How poses become motion."""
    parser.add_argument(
        "--method",
        choices=["fit", "limbs", "none"],
        default="fit",
        help="fit: scale and move the driver onto the reference; limbs: keep the proportions of "
        "the reference, for another build or age; none: take the poses as they are; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--smoothing",
        type=values.not_negative,
        default=0.0,
        metavar="FRAMES",
        help="average points at rest over about so many frames, moving ones less; 2 halves the "
        "tremble; default: 0, off",
    )
    parser.add_argument(
        "--densifier",
        choices=["skinning", "cmp"],
        help="what spreads the motion: skinning needs no weights; cmp is the paper's network; "
        "default: cmp where --cmp is given, else skinning",
    )
    parser.add_argument(
        "--cmp", type=Path, metavar="FILE", help="CMP's weights, ckpt_iter_42000.pth.tar"
    )
    parser.add_argument(
        "--mask",
        type=Path,
        help="picture that is white on the person of the reference; found when not given, but "
        "then cmp sees the background too",
    )
    add_detector(parser)
    add_person(parser)
    add_sampling(parser, stride)
