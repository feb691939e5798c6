"""Motion Export: what leaves the graph, and at which size."""

from __future__ import annotations

import json

import torch
from pytest import approx


def test_flow_and_tracks_come_at_the_size_of_the_video_they_are_for(run, moving_square):
    flow, tracks = run("DisPoseMotionExport", motion_field=moving_square, width=64, height=48)
    assert flow.shape == (2, 48, 64, 2) and flow.dtype == torch.float32
    assert flow[1, 22, 2 * 11].tolist() == approx([8.0, 0.0], abs=1e-3)
    (track,) = json.loads(tracks)
    assert len(track) == 121 and track[0] == {"x": 16, "y": 20} and track[-1] == {"x": 32, "y": 20}


def test_flow_from_the_reference_and_a_point_an_image(run, moving_square):
    flow, tracks = run(
        "DisPoseMotionExport",
        motion_field=moving_square,
        flow="reference to frame",
        track_points=0,
    )
    assert flow.shape == (2, 24, 32, 2) and flow[1, 11, 6].tolist() == [8.0, 0.0]
    assert [point["x"] for point in json.loads(tracks)[0]] == [8, 12, 16]
