"""Times the official code's trajectory maps and skeleton images, in its own interpreter.

`preprocess.py` starts this with DISPOSE_REFERENCE_PYTHON and says what goes in and out. Only the
checkout's own functions are run; nothing of it is kept here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np

CORES = 2
ROUNDS = 3


def main(checkout: str, job: str) -> None:
    sys.path.insert(0, checkout)
    let_torchvision_import()
    import cv2
    import torch
    from mimicmotion.dwpose.util import draw_pose
    from mimicmotion.utils.utils import bivariate_Gaussian, points_to_flows

    torch.set_num_threads(CORES)
    cv2.setNumThreads(CORES)
    with np.load(job) as arrays:
        height, width = arrays["size"].tolist()
        poses = [official_pose(arrays, t) for t in range(len(arrays["body"]))]
    bodies = [pose["bodies"] for pose in poses]
    frames = len(poses) - 1

    def trajectory() -> None:
        kernel = bivariate_Gaussian(199, 20, 20, 0, grid=None, isotropic=True)
        for flow in points_to_flows(bodies, len(bodies), height, width):
            cv2.filter2D(flow, -1, kernel)

    def drawing() -> None:
        for pose in poses[1:]:
            draw_pose(pose, height, width)

    print(
        json.dumps(
            {
                "trajectory": best_of(trajectory) / frames,
                "drawing": best_of(drawing) / frames,
            }
        )
    )


def official_pose(arrays: np.lib.npyio.NpzFile, t: int) -> dict:
    """One person in the structure that the official detector returns.

    See docs/reference_behaviour.md#pose-output.
    """
    part = {
        name: np.nan_to_num(arrays[name][t])
        for name in ("body", "body_scores", "hands", "hands_scores", "face", "face_scores")
    }
    scores = part["body_scores"][None]
    return {
        "bodies": {
            "candidate": part["body"],
            "subset": np.where(scores > 0.3, np.arange(18.0), -1.0),
            "score": scores,
        },
        "hands": part["hands"],
        "hands_score": part["hands_scores"],
        "faces": part["face"][None],
        "faces_score": part["face_scores"][None],
    }


def best_of(job: Callable[[], None]) -> float:
    """Milliseconds of the fastest round."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        job()
        times.append(time.perf_counter() - started)
    return 1000 * min(times)


def let_torchvision_import() -> None:
    """The official modules import torchvision, which beside a CPU-only torch lacks two operators,
    and a `write_video` that newer versions dropped; neither is used by what is timed."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision.io

    if not hasattr(torchvision.io, "write_video"):
        torchvision.io.write_video = None


if __name__ == "__main__":
    main(*sys.argv[1:])
