"""`pose`: image or video -> OpenPose JSON."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .console import Bar, Summary, summary
from .options import DETECTION, VIDEO, add_command, add_config, add_output, config_of

if TYPE_CHECKING:
    from .options import Subparsers


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "pose",
        "find the person in an image or video and save the poses as OpenPose JSON",
        run,
        "pose dance.mp4 -o poses.json",
        "pose portrait.jpg -o reference.json",
        "pose dance.mp4 -o poses.json --stride 2 --start 3 --duration 4",
        "pose couple.mp4 -o poses.json --person 0.3,0.5",
    )
    parser.add_argument("input", type=Path, help="an image, a video or a folder of images")
    add_output(parser, "poses.json")
    add_config(parser, *DETECTION, "person", *VIDEO, "models", "device", defaults={"stride": 1})


def run(options: Namespace) -> Summary:
    """Run the command; raises `DisPoseError`. Returns the summary to print."""
    from ..media.video_read import probe, read_frames
    from ..pipeline.components import Components
    from ..pipeline.device import choose_device
    from ..pipeline.preprocess import VideoRange, detect_driving_poses
    from ..pose.detect import extract_poses
    from ..pose.openpose_json import save_openpose

    started = time.monotonic()
    config = config_of(options)
    components = Components({}, choose_device(config.device))
    info = probe(options.input)
    if info.num_frames == 1:
        image = next(
            read_frames(options.input)
        )  # the file may have more frames than its metadata says
        people, report = extract_poses(
            components.detector(config),
            [image],
            1,
            config.threshold,
            name=str(options.input),
            choice=config.person,
        )
    else:
        frames = VideoRange(config.stride, config.start, config.duration, config.max_frames)
        with Bar("poses") as bar:
            people, report = detect_driving_poses(
                options.input,
                frames,
                lambda: components.detector(config),
                config.person,
                config.threshold,
                bar,
            )
    save_openpose(options.output, people)
    report += [f"{len(people[0])} poses written to {options.output}"]
    return summary(options, started, report, frames=len(people[0]), people=len(people))
