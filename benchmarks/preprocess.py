"""Speed and memory of preprocessing: trajectory maps, skeleton images, the motion field.

    python -m benchmarks.preprocess                     from the pack's folder
    python -m benchmarks.preprocess --frames 24 --size 288x512

The sample's 72 poses at 576×1024 on two cores, ours beside the same steps in plain OpenCV, measured
in turns in one run, and the peak memory of the motion stage in processes of their own. Prints
Markdown tables.

Where DISPOSE_REFERENCE is a checkout of the official code and DISPOSE_REFERENCE_PYTHON an
interpreter that can import it, its times stand beside them. They come from
`$DISPOSE_REFERENCE_PYTHON benchmarks/official_preprocess.py CHECKOUT JOB`, where JOB is an .npz
with `size` (H, W) and, for all F+1 frames, `body` (18, 2), `body_scores`, `hands` (2, 21, 2),
`hands_scores`, `face` (68, 2), `face_scores`, coordinates as fractions, NaN where missing. Its last
line is one JSON object {"trajectory": ms, "drawing": ms}, milliseconds a frame.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORES = 2
MEMORY_FRAMES = (36, 72, 144)
# Frames a consumer asks for at a time.
CHUNK = 8
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=72, help="driving poses (default 72)")
    parser.add_argument("--size", default="576x1024", help="WxH of the image (default 576x1024)")
    parser.add_argument("--peak", type=int, metavar="FRAMES", help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    if options.peak:
        print(json.dumps(motion_stage(options.peak, (height, width))))
        return
    print(f"{options.frames} frames at {width}×{height}, {CORES} cores\n")
    print_speed(options.frames, (height, width))
    print()
    print_memory(options.size)


def print_speed(frames: int, size: tuple[int, int]) -> None:
    import cv2
    import numpy as np
    import torch

    from dispose_core.motion.trajectory import trajectory_maps, trajectory_points
    from dispose_core.pose.render import render_poses

    from . import plain_opencv as plain

    torch.set_num_threads(CORES)
    cv2.setNumThreads(CORES)
    clip = sample_clip(frames)
    kernel = plain.gaussian_kernel()
    points = trajectory_points(clip, official=True)

    def our_maps(some: range):
        return trajectory_maps(points.at(torch.tensor(list(some))), size)

    def plain_maps(some: range):
        return [plain.trajectory_map(clip, frame, size, kernel) for frame in some]

    def our_images(some: range):
        return list(render_poses([clip[list(some)]], size))

    def plain_images(some: range):
        return [plain.skeleton(clip[frame], size) for frame in some]

    few = range(1, min(frames, CHUNK) + 1)
    maps = np.abs(our_maps(few).movedim(1, -1).numpy() - np.stack(plain_maps(few))).max()
    pixels = (np.stack(our_images(few)) != np.stack(plain_images(few))).any(-1).sum()
    official = official_times(clip, size)
    rows = [
        ("trajectory maps", "trajectory", *in_turns(our_maps, plain_maps, frames)),
        ("skeleton images", "drawing", *in_turns(our_images, plain_images, frames)),
    ]
    print("| step | ours | plain OpenCV | faster | official code | faster |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, key, ours, theirs in rows:
        beside = "not at hand | " if official is None else _beside(official[key], ours)
        print(
            f"| {name} | {ours:.2f} ms/frame | {theirs:.1f} ms | {theirs / ours:.1f}× | {beside} |"
        )
    print(f"\nLargest difference to plain OpenCV: maps {maps:.1e} px, images {pixels} pixels.")
    if official is None:
        print("Set DISPOSE_REFERENCE and DISPOSE_REFERENCE_PYTHON to measure the official code.")


def in_turns(ours: Callable, theirs: Callable, frames: int) -> tuple[float, float]:
    """Milliseconds a frame of both, chunk by chunk in turns, so that neither has the calmer time.

    The best round over the whole clip, as `official_preprocess.py` takes it too.
    """
    chunks = [range(a, min(a + CHUNK, frames + 1)) for a in range(1, frames + 1, CHUNK)]
    best = [math.inf, math.inf]
    for _ in range(ROUNDS):
        spent = [0.0, 0.0]
        for some in chunks:
            for side, work in enumerate((ours, theirs)):
                start = time.perf_counter()
                work(some)
                spent[side] += time.perf_counter() - start
        best = [min(pair) for pair in zip(best, spent, strict=True)]
    return best[0] / frames * 1e3, best[1] / frames * 1e3


def official_times(clip, size: tuple[int, int]) -> dict[str, float] | None:
    """Milliseconds a frame of the official code; None where it is not at hand."""
    import numpy as np

    checkout, python = (
        os.environ.get(name) for name in ("DISPOSE_REFERENCE", "DISPOSE_REFERENCE_PYTHON")
    )
    if not checkout or not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.npz"
        parts = ("body", "body_scores", "hands", "hands_scores", "face", "face_scores")
        np.savez(job, size=np.array(size), **{name: getattr(clip, name) for name in parts})
        command = [python, str(ROOT / "benchmarks" / "official_preprocess.py"), checkout, str(job)]
        output = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=_two_cores()
        ).stdout
    return json.loads(output.splitlines()[-1])


def print_memory(size: str) -> None:
    print("| frames | peak | before | the field itself | handed out at once |")
    print("| --- | --- | --- | --- | --- |")
    found = {}
    for frames in MEMORY_FRAMES:
        command = [sys.executable, "-m", "benchmarks.preprocess", "--size", size]
        output = subprocess.run(
            [*command, "--peak", str(frames)],
            check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=_two_cores(),
        ).stdout  # fmt: skip
        found[frames] = m = json.loads(output.splitlines()[-1])
        print(
            f"| {frames} | {m['peak']:.0f} MB | {m['before']:.0f} MB | {m['field']:.0f} MB "
            f"| {m['handed_out']:.0f} MB |"
        )
    few, many = min(found), max(found)
    growth = (found[many]["peak"] - found[few]["peak"]) / (many - few)
    field = found[many]["field"] / (many + 1)
    print(
        f"\nThe peak grows by {growth:.2f} MB a frame, {field:.2f} MB of it the field handed out."
    )


def motion_stage(frames: int, size: tuple[int, int]) -> dict[str, float]:
    """Runs it in this process: field, then flow and trajectory maps chunk by chunk. In MB."""
    import torch

    from dispose_core.motion.densifiers.skinning.densifier import SkinningDensifier
    from dispose_core.motion.densify import motion_field

    torch.set_num_threads(CORES)
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    clip = sample_clip(frames)
    before = _peak()
    field = motion_field(image, clip, SkinningDensifier())
    largest = 0
    for first in range(0, len(field), CHUNK):
        some = slice(first, first + CHUNK)
        flow, maps = field.flow(some), field.trajectory(some)
        largest = max(largest, flow.nbytes + maps.nbytes)
    return {
        "peak": _peak(),
        "before": before,
        "field": field.grid.nbytes / 1e6,
        "handed_out": largest / 1e6,
    }


def sample_clip(frames: int):
    """The sample's reference pose and its driving poses, from the start again when they end."""
    from dispose_core.pose.pose_files import load_poses
    from dispose_core.pose.sequence import join_sequences

    poses = ROOT / "assets" / "poses"
    reference = load_poses(poses / "reference.json")[0][0]
    driving = load_poses(poses / "driving.json")[0][0]
    return join_sequences(reference, driving[[i % len(driving) for i in range(frames)]])


def _peak() -> float:
    """The most memory this process ever held, MB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage also counts what the parent process held
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # macOS; Windows has neither

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _two_cores() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": str(CORES)}


def _beside(theirs: float, ours: float) -> str:
    return f"{theirs:.1f} ms | {theirs / ours:.1f}×"


if __name__ == "__main__":
    main()
