"""A clip of tens of thousands of frames through the pose nodes' functions, step by step.

    python -m benchmarks.long_poses --frames 80000 --people 2

The people of the sample, in shuffled order, are loaded from a file, one is chosen, aligned to the
sample's reference and saved, with the conversions to and from POSE_KEYPOINT between the nodes. The
third column is the longest time between two callbacks, in which nothing can be interrupted;
choosing and aligning have no callbacks, and their nodes run them in a thread. Gaps and the middle
column are processor time, which other programs on the machine lengthen less.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from dispose_core.pose.alignment.align import AlignOptions, align_poses
from dispose_core.pose.openpose_json import read_openpose, save_openpose, write_openpose
from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.tracking.person_selection import PersonChoice, choose_person

POSES = Path(__file__).parents[1] / "assets" / "poses"
T = TypeVar("T")


class Clock:
    """Times steps and the longest gap between two callbacks of each."""

    def __init__(self) -> None:
        self.total = self.processor = self.gap = self.last = 0.0

    def tick(self, *_: int) -> None:
        now = time.process_time()
        self.gap, self.last = max(self.gap, now - self.last), now

    def step(self, name: str, work: Callable[[], T]) -> T:
        self.gap, self.last = 0.0, time.process_time()
        began, wall = self.last, time.perf_counter()
        result = work()
        self.tick()
        wall, processor = time.perf_counter() - wall, self.last - began
        self.total, self.processor = self.total + wall, self.processor + processor
        print(f"| {name} | {wall:.1f} | {processor:.1f} | {self.gap:.2f} |", flush=True)
        return result


def made_clip(frames: int, people: int) -> list[PoseSequence]:
    """The sample's dance to and fro, a little different each time; a second dancer beside it."""
    (dance,) = load_poses(POSES / "driving.json")[0]
    rng = np.random.default_rng(0)
    there_and_back = np.r_[0 : len(dance), len(dance) - 1 : -1 : -1]
    long = dance[there_and_back[np.arange(frames) % len(there_and_back)]]
    long = long.with_points(long.points + rng.normal(0, 0.001, (frames, 1, 2)))
    if people == 1:
        return [long]
    right, left = long.points * 0.8 + (0.3, 0.1), long.points * 0.4 + (-0.05, 0.5)
    swapped = rng.random(frames)[:, None, None] < 0.5
    return [long.with_points(np.where(swapped, a, b)) for a, b in ((left, right), (right, left))]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=80_000)
    parser.add_argument("--people", type=int, choices=(1, 2), default=2)
    options = parser.parse_args()
    clock = Clock()
    reference = load_poses(POSES / "reference.json")[0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "long.json"
        save_openpose(file, made_clip(options.frames, options.people))
        print(
            f"{options.frames} frames, {options.people} people, {file.stat().st_size / 1e6:.0f} MB"
        )
        print("| step | s | of processor | longest gap, s |\n| --- | --- | --- | --- |")
        tick = clock.tick
        people = clock.step("load: read the file", lambda: load_poses(file, None, tick)[0])
        wire = clock.step("load: give poses", lambda: write_openpose(people, tick))
        people = clock.step("choose: take poses", lambda: read_openpose(wire, "poses", None, tick))
        choice = PersonChoice("nearest", 0, (0.15, 0.75), 0)
        people = clock.step("choose", lambda: choose_person(people, choice)[0])
        chosen = clock.step("choose: give poses", lambda: write_openpose(people, tick))
        people = clock.step("align: take poses", lambda: read_openpose(chosen, "poses", None, tick))
        fit = AlignOptions("fit", 12, 0.0)
        people = clock.step(
            "align", lambda: align_poses(reference, people, reference[0].canvas, fit)[0]
        )
        aligned = clock.step("align: give poses", lambda: write_openpose(people, tick))
        people = clock.step("save: take poses", lambda: read_openpose(aligned, "poses", None, tick))
        clock.step("save: write", lambda: save_openpose(Path(folder) / "saved.json", people, tick))
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"| together{load} | {clock.total:.1f} | {clock.processor:.1f} | |")


if __name__ == "__main__":
    main()
