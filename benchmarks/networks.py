"""The ControlNet's two branches over a clip: ours once, the official code in every step.

    python -m benchmarks.networks

Clip: 72 driving frames, 576×1024, windows of 16 with 6 shared (7 of them), 25 steps. Prints a
Markdown table. The official code runs beside ours where `DISPOSE_REFERENCE` is a checkout of it
and `DISPOSE_REFERENCE_PYTHON` an interpreter that can import it; else ours is measured alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dispose_core.features.keypoint_features import KeypointFeatures
from dispose_core.guidance.control_hints import ControlHints
from dispose_core.guidance.motion_embedding import encode_motion
from dispose_core.guidance.point_residuals import point_residuals
from dispose_core.models.motion_encoder import MotionEncoder
from dispose_core.models.point_adapter import PointAdapter
from dispose_core.pose.sequence import PoseSequence

ENTRIES, WINDOW, WINDOWS, STEPS = 73, 16, 7, 25
SIZE = (1024, 576)
CALLS = WINDOWS * STEPS
WANTED = 50
SLICES = 10  # calls that a mean is taken over


class RepeatedMotion:
    """Motion of a window, repeated along the clip: what is in the maps does not change the time."""

    def __init__(self, seed: int):
        generator = torch.Generator().manual_seed(seed)
        shape = (WINDOW, 2, *SIZE)
        self.flow_maps = torch.randn(shape, generator=generator) * 3
        self.maps = torch.randn(shape, generator=generator) * 0.3
        self.flow_maps[0], self.maps[0] = 0, 0

    def __len__(self) -> int:
        return ENTRIES

    def flow(self, frames, size) -> Tensor:
        return self.flow_maps[[frame % WINDOW for frame in frames]]

    def trajectory(self, frames, size) -> Tensor:
        return self.maps[[frame % WINDOW for frame in frames]]


def walking_clip() -> PoseSequence:
    """Eighteen joints that move a little from frame to frame, all of them seen."""
    random = np.random.RandomState(0)
    start = random.uniform(0.2, 0.8, (1, 18, 2))
    body = start + random.normal(0, 0.01, (ENTRIES, 18, 2)).cumsum(0)
    return PoseSequence.from_parts(SIZE, body.clip(0.02, 0.98), np.ones((ENTRIES, 18)))


def filled(net: torch.nn.Module) -> torch.nn.Module:
    """The zero-initialised last layers would hide a difference."""
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return net.eval().requires_grad_(False)


def measure_ours(encoder, adapter, motion, features, clip) -> dict:
    encode_motion(encoder, motion, SIZE, frames=[0, 1])  # warm-up
    point_residuals(adapter, features, clip, SIZE)
    start = time.perf_counter()
    embedding = encode_motion(encoder, motion, SIZE)
    middle = time.perf_counter()
    points = point_residuals(adapter, features, clip, SIZE)
    end = time.perf_counter()
    # What is left for every call: the window's part of both.
    hints = ControlHints(embedding, points)
    window_seconds, of_window = timed(hints.window_motion, range(WINDOW), "cpu", torch.float32)
    levels_seconds, levels = timed(points.levels, range(WINDOW), "cpu", torch.float32)
    return {
        "motion": of_window,
        "levels": levels,
        "motion_seconds": middle - start + CALLS * window_seconds,
        "points_seconds": end - middle + CALLS * levels_seconds,
    }


def timed(work: Callable, *arguments) -> tuple[float, Any]:
    """Seconds of one call, the mean of several, and its result."""
    start = time.perf_counter()
    for _ in range(SLICES):
        result = work(*arguments)
    return (time.perf_counter() - start) / SLICES, result


def measure_official(encoder, adapter, motion, features, clip, threads: int) -> dict | None:
    """One window of one step, or None where the official code is not at hand."""
    checkout, python = (
        os.environ.get(name) for name in ("DISPOSE_REFERENCE", "DISPOSE_REFERENCE_PYTHON")
    )
    if not checkout or not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        job, result = Path(folder) / "job.pt", Path(folder) / "result.pt"
        torch.save(
            {
                "threads": threads,
                "motion_encoder": encoder.state_dict(),
                "point_adapter": adapter.state_dict(),
                "flow": motion.flow_maps[1:],
                "trajectory": motion.maps[1:],
                "candidate": torch.from_numpy(clip.body[:WINDOW]),
                "subset": torch.arange(18.0).repeat(WINDOW, 1).double(),
                "features": features.features,
            },
            job,
        )
        script = Path(__file__).with_name("official_branches.py")
        environment = {**os.environ, "PYTHONPATH": checkout}
        subprocess.run([python, script, job, result], check=True, cwd=checkout, env=environment)
        return torch.load(result, weights_only=True)


def largest_difference(ours: dict, official: dict) -> float:
    pairs = [(ours["motion"], official["motion"])]
    for level, other in zip(ours["levels"], official["levels"], strict=True):
        pairs.append((torch.zeros_like(other) if level is None else level, other))
    return max((a - b).abs().max().item() for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    encoder, adapter = filled(MotionEncoder()), filled(PointAdapter())
    motion, clip = RepeatedMotion(0), walking_clip()
    features = KeypointFeatures(torch.randn(18, 1280), torch.ones(18, dtype=torch.bool))

    official = measure_official(encoder, adapter, motion, features, clip, threads)
    ours = measure_ours(encoder, adapter, motion, features, clip)

    print(f"CPU, {threads} threads, float32, torch {torch.__version__}. A clip is {ENTRIES} frames")
    print(f"of {SIZE[1]}×{SIZE[0]}, {WINDOWS} windows of {WINDOW}, {STEPS} steps: {CALLS} calls.\n")
    if official is None:
        print("DISPOSE_REFERENCE and DISPOSE_REFERENCE_PYTHON are not set: ours alone.\n")
        print("| branch | ours, s a clip |\n| --- | --- |")
        for name in ("motion", "points"):
            print(f"| {name} | {ours[f'{name}_seconds']:.3f} |")
        return
    print("Official: one call is measured (a window, both guidance halves) and counted")
    print(
        f"{CALLS} times; ours is measured for the whole clip, and taking a window out of it, which"
    )
    print(f"is measured too, counted {CALLS} times.\n")
    print("| branch | official, s a call | official, s a clip | ours, s a clip | times less |")
    print("| --- | --- | --- | --- | --- |")
    call, whole = 0.0, 0.0
    for name in ("motion", "points"):
        call += official[f"{name}_seconds"]
        whole += ours[f"{name}_seconds"]
        print_row(name, official[f"{name}_seconds"], ours[f"{name}_seconds"])
    print_row("both", call, whole)
    print(f"\nLargest difference of the results: {largest_difference(ours, official):.1e}")
    if call * CALLS < WANTED * whole:
        sys.exit(f"less than the {WANTED} times that are wanted")


def print_row(name: str, call: float, clip: float) -> None:
    total = call * CALLS
    print(f"| {name} | {call:.3f} | {total:.1f} | {clip:.3f} | {total / clip:.0f} |")


if __name__ == "__main__":
    main()
