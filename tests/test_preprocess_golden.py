"""Everything before the video model, one stage after the other, against the official `preprocess`.

Golden 24: resolution 128, five driving frames, stride 2, CMP with rule weights. In the place of
the pose detector stand the poses that the official code was given.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dispose_core.media.prepare import prepare
from dispose_core.media.resize import resize_crop
from dispose_core.media.video_read import read_frames
from dispose_core.media.video_write import write_video
from dispose_core.models.cmp import CmpNetwork
from dispose_core.motion.densifiers.cmp import CmpDensifier
from dispose_core.motion.densify import motion_field
from dispose_core.pose.alignment.align import align_poses
from dispose_core.pose.render import render_poses
from dispose_core.pose.sequence import PoseSequence, join_sequences

from .rule_weights import fill_by_rule

FRAME = (480, 300)  # (H, W) of the driving video


def poses_of(g, prefixes: list[str], canvas: tuple[int, int]) -> PoseSequence:
    """One person as the official detector gives it, a prefix a frame."""

    def part(name: str) -> np.ndarray:
        return np.stack([g[f"{prefix}_{name}"] for prefix in prefixes])

    return PoseSequence.from_parts(
        canvas,
        part("candidate"), part("score")[:, 0],
        part("hands"), part("hands_score"),
        part("faces")[:, 0], part("faces_score")[:, 0],
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(golden, tmp_path_factory) -> SimpleNamespace:
    """What our stages make of the golden's inputs, reference mode on wherever there is one."""
    g = golden("24_preprocess_e2e")
    source = torch.from_numpy(g["image"]).movedim(-1, 0)
    plan = prepare(tuple(source.shape[1:]), 5, 24, 128, 2, official=True)
    image = resize_crop(source, plan.size, official=True)

    video = tmp_path_factory.mktemp("golden") / "driving.mkv"
    write_video(video, (np.full((*FRAME, 3), 40 * n, np.uint8) for n in range(5)), fps=24)
    frames = [round(f.mean() / 40) for f in read_frames(video, plan.stride)]

    driving = poses_of(g, [f"in{i}" for i in range(len(frames))], FRAME)
    reference = poses_of(g, ["ref"], plan.size)
    (aligned,), _ = align_poses([reference], [driving], plan.size, official=True)
    clip = join_sequences(reference, aligned)
    network = fill_by_rule(CmpNetwork(), "module.", 1.25)
    field = motion_field(image / 255, clip, CmpDensifier(network, official=True), official=True)
    return SimpleNamespace(frames=frames, image=image, aligned=aligned, clip=clip, field=field)


def test_image_and_frames_are_the_official_ones(golden, made):
    g = golden("24_preprocess_e2e")

    assert made.frames == g["frame_indices"].tolist()
    assert made.image.equal(torch.from_numpy(g["image_pixels_u8"])[0])
    small = made.image[:, ::2, ::2] / 255
    assert_close(small, torch.from_numpy(g["controlnet_image_sub2"])[0], atol=1e-6, rtol=0)


def test_aligned_poses_and_their_images_are_the_official_ones(golden, made):
    g = golden("24_preprocess_e2e")

    official = np.stack([g[f"out{i}_candidate"] for i in range(3)])
    np.testing.assert_allclose(made.aligned.body, official, rtol=0, atol=1e-12)
    drawn = np.stack(list(render_poses([made.clip], made.field.size)))
    assert np.array_equal(drawn.transpose(0, 3, 1, 2), g["pose_pixels_u8"])


def test_trajectory_maps_are_the_official_ones(golden, made):
    official = torch.from_numpy(golden("24_preprocess_e2e")["traj_flow_sub2"])[0]

    maps = made.field.trajectory(range(1, 4))[..., ::2, ::2]
    assert_close(maps.to(official), official, atol=1e-7, rtol=0)


def test_the_motion_field_is_the_official_one(golden, made):
    g = golden("24_preprocess_e2e")

    flow = made.field.flow(range(1, 4))
    official = torch.from_numpy(g["controlnet_flow_sub2"])[0]
    assert_close(flow[..., ::2, ::2], official, atol=1e-2, rtol=0)
    mean, spread, largest, total = g["controlnet_flow_stats"].tolist()
    assert flow.double().mean().item() == pytest.approx(mean, abs=1e-2)
    assert flow.double().std().item() == pytest.approx(spread, abs=1e-2)
    assert flow.abs().max().item() == pytest.approx(largest, abs=1e-2)
    assert flow.double().abs().mean().item() == pytest.approx(total / flow.numel(), abs=1e-2)
