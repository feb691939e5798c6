"""CMP over a clip: ours beside the official code, which encodes the image for every frame.

    python -m benchmarks.cmp
    python -m benchmarks.cmp --frames 8 --threads 1

Rule weights at 384×384, marks of the sample's poses. Where DISPOSE_REFERENCE is a checkout of the
official code and DISPOSE_REFERENCE_PYTHON an interpreter that can import it, its CMP is run on the
same input between two turns of ours. Beside it stands our own network used in the official way,
on some of the frames, which all take the same time. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from dispose_core.models.cmp import CmpNetwork
from dispose_core.motion.densifiers.cmp import CHUNK, GRID
from dispose_core.motion.sparse_flow import sparse_flow
from tests.rule_weights import fill_by_rule, rnd

from .preprocess import sample_clip

OFFICIAL = Path(__file__).with_name("official_cmp.py")
IMAGE = (1024, 576)  # (H, W) that the marks are of
SAMPLE = 4  # frames that are encoded again each


def encoded_once(net: CmpNetwork, image: Tensor, sparse: Tensor, mask: Tensor, chunk: int):
    encoded = net.encode_reference(image)
    pairs = zip(sparse.split(chunk), mask.split(chunk), strict=True)
    return torch.cat([net.flow(encoded, *pair).cpu() for pair in pairs])


def encoded_always(net: CmpNetwork, image: Tensor, sparse: Tensor, mask: Tensor):
    pairs = zip(sparse.split(1), mask.split(1), strict=True)
    return torch.cat([net.flow(net.encode_reference(image), *pair).cpu() for pair in pairs])


def official(
    net: CmpNetwork, image: Tensor, sparse: Tensor, mask: Tensor, threads: int
) -> tuple[Tensor, float] | None:
    """The flow and the seconds of the official code; None where it is not at hand."""
    checkout, python = (
        os.environ.get(name) for name in ("DISPOSE_REFERENCE", "DISPOSE_REFERENCE_PYTHON")
    )
    if not checkout or not python:
        return None
    state = {f"module.{key}": value for key, value in net.state_dict().items()}
    job = {"threads": threads, "state": state, "picture": image, "sparse": sparse, "mask": mask}
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "job.pt", Path(folder) / "result.pt"
        torch.save(job, given)
        command = [python, str(OFFICIAL), checkout, str(given), str(result)]
        two = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, check=True, env=two, stdout=subprocess.DEVNULL)
        found = torch.load(result, weights_only=True)
    return found["flow"], found["seconds"]


def timed(work, *given) -> tuple[Tensor, float]:
    start = time.perf_counter()
    result = work(*given)
    return result, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=72)
    parser.add_argument("--chunk", type=int, default=CHUNK)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net = fill_by_rule(CmpNetwork(), "module.", 1.25)
    image = rnd("cmp_picture", (3, *GRID)).sigmoid()
    sparse, mask = (part[1:] for part in sparse_flow(sample_clip(options.frames), IMAGE, GRID))

    some = sparse[:SAMPLE], mask[:SAMPLE]
    encoded_once(net, image, *some, options.chunk)  # warm-up
    flow, before = timed(encoded_once, net, image, sparse, mask, options.chunk)
    theirs = official(net, image, sparse, mask, options.threads)
    _, after = timed(encoded_once, net, image, sparse, mask, options.chunk)
    again, seconds = timed(encoded_always, net, image, *some)

    ours, always = min(before, after), seconds / len(again) * options.frames
    rows = [
        ("ours, the image encoded for every frame", always),
        (f"ours: encoded once, {options.chunk} frames at a time", ours),
    ]
    apart = {"encoding it again": (flow[:SAMPLE] - again).abs().max().item()}
    if theirs is not None:
        rows.insert(0, ("official code", theirs[1]))
        apart["the official code"] = (flow - theirs[0]).abs().max().item()
    print(
        f"{options.frames} frames at {GRID[1]}×{GRID[0]}, CPU, {options.threads} threads, "
        f"float32, torch {torch.__version__}; ours is the better of two turns "
        f"({before:.1f} and {after:.1f} s).\n"
    )
    print("| CMP | s a clip | ms a frame | times ours |\n| --- | --- | --- | --- |")
    for name, spent in rows:
        print(
            f"| {name} | {spent:.1f} | {1000 * spent / options.frames:.0f} | {spent / ours:.1f} |"
        )
    print("\nLargest difference of the flow, px:", end=" ")
    print(", ".join(f"to {what} {pixels:.1e}" for what, pixels in apart.items()) + ".")
    if theirs is None:
        print("Set DISPOSE_REFERENCE and DISPOSE_REFERENCE_PYTHON to measure the official code.")


if __name__ == "__main__":
    main()
