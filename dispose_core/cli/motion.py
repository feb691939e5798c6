"""The commands that go from pictures to a preview: pose, motion, preview, demo."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import values
from .options import (
    add_command,
    add_detector,
    add_motion_options,
    add_output,
    add_person,
    add_sampling,
)


def add_pose(commands) -> None:
    """Adds `pose`."""
    parser = add_command(
        commands,
        "pose",
        "find the person in a picture or video and save the poses as OpenPose JSON",
        "pose dance.mp4 -o poses.json",
        "pose portrait.jpg -o reference.json",
        "pose dance.mp4 -o poses.json --stride 2 --start 3 --duration 4",
        "pose couple.mp4 -o poses.json --person 0.3,0.5",
    )
    parser.add_argument("input", type=Path, help="a picture, a video or a folder of pictures")
    add_output(parser, "poses.json")
    add_detector(parser)
    add_person(parser)
    add_sampling(parser, stride=1)


def add_motion(commands) -> None:
    """Adds `motion`."""
    parser = add_command(
        commands,
        "motion",
        "compute the dense motion of a reference picture driven by a video or by poses",
        "motion --reference portrait.jpg --driving dance.mp4 -o field.safetensors",
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
    add_output(parser, "field.safetensors; field.npz writes the flow at full size")
    add_motion_options(parser)
    parser.add_argument(
        "--size",
        type=values.size,
        metavar="WxH",
        help="size of the flow, such as 576x1024; by default the picture's, its short side 576",
    )


def add_preview(commands) -> None:
    """Adds `preview`."""
    parser = add_command(
        commands,
        "preview",
        "show the reference person moving by a motion field",
        "preview --reference portrait.jpg --field field.safetensors -o preview.mp4",
    )
    parser.add_argument("--reference", type=Path, required=True, help="picture of the field")
    parser.add_argument(
        "--field",
        type=Path,
        required=True,
        help="motion field that 'motion' wrote, or an .npz of flow",
    )
    add_output(parser, "out.mp4")
    parser.add_argument(
        "--mask", type=Path, help="picture that is white on the person; found when not given"
    )
    parser.add_argument("--fps", type=values.positive, default=24.0, help="default: %(default)s")


def add_demo(commands) -> None:
    """Adds `demo`."""
    parser = add_command(
        commands,
        "demo",
        "the whole job on the sample media or on yours: poses, motion, preview, contact sheet",
        "demo",
        "demo --reference portrait.jpg --driving dance.mp4 --output output/mine",
    )
    parser.add_argument("--reference", type=Path, help="default: the sample that is shipped")
    parser.add_argument("--driving", type=Path, help="default: the sample that is shipped")
    parser.add_argument("--output", type=Path, default=Path("output/demo"), help="folder")
    add_motion_options(parser, stride=1)
    parser.add_argument("--size", type=values.size, metavar="WxH", help=argparse.SUPPRESS)
