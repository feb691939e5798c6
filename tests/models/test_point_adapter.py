"""The point adapter against the official one, and cell by cell on grids that fit on paper."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.features.keypoint_features import KeypointFeatures
from dispose_core.guidance.control_hints import ControlHints
from dispose_core.guidance.point_residuals import level_sizes, occupied_cells, point_residuals
from dispose_core.models.point_adapter import PointAdapter
from dispose_core.pose.sequence import PoseSequence
from tests.conftest import GOLDENS
from tests.rule_weights import fill_by_rule, rnd

ALL = torch.ones(18, dtype=torch.bool)


def clip_of(*frames, canvas=(64, 64)):
    """Frames as {joint: (x, y)}."""
    body, scores = np.zeros((len(frames), 18, 2)), np.zeros((len(frames), 18))
    for t, joints in enumerate(frames):
        for joint, point in joints.items():
            body[t, joint], scores[t, joint] = point, 1.0
    return PoseSequence.from_parts(canvas, body, scores)


class Pass(PointAdapter):
    """An adapter whose levels hand on what they get, so that results can be told by hand."""

    def __init__(self, levels=4, features=18):
        super().__init__([features] * levels, features, 1)

    def forward(self, cells):
        return [cells for _ in self.model_list]


def one_hot(valid=ALL):
    return KeypointFeatures(torch.eye(18), valid)


def dense(residuals, level, frames=None):
    frames = range(residuals.num_frames) if frames is None else frames
    return residuals.levels(frames, "cpu", torch.float32)[level]


@pytest.fixture(scope="module")
def adapter():
    return fill_by_rule(PointAdapter(), "point_adapter.")


@pytest.fixture(scope="module")
def golden_10(golden):
    g = golden("10_point_adapter")
    vectors = rnd("adapter_emb", (1, 18, 1280))[0]
    valid = ALL.clone()
    valid[[2, 7]] = False  # the golden's joints that the reference does not show
    size = tuple(int(side) for side in g["HW"])
    clip = PoseSequence.from_parts(size, g["candidate"], (g["subset"] != -1).astype(float))
    return g, KeypointFeatures(vectors, valid), clip, size


def test_matches_the_official_residuals(golden_10, adapter):
    g, features, clip, size = golden_10

    got = point_residuals(adapter, features, clip, size).levels(range(4), "cpu", torch.float32)

    for level in range(4):
        want = torch.from_numpy(g[f"level{level}"][0])
        assert want.abs().max() > 0.01  # the case shows something on every level
        assert_close(got[level], want, atol=1e-5, rtol=0)


def test_joints_of_one_cell_are_averaged_and_an_unknown_one_counts_as_zero():
    valid = ALL.clone()
    valid[2] = False
    clip = clip_of(
        {0: (0.05, 0.05), 1: (0.2, 0.2)}, {0: (0.05, 0.05), 1: (0.9, 0.9), 2: (0.1, 0.1)}
    )

    level = dense(point_residuals(Pass(), one_hot(valid), clip, (64, 64)), 0)  # 4x4 cells of 1/4

    assert level.shape == (2, 18, 4, 4)
    assert level[0, :, 0, 0].nonzero().flatten().tolist() == [0, 1]
    assert level[0, :2, 0, 0].tolist() == [0.5, 0.5]
    assert level[1, :3, 0, 0].tolist() == [0.5, 0, 0]
    assert level[1, :3, 3, 3].tolist() == [0, 1, 0]
    assert level.abs().sum() == 2.5


def test_a_cell_with_a_zero_vector_still_gives_what_the_network_makes_of_zero(adapter):
    valid = torch.zeros(18, dtype=torch.bool)
    features = KeypointFeatures(torch.zeros(18, 1280), valid)
    level = dense(point_residuals(adapter, features, clip_of({3: (0.5, 0.5)}), (64, 64)), 0)

    with torch.no_grad():
        assert_close(level[0, :, 2, 2], adapter(torch.zeros(1, 1280))[0][0])
    assert level[0, :, 2, 2].abs().max() > 0
    assert level[0, :, 0, 0].abs().max() == 0


def test_left_and_above_is_skipped_right_and_below_goes_to_the_last_cell():
    clip = clip_of({0: (-0.01, 0.5), 1: (0.5, -0.01), 2: (1.0, 0.1), 3: (0.1, 1e30), 4: (0.0, 0.0)})

    cells = occupied_cells(clip, (4, 6))

    assert cells.key.tolist() == [0, 5, 18]
    assert [cells.sets[row].nonzero()[0].tolist() for row in cells.set_of] == [[4], [2], [3]]


def test_a_joint_that_is_hardly_seen_leaves_nothing():
    clip = clip_of({0: (0.1, 0.1), 1: (0.9, 0.9)})
    scores = clip.scores.copy()
    scores[0, 1] = 0.3  # visible is above

    cells = occupied_cells(clip.with_points(clip.points, scores), (4, 4))

    assert cells.key.tolist() == [0]


def test_coarser_levels_take_the_mean_of_their_middle_cells_where_the_mask_says_so():
    # 8x8 cells; level 1 is 4x4, levels 2 and 3 are 2x2.
    at = lambda x, y: ((x + 0.5) / 8, (y + 0.5) / 8)  # noqa: E731
    clip = clip_of({0: at(4, 0), 1: at(5, 1), 2: at(6, 2), 3: at(3, 3)}, {5: at(7, 7)})

    residuals = point_residuals(Pass(), one_hot(), clip, (128, 128))
    one, two = dense(residuals, 1), dense(residuals, 2)

    # Level 1 at (row 0, column 2) covers cells x 4…5, y 0…1: joints 0 and 1, a quarter each.
    assert one[0, :, 0, 2].tolist() == [0.25, 0.25] + [0.0] * 16
    assert one[0, :, 1, 3].tolist() == [0, 0, 0.25] + [0.0] * 15
    assert one[0].abs().sum() == 0.75  # joint 3 in an odd cell is masked
    # Level 2 at (0, 1): mask at cell (4, 0), values of cells x 5…6, y 1…2: joints 1 and 2.
    assert two[0, :, 0, 1].tolist() == [0, 0.25, 0.25] + [0.0] * 15
    assert two[0].abs().sum() == 0.5
    assert one[1].abs().sum() == 0 and two[1].abs().sum() == 0
    assert torch.equal(two, dense(residuals, 3))


def test_agrees_with_resizing_the_whole_grid_at_sizes_off_the_64_raster():
    """Against the dense form with torch's own resizing; 200x136 has latents of 25x17."""
    rng = np.random.default_rng(3)
    body = rng.uniform(-0.2, 1.2, (6, 18, 2))
    clip = PoseSequence.from_parts((200, 136), body, np.ones((6, 18)))
    features = one_hot()
    residuals = point_residuals(Pass(), features, clip, (200, 136))
    grid = dense(residuals, 0)
    mask = (grid.abs().sum(1, keepdim=True) > 0).float()

    assert [level.size for level in residuals.per_level] == [(13, 9), (7, 5), (4, 3), (4, 3)]
    for index, level in enumerate(residuals.per_level):
        want = torch.nn.functional.interpolate(grid, level.size, mode="bilinear")
        want = want * torch.nn.functional.interpolate(mask, level.size, mode="nearest")
        assert want.abs().sum() > 0
        assert_close(dense(residuals, index), want, atol=1e-6, rtol=0)


def test_levels_are_as_large_as_the_down_blocks_outputs():
    assert level_sizes((1024, 576), 4) == [(64, 36), (32, 18), (16, 9), (16, 9)]
    assert level_sizes((72, 8), 4) == [(5, 1), (3, 1), (2, 1), (2, 1)]
    assert level_sizes((64, 64), 2) == [(4, 4), (4, 4)]


def test_frames_are_absolute_in_any_order_and_empty_ones_are_none():
    seen, hidden = {0: (0.1, 0.1)}, {}
    residuals = point_residuals(Pass(), one_hot(), clip_of(seen, hidden, seen, hidden), (64, 64))

    assert residuals.levels([1, 3], "cpu", torch.float32) == [None] * 4
    level = dense(residuals, 0, [2, 1, 2])
    assert level.shape == (3, 18, 4, 4)
    assert level.flatten(1).sum(1).tolist() == [1, 0, 1]
    assert dense(residuals, 0, [0]).dtype == torch.float32
    with pytest.raises(NetworkError, match="frames 3…4 are needed, the clip has 0…3"):
        residuals.levels([3, 4], "cpu", torch.float32)


def test_nobody_visible_in_the_whole_clip_adds_nothing(adapter):
    features = KeypointFeatures(torch.zeros(18, 1280), torch.zeros(18, dtype=torch.bool))

    residuals = point_residuals(adapter, features, clip_of({}, {}), (64, 64))

    assert residuals.levels([0, 1], "cpu", torch.float16) == [None] * 4


def test_strength_scales_and_0_is_the_branch_left_out(golden_10, adapter):
    _, features, clip, size = golden_10
    whole = point_residuals(adapter, features, clip, size)
    half = point_residuals(adapter, features, clip, size, strength=0.5)
    none = point_residuals(adapter, features, clip, size, strength=0)

    for level in range(4):
        assert_close(dense(half, level), dense(whole, level) * 0.5)
    assert none.levels(range(4), "cpu", torch.float32) == [None] * 4


def test_a_half_precision_adapter_is_computed_in_single_and_stays_near(golden_10, adapter):
    _, features, clip, size = golden_10
    want = dense(point_residuals(adapter, features, clip, size), 0)

    for dtype, bound in ((torch.float16, 1e-3), (torch.bfloat16, 1e-2)):
        half = PointAdapter().to(dtype)
        half.load_state_dict(adapter.state_dict())
        single = PointAdapter()
        single.load_state_dict(half.state_dict())
        rounded = dense(point_residuals(single, features, clip, size), 0)
        got = point_residuals(half, features, clip, size).levels(range(4), "cpu", dtype)[0]

        assert got.dtype == dtype and next(half.parameters()).dtype == dtype
        assert torch.equal(got, rounded.to(dtype))
        assert 0 < (got.float() - want).abs().max() / want.abs().max() < bound


def test_only_different_sets_of_joints_go_through_the_networks():
    seen = []

    class Counting(Pass):
        def forward(self, cells):
            seen.append(len(cells))
            return super().forward(cells)

    clip = clip_of(*[{0: (0.1, 0.1), 1: (0.9, 0.1 + t / 100)} for t in range(50)])
    point_residuals(Counting(), one_hot(), clip, (64, 64))

    assert seen == [2]


def test_has_the_released_keys_and_is_built_by_shapes():
    prefix = "point_adapter."
    manifest = json.loads((GOLDENS / "manifest_controlnet.json").read_text())
    released = {k.removeprefix(prefix): v["shape"] for k, v in manifest.items() if prefix in k}

    built = PointAdapter.shaped_like(released).state_dict()
    small = PointAdapter([8, 4, 2], features=10, hidden=6)
    shapes = {k: v.shape for k, v in small.state_dict().items()}

    assert {k: list(v.shape) for k, v in built.items()} == released
    copy = PointAdapter.shaped_like(shapes)
    assert {k: v.shape for k, v in copy.state_dict().items()} == shapes
    with pytest.raises(NetworkError, match=r"no model_list\.0\.mlp\.0\.weight"):
        PointAdapter.shaped_like({})


def test_what_does_not_fit_is_named(adapter):
    clip = clip_of({0: (0.5, 0.5)}, {0: (0.5, 0.5)})

    with pytest.raises(NetworkError, match="have 18 channels, it needs 1280"):
        point_residuals(adapter, one_hot(), clip, (64, 64))
    with pytest.raises(NetworkError, match="64×60; width and height"):
        point_residuals(Pass(), one_hot(), clip, (60, 64))
    points = point_residuals(Pass(), one_hot(), clip, (64, 64))
    with pytest.raises(NetworkError, match="motion for 3 frames and points for 2"):
        ControlHints(torch.zeros(3, 4, 8, 8), points)


def test_hints_hand_out_motion_by_absolute_frame():
    hints = ControlHints(torch.arange(3.0)[:, None, None, None].expand(3, 2, 4, 4))

    window = hints.window_motion([0, 2], "cpu", torch.float16)

    assert len(hints) == 3 and window.dtype == torch.float16
    assert window[:, 0, 0, 0].tolist() == [0, 2]
    with pytest.raises(NetworkError, match="motion embedding: frames -1…1 are needed"):
        hints.window_motion([1, -1], "cpu", torch.float32)
