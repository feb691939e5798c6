"""Memory of a long clip: a minute of 1080p through prepare, pose and motion, as a user runs them.

    python -m benchmarks.long_clip                     from the pack's folder
    python -m benchmarks.long_clip --seconds 10

The sample's dance, enlarged and played to and fro at 30 frames a second, is written to a temporary
folder. Then the commands `pose` and `motion` (which finds the poses itself) run on it in processes
of their own with --stride 2 and MediaPipe, and once more on two frames: what that takes are Python,
the libraries and the models. Prints a Markdown table. Linux only; a minute needs 5 GB of disk.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SETTING = ("--stride", "2", "--detector", "mediapipe")
ROOT = Path(__file__).parents[1]
SIZE = (1080, 1920)  # (W, H): the sample is upright
FPS = 30
EVERY = 0.02  # seconds between two looks at a process


@dataclass(frozen=True)
class Run:
    """What a command took: MB at most and at a third and two thirds of its time, seconds."""

    peak: float
    third: float
    two_thirds: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, poses, field = (
            folder / file for file in ("clip.mp4", "poses.json", "field.safetensors")
        )
        write_clip(clip, round(options.seconds * FPS))
        reference = ROOT / "assets" / "reference.png"
        jobs = {
            "pose": ["pose", str(clip), "-o", str(poses), *SETTING],
            "motion": [
                *("motion", "--reference", str(reference)),
                *("--driving", str(clip), "-o", str(field), *SETTING),
            ],
        }
        print(
            f"{options.seconds:g} s of {SIZE[0]}×{SIZE[1]} at {FPS} fps, "
            f"{clip.stat().st_size / 1e6:.0f} MB, --stride 2\n"
        )
        print("| command | s | peak | two frames alone | beyond | after a third | two thirds |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        seconds = {}
        for command, job in jobs.items():
            few = watched([*job, "--max-frames", "2"])
            all_ = watched(job)
            seconds[command] = all_.seconds
            beyond = all_.peak - few.peak
            memory = (all_.peak, few.peak, beyond, all_.third, all_.two_thirds)
            cells = [command, f"{all_.seconds:.0f}", *(f"{part:.0f} MB" for part in memory)]
            print("|", " | ".join(cells), "|", flush=True)
        print(
            f"\nposes.json takes {poses.stat().st_size / 1e6:.1f} MB, "
            f"field.safetensors {field.stat().st_size / 1e6:.0f} MB."
        )
        writing = seconds_to_write(field)
        share = writing / seconds["motion"]
        print(f"Writing the field takes {writing:.1f} s, {share:.1%} of `motion`.")


def seconds_to_write(field: Path) -> float:
    """Seconds that `motion` spends on writing: the field's file is read and written again."""
    from dispose_core import load_field, save_field

    motion = load_field(field)
    started = time.monotonic()
    save_field(motion, field.with_name("again.safetensors"))
    return time.monotonic() - started


def write_clip(path: Path, frames: int) -> None:
    from dispose_core.media.video_write import write_video

    write_video(path, itertools.islice(to_and_fro(), frames), FPS)


def to_and_fro() -> Iterator[np.ndarray]:
    """The sample's driving video, enlarged, forwards and backwards without end."""
    import cv2

    from dispose_core.media.video_read import read_frames

    frames = list(read_frames(ROOT / "assets" / "driving.mp4"))
    for frame in itertools.cycle([*frames, *frames[-2:0:-1]]):
        yield cv2.resize(frame, SIZE, interpolation=cv2.INTER_CUBIC)


def watched(arguments: list[str]) -> Run:
    """Runs a command of the library and looks at its memory until it ends."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "dispose_core", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"TQDM_DISABLE": "1"},
    )
    seen, peak = [], 0.0
    while process.poll() is None:
        facts = status(process.pid)
        seen.append(facts.get("VmRSS", 0.0))
        peak = max(peak, facts.get("VmHWM", 0.0))
        time.sleep(EVERY)
    if process.returncode:
        raise SystemExit(process.stderr.read().decode())
    seconds = time.monotonic() - started
    return Run(peak, seen[len(seen) // 3], seen[2 * len(seen) // 3], seconds)


def status(pid: int) -> dict[str, float]:
    """Memory of a process in MB, now and at most; nothing once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    facts = (line.split() for line in lines if line.startswith(("VmRSS:", "VmHWM:")))
    return {name[:-1]: int(kilobytes) * 1024 / 1e6 for name, kilobytes, _ in facts}


if __name__ == "__main__":
    main()
