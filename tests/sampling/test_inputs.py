"""What a run refuses before it starts: settings outside their range, parts that do not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dispose_core.errors import NetworkError
from dispose_core.guidance.control_hints import ControlHints
from dispose_core.pipeline.inputs import PipelineInputs
from dispose_core.sampling.options import SamplingOptions

IMAGE = torch.zeros(3, 128, 64)


def skeletons(frames: int, *size: int) -> torch.Tensor:
    return torch.zeros(frames, 3, *(size or (128, 64)))


def test_the_defaults_are_the_papers():
    options = SamplingOptions()

    assert (options.steps, options.seed, options.window, options.overlap) == (25, 42, 16, 6)
    assert (options.min_guidance, options.max_guidance, options.guided) == (2.0, 2.0, True)
    assert (options.model_fps, options.motion_bucket, options.augmentation) == (7, 127, 0.0)
    assert (options.noise, options.decode_chunk, options.official) == ("repeated", 8, False)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"steps": 0}, "steps is 0, needed at least 1"),
        ({"model_fps": 0}, "fps is 0, needed at least 1"),
        ({"decode_chunk": 0}, "decode_chunk is 0, needed at least 1"),
        ({"pose_strength": -1.0}, r"pose_strength is -1\.0, needed 0 or more"),
        ({"control_strength": float("nan")}, "control_strength is nan"),
        ({"augmentation": -0.1}, "augmentation is -0.1"),
        ({"max_guidance": float("inf")}, "max_guidance is inf"),
        ({"noise": "white"}, "noise is white, needed one of the two kinds"),
        ({"official": True, "split_cfg": True}, "must run in one batch"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "+".join(value),
)
def test_settings_outside_their_range_are_refused(setting, message):
    with pytest.raises(NetworkError, match=message):
        SamplingOptions(**setting)


def test_a_clip_is_as_long_as_its_parts(pipeline_inputs):
    assert len(pipeline_inputs) == 7
    assert pipeline_inputs.size == (128, 64)
    assert len(PipelineInputs(IMAGE, skeletons(3))) == 3


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(3, 128, 72), r"shape \(3, 128, 72\), needed .* multiples of 64"),
        (torch.zeros(4, 128, 64), r"shape \(4, 128, 64\), needed \(3, H, W\)"),
        (torch.zeros(3, 0, 64), r"shape \(3, 0, 64\)"),
        (torch.full((3, 128, 64), torch.nan), "reference image: values that are not finite"),
    ],
    ids=["side", "channels", "empty", "nan"],
)
def test_an_image_that_the_networks_cannot_take_is_refused(image, message):
    with pytest.raises(NetworkError, match=message):
        PipelineInputs(image, skeletons(3))


def test_parts_of_different_length_are_refused_with_their_lengths(pipeline_inputs):
    with pytest.raises(NetworkError, match="pose images 6, motion 7, poses 7 frames"):
        replace(pipeline_inputs, pose_images=pipeline_inputs.pose_images[1:])


def test_no_frames_are_refused():
    with pytest.raises(NetworkError, match="no driving frames: pose images 1 frames"):
        PipelineInputs(IMAGE, skeletons(1))
    with pytest.raises(NetworkError, match="no driving frames: pose images 0 frames"):
        PipelineInputs(IMAGE, skeletons(0))
    with pytest.raises(NetworkError, match="nothing to animate with"):
        PipelineInputs(IMAGE)


def test_parts_of_another_size_are_refused():
    with pytest.raises(NetworkError, match=r"pose images: shape \(3, 3, 64, 64\), needed \(3, 3"):
        PipelineInputs(IMAGE, skeletons(3, 64, 64))
    with pytest.raises(NetworkError, match=r"latents of \(8, 8\), the image needs \(16, 8\)"):
        PipelineInputs(IMAGE, motion=ControlHints(torch.zeros(3, 32, 8, 8)))


def test_features_without_poses_are_refused(pipeline_inputs):
    with pytest.raises(NetworkError, match="keypoint features without poses"):
        PipelineInputs(IMAGE, skeletons(3), features=pipeline_inputs.features)
