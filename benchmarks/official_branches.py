"""Runs in the official code's interpreter: its motion embedding and point adapter, timed.

Called by `networks.py` as `python official_branches.py JOB RESULT`; both are torch files.
"""

import sys
import time

import torch
from mimicmotion.modules.controlnet import ControlNetConditioningEmbeddingSVD
from mimicmotion.modules.point_adapter import PointAdapter


def timed(call):
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


@torch.no_grad()
def main(job_file: str, result_file: str) -> None:
    job = torch.load(job_file, weights_only=True)
    torch.set_num_threads(job["threads"])
    embedding = ControlNetConditioningEmbeddingSVD(conditioning_embedding_channels=320).eval()
    embedding.load_state_dict(job["motion_encoder"])
    adapter = PointAdapter().eval()
    adapter.load_state_dict(job["point_adapter"])

    # As the ControlNet gets them: both guidance halves, without the reference's frame.
    flow, trajectory = (torch.cat([job[name][None]] * 2) for name in ("flow", "trajectory"))
    height, width = flow.shape[-2:]
    points = [
        {"candidate": candidate.numpy(), "subset": subset[None].numpy()}
        for candidate, subset in zip(job["candidate"], job["subset"], strict=True)
    ]
    embedding(flow[:, :1], trajectory[:, :1])  # warm-up
    motion, motion_seconds = timed(lambda: embedding(flow, trajectory))
    (levels, _), points_seconds = timed(
        lambda: adapter(points, (width, height), job["features"][None], None)
    )
    torch.save(
        {
            "motion": motion[: len(points)].clone(),  # of one half
            "levels": [level.flatten(0, 1)[: len(points)].clone() for level in levels],
            "motion_seconds": motion_seconds,
            "points_seconds": points_seconds,
        },
        result_file,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
