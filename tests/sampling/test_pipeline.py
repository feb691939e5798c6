"""The whole pipeline against the official one, and what must not change its result."""

from __future__ import annotations

import copy
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from dispose_core.checkpoints.architectures.dispose import DisPose
from dispose_core.errors import NetworkError
from dispose_core.guidance.control_hints import ControlHints
from dispose_core.guidance.motion_embedding import encode_motion
from dispose_core.pipeline import offload as offload_module
from dispose_core.pipeline import pipeline as pipeline_module
from dispose_core.pipeline.inputs import PipelineInputs
from dispose_core.pipeline.pipeline import DisPosePipeline
from dispose_core.sampling.conditioning import official_pixels
from dispose_core.sampling.decode import to_uint8
from dispose_core.sampling.options import SamplingOptions
from dispose_core.sampling.windows import ContextWindows, context_windows
from tests.tiny_nets import Motion

# Golden 23: guidance from 1 to 3, noise on the image, windows of 4, chunks of 4.
GOLDEN_OPTIONS = SamplingOptions(
    steps=3,
    window=4,
    overlap=2,
    min_guidance=1.0,
    max_guidance=3.0,
    augmentation=0.02,
    decode_chunk=4,
)
OPTIONS = SamplingOptions(steps=1, window=2, overlap=1)  # two windows of `small`
EQUAL = {"atol": 1e-3, "rtol": 0}  # latents reach 3; float32 in another order of sums


@contextmanager
def calls_of(**networks: nn.Module):
    """The arguments and results of each network's calls, by its name."""
    calls: dict[str, list] = {name: [] for name in networks}
    hooks = [
        net.register_forward_hook(lambda _, args, out, name=name: calls[name].append((args, out)))
        for name, net in networks.items()
    ]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


@pytest.fixture(scope="module")
def small(pipeline_inputs) -> PipelineInputs:
    """Three frames of the golden's clip, its upper half."""
    motion = pipeline_inputs.motion
    return PipelineInputs(
        pipeline_inputs.image[:, :64],
        pipeline_inputs.pose_images[:3, :, :64],
        Motion(motion.flow_maps[1:3, :, :64], motion.maps[1:3, :, :64]),
        pipeline_inputs.poses[:3],
        pipeline_inputs.features,
    )


@pytest.fixture(scope="module")
def pair(small) -> PipelineInputs:
    """The reference and one frame: a single window."""
    motion = Motion(small.motion.flow_maps[1:2], small.motion.maps[1:2])
    return replace(small, pose_images=small.pose_images[:2], motion=motion, poses=small.poses[:2])


@pytest.fixture(scope="module")
def expected_pair(pipeline, pair) -> Tensor:
    return pipeline.sample(pair, OPTIONS)


@pytest.fixture(scope="module")
def expected(pipeline, small) -> Tensor:
    return pipeline.sample(small, OPTIONS)


def networks_of(pipeline: DisPosePipeline) -> tuple:
    dispose = DisPose(pipeline.controlnet, pipeline.motion_encoder, pipeline.point_adapter)
    return pipeline.unet, dispose, pipeline.pose_net, pipeline.vae, pipeline.image_encoder


def like(pipeline: DisPosePipeline, **placing) -> DisPosePipeline:
    """Another pipeline with copies of the same networks."""
    return DisPosePipeline(*copy.deepcopy(networks_of(pipeline)), **placing)


@pytest.mark.parametrize(
    ("file", "reference"),
    [("23_e2e_tiny", True), ("own_context/23_e2e_tiny", False)],
    ids=["official layout", "own context"],
)
def test_gives_the_official_clip(golden, pipeline, pipeline_inputs, file, reference):
    g = golden(file)
    options = replace(GOLDEN_OPTIONS, official=reference)
    steps = []
    with calls_of(
        image_encoder=pipeline.image_encoder,
        pose=pipeline.pose_net,
        motion=pipeline.motion_encoder,
        control=pipeline.controlnet,
        unet=pipeline.unet,
    ) as calls:
        latents = pipeline.sample(pipeline_inputs, options, on_step=steps.append)
    frames = torch.stack(list(pipeline.decode(latents, replace(options, official=True))))

    def close(found: Tensor, name: str) -> None:
        assert_close(found.numpy(), g[name], atol=1e-3, rtol=0, msg=lambda m: f"{name}: {m}")

    close(pipeline_inputs.features.features[None], "ref_point_emb")
    embedding = calls["image_encoder"][0][1].image_embeds[:, None]
    close(torch.cat([torch.zeros_like(embedding), embedding]), "image_embeddings")
    (sample, *_), residuals = calls["control"][0]
    close(sample, "first_controlnet_input")
    close(residuals.down[3], "first_ctrl_down3")
    close(residuals.mid, "first_ctrl_mid")
    (_, _, _, pose, *_), prediction = calls["unet"][0]
    pose = torch.cat([torch.zeros_like(pose), pose])
    close(pose[:, :: pose.shape[1] // 8], "first_pose_latents_sub")
    close(prediction, "first_unet_out")
    for number, step in enumerate(steps):
        close(step.latents[None], f"latents_step{number}")
    # The golden's frames are of official chunks, frame 0 included.
    assert_close(frames[:, :, ::2, ::2].numpy(), g["frames_f32_sub2"][0, 1:], atol=1e-3, rtol=0)
    video = to_uint8(frames, official=True).numpy().astype(int)
    assert abs(video - g["video_u8"]).max() <= 1

    times = [args[1] for args, _ in calls["control"]]
    assert times == pytest.approx(g["timesteps_per_call"].tolist(), abs=1e-3)
    assert g["added_time_ids"][1].tolist() == pytest.approx([6, 127, 0.02])
    # Three windows in each of three steps; everything else once, in chunks of 8 and of 4.
    assert Counter({name: len(made) for name, made in calls.items()}) == {
        "image_encoder": 1,
        "pose": 1,
        "motion": 2,
        "control": 9,
        "unet": 9,
    }


def test_the_order_of_windows_does_not_matter(monkeypatch, pipeline, small, expected):
    def backwards(*arguments: int) -> ContextWindows:
        windows = context_windows(*arguments)
        assert len(windows) == 2
        return ContextWindows(windows.frames.flip(0), windows.weights)

    monkeypatch.setattr(pipeline_module, "context_windows", backwards)
    assert_close(pipeline.sample(small, OPTIONS), expected, **EQUAL)


def test_guidance_halves_give_the_same_together_and_apart(pipeline, small, expected):
    with calls_of(unet=pipeline.unet) as calls:
        apart = pipeline.sample(small, replace(OPTIONS, split_cfg=True))

    assert [len(args[0]) for args, _ in calls["unet"]] == [1, 1, 1, 1]
    assert_close(apart, expected, **EQUAL)


def test_networks_that_stay_on_the_device_give_the_same(pipeline, pair, expected_pair):
    # Layers that travel one by one: `test_a_cancelled_run_leaves_no_trace`.
    staying = like(pipeline, offload="none")

    assert_close(staying.sample(pair, OPTIONS), expected_pair, atol=0, rtol=0)


def test_a_seed_always_gives_the_same(pipeline, pair, expected_pair):
    assert_close(pipeline.sample(pair, OPTIONS), expected_pair, atol=0, rtol=0)


def test_guidance_of_1_runs_the_conditional_half_alone(pipeline, pair):
    alone, guided = (
        replace(OPTIONS, min_guidance=1.0, max_guidance=most) for most in (1.0, 1.0 + 1e-6)
    )
    with calls_of(unet=pipeline.unet) as calls:
        found = pipeline.sample(pair, alone)

    assert [len(args[0]) for args, _ in calls["unet"]] == [1]
    assert_close(found, pipeline.sample(pair, guided), **EQUAL)


def test_hints_may_be_encoded_before(pipeline, pair):
    motion = encode_motion(pipeline.motion_encoder, pair.motion, pair.size)
    given = replace(pair, motion=ControlHints(motion), features=None)
    encoded = replace(pair, features=None)

    assert_close(pipeline.sample(given, OPTIONS), pipeline.sample(encoded, OPTIONS), **EQUAL)


def test_what_is_left_out_has_strength_0_and_is_not_run(pipeline, pair, expected_pair):
    silent = replace(OPTIONS, pose_strength=0.0, motion_strength=0.0, point_strength=0.0)
    bare = replace(pair, pose_images=None, motion=None, features=None)
    networks = {"pose": pipeline.pose_net, "motion": pipeline.motion_encoder}
    with calls_of(control=pipeline.controlnet, **networks) as calls:
        found = pipeline.sample(pair, silent)
        uncontrolled = pipeline.sample(pair, replace(silent, control_strength=0.0))

    assert {name: len(made) for name, made in calls.items()} == {
        "pose": 0,
        "motion": 0,
        "control": 1,
    }
    assert_close(found, pipeline.sample(bare, OPTIONS), atol=0, rtol=0)
    for one, other in ((found, expected_pair), (found, uncontrolled)):
        assert (one - other).abs().max() > 0.01


def test_each_branch_is_encoded_with_its_own_strength(monkeypatch, pipeline, pair):
    told = {}

    def motion(*_, flow_strength, trajectory_strength, **__):
        told["motion"] = flow_strength, trajectory_strength
        return torch.zeros(2, 1, 8, 8)

    def points(*_, strength):
        told["points"] = strength

    def stop(*_, **__):
        raise InterruptedError

    monkeypatch.setattr(pipeline_module, "encode_motion", motion)
    monkeypatch.setattr(pipeline_module, "point_residuals", points)
    monkeypatch.setattr(pipeline_module, "denoise", stop)
    with pytest.raises(InterruptedError):
        pipeline.sample(pair, replace(OPTIONS, motion_strength=0.5, point_strength=2.0))

    assert told == {"motion": (0.5, 0.5), "points": 2.0}


def test_noise_is_drawn_in_half_precision_in_reference_mode_alone(monkeypatch, pipeline, pair):
    drawn = []

    def stop(*_, dtype, **__):
        drawn.append(dtype)
        raise InterruptedError

    monkeypatch.setattr(pipeline, "dtype", torch.bfloat16)
    monkeypatch.setattr(pipeline_module, "sequence_noise", stop)
    for reference in (True, False):
        with pytest.raises(InterruptedError):
            pipeline.sample(pair, replace(OPTIONS, official=reference))

    assert drawn == [torch.bfloat16, torch.float32]


def test_a_clip_of_one_frame_works(pipeline, pair):
    frames = list(pipeline(pair, SamplingOptions(steps=1)))

    assert [tuple(frame.shape) for frame in frames] == [(3, 64, 64)]


def test_progress_and_previews_tell_where_a_run_stands(pipeline, small):
    ticks: dict[str, list] = {}
    steps = []

    def stage(name: str):
        ticks[name] = []
        return lambda done, total: ticks[name].append((done, total))

    frames = pipeline(small, replace(OPTIONS, steps=2), stage_progress=stage, on_step=steps.append)
    assert ticks["decoding"] == []  # the images are made as they are asked for
    assert len(list(frames)) == 2

    assert ticks == {
        "motion": [(3, 3)],
        "poses": [(3, 3)],
        "sampling": [(1, 4), (2, 4), (3, 4), (4, 4)],
        "decoding": [(1, 3), (2, 3), (3, 3)],
    }
    assert [(step.number, step.total) for step in steps] == [(1, 2), (2, 2)]
    # After the last step nothing noisy is left, before it almost everything is.
    assert_close(steps[1].latents, steps[1].denoised, atol=1e-4, rtol=1e-4)
    assert (steps[0].latents - steps[0].denoised).abs().max() > 1e-3


def test_the_official_image_is_taken_in_reference_mode_alone(monkeypatch, pipeline, small):
    taken = []
    monkeypatch.setattr(pipeline, "sample", lambda inputs, *_, **__: taken.append(inputs.image))
    monkeypatch.setattr(pipeline, "decode", lambda *_, **__: iter(()))
    for reference in (False, True):
        pipeline(small, SamplingOptions(official=reference))

    assert taken[0] is small.image
    assert_close(taken[1], official_pixels(small.image), atol=0, rtol=0)
    assert (taken[1] != small.image).any()


def test_a_cancelled_run_leaves_no_trace(pipeline, small, expected):
    def stage(name: str):
        def stop(done: int, total: int) -> None:
            if (name, done) == ("sampling", 1):
                raise InterruptedError

        return stop

    other = like(pipeline, offload="sequential")
    before = {name: x.data_ptr() for name, x in other.unet.state_dict().items()}
    with pytest.raises(InterruptedError), calls_of(unet=other.unet) as calls:
        other.sample(small, OPTIONS, stage_progress=stage)

    assert len(calls["unet"]) == 1
    assert {name: x.data_ptr() for name, x in other.unet.state_dict().items()} == before
    assert_close(other.sample(small, OPTIONS), expected, atol=0, rtol=0)


def test_decoding_that_is_left_early_takes_the_vae_home(monkeypatch, pipeline, expected):
    released = []
    monkeypatch.setattr(offload_module, "release", released.append)
    frames = pipeline.decode(expected)
    next(frames)

    assert not released
    frames.close()
    assert released == [pipeline.device]


def test_a_prediction_that_is_not_finite_is_named_with_step_and_window(
    monkeypatch, pipeline, small
):
    broken = nn.Parameter(torch.full((4,), torch.nan), requires_grad=False)
    steps = []

    def break_after_a_step(step) -> None:
        steps.append(step)
        monkeypatch.setitem(pipeline.unet.conv_out._parameters, "bias", broken)

    with pytest.raises(NetworkError, match=r"step 2 of 3, window 1 of 2 \(frames 1…1\) is not"):
        pipeline.sample(small, replace(OPTIONS, steps=3), on_step=break_after_a_step)
    assert len(steps) == 1


def test_half_precision_on_a_cpu_is_float32_unless_it_is_asked_for(pipeline):
    half = like(pipeline, dtype=torch.bfloat16)

    for network in (half.unet, half.controlnet, half.pose_net, half.vae, half.image_encoder):
        assert {x.dtype for x in network.parameters()} == {torch.bfloat16}
    assert DisPosePipeline(*networks_of(half)).unet.dtype == torch.float32


@pytest.mark.slow  # CPUs take long in half precision
def test_half_precision_is_close(pipeline, pair, expected_pair):
    rough = like(pipeline, dtype=torch.bfloat16).sample(pair, OPTIONS)

    error = (rough - expected_pair).square().mean().sqrt()
    assert 0 < error < 0.05 * expected_pair.square().mean().sqrt()


def test_fp8_cannot_be_computed_in(pipeline):
    with pytest.raises(NetworkError, match=r"cannot compute in torch\.float8_e4m3fn\. Use float16"):
        DisPosePipeline(*networks_of(pipeline), dtype=torch.float8_e4m3fn)
