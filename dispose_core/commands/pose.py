"""Poses of a picture or video -> OpenPose JSON."""

from __future__ import annotations

import time
from argparse import Namespace

from ..pose.detect import create_detector, detect_reference
from ..pose.openpose import save_openpose
from ..video import probe, read_frames
from .clip import detect_clip
from .console import summary


def run(options: Namespace) -> dict:
    started = time.monotonic()
    info = probe(options.input)
    if info.frames == 1:
        (picture,) = read_frames(options.input)
        people, report = detect_reference(create_detector(options.detector), picture), []
    else:
        people, report, _ = detect_clip(options.input, options)
    save_openpose(options.output, people)
    report += [f"{len(people[0])} poses written to {options.output}"]
    return summary(options, started, report, frames=len(people[0]), people=len(people))
