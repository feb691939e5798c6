"""Frame rates and lengths of video models, and driving frames for them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dispose_core.errors import SettingsError
from dispose_core.media.prepare import chosen_frames, prepare_for_model
from dispose_core.media.video_models import (
    VIDEO_MODELS,
    frames_at,
    nearest_frames,
    video_model,
)

WAN, ANIMATE, LTX = (VIDEO_MODELS[name] for name in ("Wan / VACE", "Wan-Animate", "LTX 25 fps"))


@pytest.mark.parametrize(
    "model, available, most, length",
    [
        (WAN, 200, None, 81), (WAN, 80, None, 77), (WAN, 4, None, 1), (WAN, 200, 121, 121),
        (WAN, 200, 120, 117), (ANIMATE, 500, None, 77), (LTX, 500, None, 121), (LTX, 50, None, 49),
        (LTX, 48, None, 41),
    ],
)  # fmt: skip
def test_lengths_are_those_the_model_accepts(model, available, most, length):
    assert model.length(available, most) == length
    assert (length - 1) % model.step == 0


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(60), Fraction(10)])
@pytest.mark.parametrize("rate", [16, 24, 25, 30])
def test_every_frame_is_the_nearest_in_time(fps, rate):
    count = frames_at(100, fps, rate)
    indices = nearest_frames(count, fps, rate)

    assert indices[0] == 0 and max(indices) <= 99
    for k, index in enumerate(indices):
        assert abs(index / fps - Fraction(k, rate)) <= 1 / fps / 2
    # One more frame of the model would be after the last one of the clip.
    assert Fraction(count, rate) > Fraction(99) / fps


def test_a_plan_for_a_model_keeps_the_speed_and_says_what_is_used():
    plan = prepare_for_model(WAN, (1024, 576), 90, 30, 576)

    assert (plan.num_driving, plan.fps, plan.size) == (45, 16, (1024, 576))
    assert plan.indices[:5] == [0, 2, 4, 6, 8] and plan.indices[-1] == round(44 * 30 / 16 + 1e-9)
    assert plan.report.splitlines()[-1] == (
        "Driving video for Wan / VACE: 90 frames at 30 fps are 48 at 16, of which 45 are used "
        "(4n+1)."
    )


def test_a_long_clip_is_cut_to_one_of_the_model_unless_more_is_asked_for():
    plan = prepare_for_model(ANIMATE, (1024, 576), 300, 30, 576)
    longer = prepare_for_model(ANIMATE, (1024, 576), 300, 30, 576, max_frames=200)

    assert plan.num_driving == 77 and longer.num_driving == 197
    assert plan.report.endswith("Wan-Animate makes 77 frames at a time; max_frames allows more.")
    assert not longer.report.endswith("allows more.")


def test_chosen_frames_are_repeated_where_the_model_is_faster():
    frames = (np.full((1, 1, 3), n) for n in range(100))
    assert [int(f[0, 0, 0]) for f in chosen_frames(frames, [0, 0, 1, 3, 3, 4])] == [
        0,
        0,
        1,
        3,
        3,
        4,
    ]
    assert int(next(frames)[0, 0, 0]) == 5  # no further than needed


def test_an_unknown_model_is_named_with_those_that_are_known():
    with pytest.raises(SettingsError, match="'Sora' is unknown"):
        video_model("Sora")


def test_one_frame_for_a_model_warns_that_nothing_moves():
    lines = prepare_for_model(WAN, (1024, 576), 2, 60, 576).report.splitlines()

    assert lines[-1] == "One driving frame: the result is a single pose without motion."
    assert sum(line.startswith("Driving video") for line in lines) == 1
