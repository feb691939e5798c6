"""Sparse flow: against the official arrays, and by hand."""

from __future__ import annotations

import zlib

import pytest
import torch
from pytest import approx
from torch.testing import assert_close

from dispose_core.motion.sparse_flow import image_on_grid, sparse_flow, sparse_marks


@pytest.mark.parametrize("prefix", ["s", "t"])
@pytest.mark.parametrize(("name", "grid"), [("sparsefull", None), ("sparse384", (384, 384))])
def test_flow_is_the_official_one(official_tracks, prefix, name, grid):
    arrays, clip, size = official_tracks(prefix)
    shape = arrays[f"{prefix}_{name}_shape"][[1, 3, 4, 2]].tolist()  # F, h, w, 2
    official = torch.zeros(shape, dtype=torch.float64)
    where = tuple(torch.from_numpy(arrays[f"{prefix}_{name}_fyx"].T).long())
    official[where] = torch.from_numpy(arrays[f"{prefix}_{name}_dxdy"])

    pixels, displacements, shown = sparse_marks(clip, size, grid, official=True)
    flow, mask = sparse_flow(clip, size, grid, range(1, len(clip)), official=True)

    exact = torch.zeros_like(official)
    frame, joint = shown[1:].nonzero(as_tuple=True)
    x, y = pixels[frame, joint].unbind(-1)
    exact[frame, y, x] = displacements[frame + 1, joint]
    assert_close(exact, official, atol=1e-12, rtol=0)
    assert torch.equal(flow.movedim(1, -1), official.float())
    marked = torch.zeros(shape[:3])
    marked[where] = 1.0
    assert torch.equal(mask, marked[:, None].expand_as(mask))


@pytest.mark.parametrize("prefix", ["s", "t"])
def test_the_image_on_the_grid_is_the_official_one(golden, prefix):
    arrays = golden("05_tracks_traj_sparse")
    size = arrays[f"{prefix}_HW"].tolist()
    generator = torch.Generator().manual_seed(zlib.crc32(f"first_{prefix}".encode()))
    image = torch.randn(1, 3, *size, generator=generator).sigmoid()[0]

    ours = image_on_grid(image, (384, 384))[:, ::16, ::16]

    official = torch.from_numpy(arrays[f"{prefix}_first384_sub"])
    assert_close(ours, official, atol=1e-12, rtol=0)


def test_each_joint_leaves_its_motion_since_the_reference_at_its_place_in_the_reference(clip_of):
    clip = clip_of({4: (50.0, 60.0)}, {4: (53.0, 60.0)}, {4: (55.0, 50.0)})

    flow, mask = sparse_flow(clip, (100, 200))

    assert flow.shape == mask.shape == (3, 2, 100, 200)
    assert flow.dtype == mask.dtype == torch.float32
    assert flow[:, :, 60, 50].tolist() == [approx([0, 0]), approx([3, 0]), approx([5, -10])]
    assert mask.sum((1, 2, 3)).tolist() == [2.0, 2.0, 2.0]


def test_a_coarser_grid_scales_place_and_motion_along_each_axis(clip_of):
    clip = clip_of({4: (50.0, 60.0)}, {4: (58.0, 64.0)})

    flow, mask = sparse_flow(clip, (100, 200), grid=(50, 50), frames=[1])

    assert mask[0, 0].nonzero().tolist() == [[30, 12]]  # 50 / 200 * 50 = 12.5, cut off
    assert flow[0, :, 30, 12].tolist() == approx([2.0, 2.0])


def test_frames_come_in_the_order_asked_for(clip_of):
    clip = clip_of({4: (50.0, 60.0)}, {4: (53.0, 60.0)}, {4: (55.0, 50.0)})

    flow, _ = sparse_flow(clip, (100, 200), frames=[2, 1])

    assert flow[:, 0, 60, 50].tolist() == approx([5.0, 3.0])


def test_joints_missing_at_either_end_are_left_out(clip_of):
    clip = clip_of({2: (10.0, 10.0), 3: (20.0, 20.0)}, {3: (25.0, 20.0), 4: (70.0, 30.0)})

    flow, mask = sparse_flow(clip, (100, 200), frames=[1])

    assert mask[0, 0].nonzero().tolist() == [[20, 20]]
    assert flow[0, 0].sum().item() == approx(5.0)


def test_the_official_way_takes_missing_joints_to_be_at_the_corner(clip_of):
    clip = clip_of({2: (10.0, 10.0), 3: (20.0, 20.0)}, {3: (25.0, 20.0), 17: (70.0, 30.0)})

    flow, mask = sparse_flow(clip, (100, 200), frames=[1], official=True)

    assert mask[0, 0].nonzero().tolist() == [[0, 0], [10, 10], [20, 20]]
    assert flow[0, :, 10, 10].tolist() == approx([-10.0, -10.0])
    assert flow[0, :, 0, 0].tolist() == approx([70.0, 30.0])  # the last of those at the corner


def test_the_last_joint_on_a_pixel_wins(clip_of):
    clip = clip_of(
        {2: (50.2, 60.9), 9: (50.8, 60.1)}, {2: (60.2, 60.9), 9: (50.8, 65.1)}, {2: (55.2, 60.9)}
    )

    _, _, shown = sparse_marks(clip, (100, 200))
    flow, mask = sparse_flow(clip, (100, 200))

    assert shown[1].nonzero().tolist() == [[9]]  # no pixel is left to the order of writing
    assert flow[1, :, 60, 50].tolist() == approx([0.0, 5.0])
    assert flow[2, :, 60, 50].tolist() == approx([5.0, 0.0])  # the other one is missing there
    assert mask.sum((1, 2, 3)).tolist() == [2.0, 2.0, 2.0]
