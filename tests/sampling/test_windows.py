"""Context windows against the official ones, and what holds for all of them."""

from __future__ import annotations

import json

import pytest
import torch
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.sampling.windows import context_windows
from tests.tiny_nets import GOLDENS

CASES = json.loads((GOLDENS / "17_windows.json").read_text())


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "error" not in case],
    ids=lambda case: f"{case['num_frames']} in {case['tile_size']} by {case['tile_overlap']}",
)
def test_gives_the_official_windows(case):
    windows = context_windows(case["num_frames"], case["tile_size"], case["tile_overlap"])

    assert windows.frames.tolist() == case["indices"]
    assert_close(windows.weights, torch.tensor(case["weight"]), atol=1e-6, rtol=0)
    sums = torch.tensor(case["weight_sum_per_frame"])
    assert_close(windows.total_weights(), sums, atol=1e-6, rtol=0)


def test_a_clip_shorter_than_a_window_is_one_window_where_the_official_code_crashes():
    (crash,) = [case for case in CASES if "error" in case]
    windows = context_windows(crash["num_frames"], crash["tile_size"], crash["tile_overlap"])

    assert windows.frames.tolist() == [list(range(10))]
    # Its weights divide out; they only have to be above 0.
    assert windows.weights.tolist() == pytest.approx(
        [0.1, 0.3, 0.5, 0.7, 0.9, 0.9, 0.7, 0.5, 0.3, 0.1]
    )


@pytest.mark.parametrize("overlap", [0, 1, 3, 7])
@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 15, 16, 17, 40])
def test_every_frame_is_in_a_window_and_every_window_has_the_reference(frames, overlap):
    windows = context_windows(frames, 8, overlap)

    assert set(windows.frames.flatten().tolist()) == set(range(frames))
    assert (windows.frames[:, 0] == 0).all()
    assert all(len(set(row)) == len(row) for row in windows.frames.tolist())
    assert windows.total_weights().min() > 0


def test_no_overlap_leaves_no_frame_out_between_two_windows():
    # The official code would go on with 5: it counts the reference as one of the four shared out.
    assert context_windows(8, 4, 0).frames.tolist() == [[0, 1, 2, 3], [0, 4, 5, 6], [0, 5, 6, 7]]


@pytest.mark.parametrize(
    ("frames", "length", "overlap", "message"),
    [
        (0, 16, 6, "clip of 0 frames"),
        (20, 1, 0, "length 1 with overlap 0; the length must be at least 2"),
        (20, 16, 16, "length 16 with overlap 16"),
        (20, 16, -1, "length 16 with overlap -1"),
    ],
)
def test_windows_that_make_no_sense_are_refused(frames, length, overlap, message):
    with pytest.raises(NetworkError, match=message):
        context_windows(frames, length, overlap)
