"""What a clip takes for each frame."""

from __future__ import annotations

import torch

from dispose_core.guidance.motion_embedding import encode_motion
from dispose_core.guidance.pose_latents import encode_poses
from dispose_core.models.motion_encoder import MotionEncoder
from dispose_core.models.pose_net import PoseNet
from dispose_core.pipeline.memory import bytes_per_frame
from dispose_core.sampling.decode import to_uint8
from dispose_core.sampling.noise import sequence_noise


def size_of(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def test_the_account_is_that_of_the_tensors():
    size, frames = (64, 128), 3
    account = bytes_per_frame(size)
    images = torch.zeros(frames, 3, *size)

    # At their released width, in float16 as a GPU run keeps them.
    poses = encode_poses(PoseNet().half(), images)
    motion = encode_motion(MotionEncoder().half(), None, size, frames=range(frames))
    assert account["pose latents"] * frames == size_of(poses)
    assert account["motion embedding"] * frames == size_of(motion)
    # Ten copies, see there.
    assert account["latents"] * frames == 10 * size_of(sequence_noise(1, frames, size).latents)
    assert account["decoded image"] * frames == size_of(to_uint8(images))


def test_a_frame_at_full_size_takes_less_than_16_mb():
    account = bytes_per_frame((1024, 576))

    assert {name: round(size / 1e6, 2) for name, size in account.items()} == {
        "motion embedding": 5.9,
        "pose latents": 5.9,
        "latents": 1.47,
        "decoded image": 1.77,
    }
    assert sum(account.values()) < 16e6
