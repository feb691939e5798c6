"""Poses of a picture or video -> OpenPose JSON."""

from __future__ import annotations

import time
from argparse import Namespace

from ..media.video_read import probe, read_frames
from ..pose.detect import extract_poses
from ..pose.openpose_json import save_openpose
from .clip import detect_clip, make_detector
from .console import summary


def run(options: Namespace) -> dict:
    """Writes the OpenPose JSON. Returns the summary for `--json`."""
    started = time.monotonic()
    info = probe(options.input)
    if info.frames == 1:
        picture = next(read_frames(options.input))  # some files hold more than they say
        people, report = extract_poses(
            make_detector(options), [picture], 1, name=str(options.input), choice=options.person
        )
    else:
        people, report, _ = detect_clip(options.input, options)
    save_openpose(options.output, people)
    report += [f"{len(people[0])} poses written to {options.output}"]
    return summary(options, started, report, frames=len(people[0]), people=len(people))
