"""What a clip takes for each entry."""

from __future__ import annotations

import torch

from dispose_core.guidance.motion_embedding import encode_motion
from dispose_core.guidance.pose_latents import encode_poses
from dispose_core.models.motion_encoder import MotionEncoder
from dispose_core.models.pose_net import PoseNet
from dispose_core.pipeline.memory import bytes_per_entry
from dispose_core.sampling.decode import to_uint8
from dispose_core.sampling.noise import clip_noise


def size_of(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def test_the_account_is_that_of_the_tensors():
    size, entries = (64, 128), 3
    account = bytes_per_entry(size)
    pictures = torch.zeros(entries, 3, *size)

    # At their released width, in float16 as a GPU run keeps them.
    poses = encode_poses(PoseNet().half(), pictures)
    motion = encode_motion(MotionEncoder().half(), None, size, entries=range(entries))
    assert account["pose latents"] * entries == size_of(poses)
    assert account["motion embedding"] * entries == size_of(motion)
    # Ten copies, see there.
    assert account["latents"] * entries == 10 * size_of(clip_noise(1, entries, size).latents)
    assert account["decoded picture"] * entries == size_of(to_uint8(pictures))


def test_an_entry_at_full_size_takes_less_than_16_mb():
    account = bytes_per_entry((1024, 576))

    assert {name: round(size / 1e6, 2) for name, size in account.items()} == {
        "motion embedding": 5.9,
        "pose latents": 5.9,
        "latents": 1.47,
        "decoded picture": 1.77,
    }
    assert sum(account.values()) < 16e6
