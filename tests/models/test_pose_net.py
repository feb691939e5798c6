"""PoseNet against the official module, in chunks, and with the file that is distributed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.guidance.pose_latents import encode_poses
from dispose_core.models.pose_net import PoseNet
from tests.conftest import GOLDENS
from tests.rule_weights import SQRT_2, fill_by_rule, rnd

REAL_FILE = Path(
    os.environ.get("DISPOSE_POSE_NET")
    or Path(__file__).parents[2] / "../shared/reference/mimic_motion_pose_net.safetensors"
)


@pytest.fixture(scope="module")
def net():
    return fill_by_rule(PoseNet(), "pose_net.", SQRT_2)


@pytest.fixture(scope="module")
def skeletons():
    """(3, 3, 64, 96) -1…1"""
    return rnd("posenet_in", (3, 3, 64, 96)).tanh()


def test_matches_the_official_latents(golden, net, skeletons):
    want = torch.from_numpy(golden("12_posenet")["out"])

    assert_close(encode_poses(net, (skeletons + 1) / 2), want, atol=1e-5, rtol=0)
    with torch.no_grad():
        assert_close(net(skeletons), want, atol=1e-5, rtol=0)


def test_the_chunk_does_not_change_the_latents(net, skeletons):
    images = (skeletons + 1) / 2
    whole = encode_poses(net, images, chunk=3)

    for chunk in (1, 2, 100):  # the rounding of sums of another order is left
        assert_close(encode_poses(net, images, chunk=chunk), whole, atol=3e-6, rtol=0)


def test_progress_counts_images_and_may_cancel(net, skeletons):
    seen = []
    encode_poses(net, skeletons, chunk=2, on_frame=lambda *at: seen.append(at))

    def cancel(done, total):
        raise KeyboardInterrupt

    assert seen == [(2, 3), (3, 3)]
    with pytest.raises(KeyboardInterrupt):
        encode_poses(net, skeletons, on_frame=cancel)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_half_precision_stays_near_single(net, skeletons, dtype, bound):
    images = (skeletons + 1) / 2
    want = encode_poses(net, images)
    half = PoseNet().to(dtype)
    half.load_state_dict(net.state_dict())

    rounded = encode_poses(half, images)  # float32 sums on a CPU, weights and result rounded
    computed = encode_poses(half, images, dtype=dtype)

    for got in (rounded, computed):
        assert got.dtype == dtype
        error = (got.float() - want).abs().max() / want.abs().max()
        assert 0 < error < bound
    single = PoseNet()
    single.load_state_dict(half.state_dict())
    assert torch.equal(rounded, encode_poses(single, images).to(dtype))
    assert not torch.equal(rounded, computed)


def test_a_smaller_net_is_built_by_the_shapes_of_its_weights(net):
    shapes = {key: value.shape for key, value in PoseNet(32).state_dict().items()}

    assert PoseNet.shaped_like(shapes).final_proj.weight.shape == (32, 128, 1, 1)
    with pytest.raises(NetworkError, match=r"no final_proj\.weight"):
        PoseNet.shaped_like({})


def test_has_the_released_keys_and_shapes():
    manifest = json.loads((GOLDENS / "manifest_mimicmotion_unet_posenet.json").read_text())
    want = {
        key.removeprefix("pose_net."): tuple(frame["shape"])
        for key, frame in manifest.items()
        if key.startswith("pose_net.")
    }

    assert {k: tuple(v.shape) for k, v in PoseNet().state_dict().items()} == want
    assert len(want) == 19


@pytest.mark.skipif(
    not REAL_FILE.is_file(), reason="no mimic_motion_pose_net.safetensors; set DISPOSE_POSE_NET"
)
def test_the_distributed_file_loads_and_gives_one_map_for_an_empty_image():
    from safetensors.torch import load_file

    weights = load_file(REAL_FILE)
    net = PoseNet.shaped_like({key: value.shape for key, value in weights.items()})
    net.load_state_dict(weights)
    black, white = torch.zeros(1, 3, 128, 128), torch.ones(1, 3, 128, 128)
    latents = encode_poses(net, torch.cat([black, white]))

    assert net.scale.item() == pytest.approx(1.1279, abs=1e-4)
    assert latents.shape == (2, 320, 16, 16) and latents.isfinite().all()
    inside = latents[0, :, 5:11, 5:11].flatten(1)  # out of the borders' reach
    assert (inside - inside[:, :1]).abs().max() < 1e-5
    assert (latents[0] - latents[1]).abs().max() > 0.01


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 64, 64, 3), r"needed \(frames, 3, H, W\)"),
        ((0, 3, 64, 64), r"needed \(frames, 3, H, W\)"),
        ((2, 3, 64, 60), "60×64; width and height must be multiples of 8"),
    ],
)
def test_images_it_cannot_take_are_named(net, shape, message):
    with pytest.raises(NetworkError, match=message):
        encode_poses(net, torch.zeros(shape))
