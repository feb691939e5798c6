"""CMP over a clip: ours, and the picture encoded again for every entry as the official code does.

    python -m benchmarks.cmp
    python -m benchmarks.cmp --frames 8 --threads 1

Our network with the tests' rule weights at 384×384; both ways are timed in turns in one run, the
second on some of the entries, which all take the same time. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import time

import torch
from torch import Tensor

from dispose_core.motion.cmp import GRID, CmpNetwork
from tests.rule_weights import fill_by_rule, rnd

JOINTS = 18
TURNS = 3
SAMPLE = 4  # entries a turn that are encoded again each


def marks(frames: int) -> tuple[Tensor, Tensor]:
    """Sparse flow and mask (frames, 2, h, w) of joints anywhere."""
    generator = torch.Generator().manual_seed(0)
    sparse, mask = torch.zeros(2, frames, 2, *GRID)
    y, x = torch.randint(0, GRID[0], (2, JOINTS), generator=generator)
    sparse[:, :, y, x] = torch.randn(frames, 2, JOINTS, generator=generator) * 10
    mask[:, :, y, x] = 1
    return sparse, mask


def encoded_once(net: CmpNetwork, picture: Tensor, sparse: Tensor, mask: Tensor, chunk: int):
    encoded = net.encode_reference(picture)
    pairs = zip(sparse.split(chunk), mask.split(chunk), strict=True)
    return torch.cat([net.flow(encoded, *pair).cpu() for pair in pairs])


def encoded_always(net: CmpNetwork, picture: Tensor, sparse: Tensor, mask: Tensor):
    pairs = zip(sparse.split(1), mask.split(1), strict=True)
    return torch.cat([net.flow(net.encode_reference(picture), *pair).cpu() for pair in pairs])


def timed(work, *given) -> tuple[Tensor, float]:
    start = time.perf_counter()
    result = work(*given)
    return result, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=72)
    parser.add_argument("--chunk", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net = fill_by_rule(CmpNetwork(), "module.", 1.25).to(options.device)
    picture, (sparse, mask) = rnd("cmp_picture", (3, *GRID)).sigmoid(), marks(options.frames)

    some = sparse[:SAMPLE], mask[:SAMPLE]
    encoded_once(net, picture, *some, options.chunk)  # warm-up
    once, always, apart = [], [], 0.0
    for _ in range(TURNS):
        flow, seconds = timed(encoded_once, net, picture, sparse, mask, options.chunk)
        once.append(seconds)
        other, seconds = timed(encoded_always, net, picture, *some)
        always.append(seconds / len(other) * options.frames)
        apart = max(apart, (flow[:SAMPLE] - other).abs().max().item())

    print(
        f"{options.frames} frames at {GRID[1]}×{GRID[0]}, {options.device}, {options.threads} "
        f"threads, float32, torch {torch.__version__}; the best of {TURNS} turns.\n"
    )
    print("| CMP | s a clip | ms a frame |\n| --- | --- | --- |")
    for name, seconds in (
        ("picture encoded for every entry, one at a time", min(always)),
        (f"ours: encoded once, {options.chunk} entries at a time", min(once)),
    ):
        print(f"| {name} | {seconds:.1f} | {1000 * seconds / options.frames:.0f} |")
    print(f"\n{min(always) / min(once):.1f} times as fast; flow differs by {apart:.1e} px at most.")


if __name__ == "__main__":
    main()
