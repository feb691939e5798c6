"""The motion embedding against the official module, in chunks and with branches left out."""

from __future__ import annotations

import json

import pytest
import torch
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.guidance.motion_embedding import encode_motion
from dispose_core.models.motion_encoder import MotionEncoder
from tests.conftest import GOLDENS
from tests.rule_weights import SQRT_2, fill_by_rule, rnd

SIZE = (64, 96)


class Motion:
    """The motion of a clip, held whole."""

    def __init__(self, flow, trajectory):
        still = torch.zeros(1, 2, *flow.shape[-2:])
        self.flow_maps = torch.cat([still, flow])
        self.maps = torch.cat([still, trajectory])
        self.asked = []

    def __len__(self):
        return len(self.flow_maps)

    def flow(self, frames, size):
        self.asked.append(len(frames))
        return self.flow_maps[list(frames)]

    def trajectory(self, frames, size):
        return self.maps[list(frames)]


@pytest.fixture(scope="module")
def encoder():
    return fill_by_rule(MotionEncoder(), "controlnet_cond_embedding.", SQRT_2)


@pytest.fixture
def clips():
    """The two clips of golden 11, of two driving frames each."""
    flow, trajectory = (
        rnd("cond_flow", (2, 2, 2, *SIZE), 2),
        rnd("cond_traj", (2, 2, 2, *SIZE), 0.5),
    )
    return [Motion(*clip) for clip in zip(flow, trajectory, strict=True)]


@pytest.fixture
def motion(clips):
    return clips[0]


def test_matches_the_official_embedding(golden, encoder, clips):
    want = torch.from_numpy(golden("11_cond_embedding")["out"])

    got = torch.cat([encode_motion(encoder, clip, SIZE) for clip in clips])

    assert got.shape == (6, 320, 8, 12)
    assert_close(got, want, atol=1e-4, rtol=0)


def test_the_chunk_does_not_change_the_embedding_and_bounds_what_is_held(encoder, motion):
    whole = encode_motion(encoder, motion, SIZE, chunk=3)
    motion.asked.clear()

    assert_close(encode_motion(encoder, motion, SIZE, chunk=1), whole, atol=2e-5, rtol=0)
    assert_close(encode_motion(encoder, motion, SIZE, chunk=2), whole, atol=2e-5, rtol=0)
    assert motion.asked == [1, 1, 1, 2, 1]


def test_frames_are_absolute(encoder, motion):
    whole = encode_motion(encoder, motion, SIZE)

    some = encode_motion(encoder, motion, SIZE, frames=[2, 0, 0])

    assert_close(some, whole[[2, 0, 0]], atol=2e-5, rtol=0)


def test_a_strength_scales_what_its_branch_adds_before_the_last_convolution(encoder, motion):
    bias = encoder.conv_final.bias[:, None, None]

    def embed(flow, trajectory):
        return (
            encode_motion(encoder, motion, SIZE, flow_strength=flow, trajectory_strength=trajectory)
            - bias
        )

    flow, trajectory = embed(1, 0), embed(0, 1)
    # conv_final is linear, so the parts add up.
    assert_close(embed(1, 1), flow + trajectory, atol=5e-5, rtol=0)
    assert_close(embed(0.5, 2), 0.5 * flow + 2 * trajectory, atol=5e-5, rtol=0)


def test_a_branch_left_out_is_strength_0_and_is_not_zero_motion(encoder, motion):
    flow = motion.flow_maps
    no_trajectory = encode_motion(encoder, motion, SIZE, trajectory_strength=0)
    motionless = encode_motion(encoder, Motion(flow[1:], torch.zeros_like(flow[1:])), SIZE)

    with torch.no_grad():
        assert_close(encoder(flow, None), no_trajectory, atol=2e-5, rtol=0)
        assert_close(encoder(flow, motion.maps, 1, 0), no_trajectory, atol=2e-5, rtol=0)
    assert (no_trajectory - motionless).abs().max() > 0.1


def test_a_branch_at_strength_0_is_not_run(encoder, motion):
    motion.trajectory = None  # would raise when called

    encode_motion(encoder, motion, SIZE, trajectory_strength=0)


def test_without_motion_the_bias_is_left_whatever_says_so(encoder, motion):
    want = encoder.conv_final.bias[None, :, None, None].expand(3, 320, 8, 12)

    absent = encode_motion(encoder, None, SIZE, frames=range(3))
    off = encode_motion(encoder, motion, SIZE, flow_strength=0, trajectory_strength=0)

    assert torch.equal(absent, want) and torch.equal(off, want)
    with torch.no_grad():
        assert torch.equal(encoder(motion.flow_maps, motion.maps, 0, 0), want)
        assert_close(encoder.conv_final(torch.zeros(3, 320, 8, 12)), want, atol=1e-6, rtol=0)
    with pytest.raises(NetworkError, match="neither a motion field nor the frames"):
        encode_motion(encoder, None, SIZE)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_half_precision_stays_near_single(encoder, motion, dtype, bound):
    want = encode_motion(encoder, motion, SIZE)
    half = MotionEncoder().to(dtype)
    half.load_state_dict(encoder.state_dict())

    rounded = encode_motion(half, motion, SIZE)  # float32 sums on a CPU
    computed = encode_motion(half, motion, SIZE, dtype=dtype)

    for got in (rounded, computed):
        assert got.dtype == dtype
        assert 0 < (got.float() - want).abs().max() / want.abs().max() < bound
    single = MotionEncoder()
    single.load_state_dict(half.state_dict())
    assert torch.equal(rounded, encode_motion(single, motion, SIZE).to(dtype))
    assert not torch.equal(rounded, computed)


def test_progress_counts_frames_and_may_cancel(encoder, motion):
    seen = []
    encode_motion(encoder, motion, SIZE, chunk=2, on_frame=lambda *at: seen.append(at))

    def cancel(done, total):
        raise KeyboardInterrupt

    assert seen == [(2, 3), (3, 3)]
    with pytest.raises(KeyboardInterrupt):
        encode_motion(encoder, motion, SIZE, on_frame=cancel)


def test_has_the_released_keys_and_is_built_by_shapes():
    prefix = "controlnet_cond_embedding."
    manifest = json.loads((GOLDENS / "manifest_controlnet.json").read_text())
    released = {k.removeprefix(prefix): v["shape"] for k, v in manifest.items() if prefix in k}

    built = MotionEncoder.shaped_like(released).state_dict()
    small = MotionEncoder.shaped_like(
        {k: v.shape for k, v in MotionEncoder(32, (4, 8, 8, 16)).state_dict().items()}
    )

    assert {k: list(v.shape) for k, v in built.items()} == released
    assert small(torch.zeros(1, 2, 16, 8), None).shape == (1, 32, 2, 1)
    with pytest.raises(NetworkError, match=r"no blocks_flow\.5\.weight"):
        MotionEncoder.shaped_like({k: v for k, v in released.items() if "flow.5" not in k})


def test_what_does_not_fit_is_named(encoder, motion):
    with pytest.raises(NetworkError, match="96×60; width and height must be multiples of 8"):
        encode_motion(encoder, motion, (60, 96))
    with pytest.raises(
        NetworkError, match=r"flow of shape \(3, 2, 64, 96\), needed \(3, 2, 64, 64"
    ):
        encode_motion(encoder, motion, (64, 64))
    with pytest.raises(NetworkError, match="must be of one shape"):
        encoder(motion.flow_maps, motion.maps[:2])

    motion.maps[2, 1, 5, 5] = float("nan")
    with pytest.raises(NetworkError, match="trajectory of frame 2 has values that are not finite"):
        encode_motion(encoder, motion, SIZE, chunk=2)
