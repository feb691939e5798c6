"""How often tracking takes people for each other, in random clips by family.

    python -m benchmarks.walkers [CLIPS] [FAMILY]

Prints a markdown table for `CLIPS` clips of every family (`tests/pose/walker_families.py`), and the
time of 80,000 frames of two people.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dispose_core.pose.tracking.tracker import track_people  # noqa: E402
from tests.pose.walker_families import FAMILIES, clip, outcome  # noqa: E402
from tests.pose.walkers import film, walker  # noqa: E402

# The tests look at the seeds from 0 on; these clips are others.
FIRST_SEED = 10_000
LONG = 80_000


def main(clips: int = 300, only: str = "") -> None:
    print("| family | clips | switched, % | lost, % | frames lost, % | parts a clip |")
    print("| --- | --- | --- | --- | --- | --- |")
    for family in FAMILIES:
        if only and only != family:
            continue
        outcomes, frames = [], 0
        for seed in range(FIRST_SEED, FIRST_SEED + clips):
            slots = clip(family, seed)
            frames += len(slots[0])
            outcomes.append(outcome(slots))
        switched, lost, frames_lost, parts = np.array(
            [(o.switched, o.lost, o.frames_lost, o.parts) for o in outcomes]
        ).T
        print(
            f"| {family} | {clips} | {100 * switched.mean():.1f} | {100 * lost.mean():.1f} "
            f"| {100 * frames_lost.sum() / frames:.2f} | {parts.mean():.2f} |"
        )
    if not only:
        people = film([walker(LONG, (300 + 600 * i, 360), 0.001, phase=i) for i in range(2)])
        track_people([person[:100] for person in people])  # imports
        started = time.process_time()
        track_people(people)
        print(f"\n{LONG:,} frames of two people: {time.process_time() - started:.1f} s")


if __name__ == "__main__":
    main(*[int(a) if a.isdigit() else a for a in sys.argv[1:]])
