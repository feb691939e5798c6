from __future__ import annotations

import pytest
import torch
from torch import tensor
from torch.testing import assert_close

from dispose_core.errors import DisPoseError
from dispose_core.motion.motion_field import MotionField
from dispose_core.motion.trajectory import TrajectoryPoints
from dispose_core.preview.mesh import make_mesh
from dispose_core.preview.rasterizer import forward_warp, warp_frames

H, W = 40, 64


def noise(height: int = H, width: int = W) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))


def constant(dx: float, dy: float, height: int = H, width: int = W) -> torch.Tensor:
    return tensor([dx, dy])[:, None, None].expand(2, height, width).clone()[None]


def box(x: slice, y: slice = slice(10, 30)) -> torch.Tensor:
    area = torch.zeros(H, W)
    area[y, x] = 1.0
    return area


def field_of(grid: torch.Tensor, size: tuple[int, int], **kwargs) -> MotionField:
    nowhere = torch.zeros(len(grid), 18, 2)
    points = TrajectoryPoints(nowhere, nowhere, torch.zeros(len(grid), 18, dtype=torch.bool))
    return MotionField(grid, points, size, torch.ones(len(grid), dtype=torch.bool), **kwargs)


def test_no_motion_gives_the_image_back():
    image = noise()
    warped, coverage = forward_warp(image, constant(0, 0))
    assert warped.shape == (1, 3, H, W) and coverage.shape == (1, 1, H, W)
    assert_close(warped[0], image, atol=1e-4, rtol=0)
    assert coverage.eq(1).all()


def test_a_soft_mask_keeps_its_values_and_the_colours_are_not_multiplied_by_it():
    image, mask = noise(), box(slice(20, 40)) * 0.9
    mask[15, 19] = 0.25
    warped, coverage = forward_warp(image, constant(0, 0), mask)
    assert_close(coverage[0, 0], mask, atol=1e-4, rtol=0)
    assert_close(warped[0][:, mask > 0], image[:, mask > 0], atol=1e-3, rtol=0)
    assert warped[0][:, mask == 0].eq(0).all()


def test_whole_pixels_move_exactly():
    image, mask = noise(), box(slice(20, 40))
    warped, coverage = forward_warp(image, constant(7, -4), mask)
    assert_close(coverage[0, 0], box(slice(27, 47), slice(6, 26)), atol=1e-4, rtol=0)
    assert_close(warped[0, :, 6:26, 27:47], image[:, 10:30, 20:40], atol=1e-4, rtol=0)


def test_half_a_pixel_leaves_half_covered_edges_and_a_solid_inside():
    _, coverage = forward_warp(noise(), constant(0.5, 0), box(slice(20, 40)))
    row = coverage[0, 0, 20]
    assert row[[19, 20, 21, 39, 40, 41]].tolist() == pytest.approx([0, 0.5, 1, 1, 0.5, 0], abs=1e-4)


def test_stretching_twofold_leaves_no_hole():
    x = torch.arange(W).float().expand(H, W)
    flow = torch.stack([x - 32, torch.zeros(H, W)])[None]  # x' = 2x - 32
    mask = torch.zeros(H, W)
    mask[:, 20:44] = 1.0
    image = (x / W).expand(3, H, W)
    warped, coverage = forward_warp(image, flow, mask)
    assert coverage[0, 0, :, 10:54].eq(1).all()
    wanted = (torch.arange(10, 54).float() + 32) / 2 / W
    assert_close(warped[0, 0, 20, 10:54], wanted, atol=1e-4, rtol=0)


def test_a_soft_edge_stays_narrow_where_the_body_stretches():
    x = torch.arange(W).float().expand(H, W)
    flow = torch.stack([x - 32, torch.zeros(H, W)])[None]
    flow[:, :, :, :32] = 0  # half of the cells rest: twofold is a stretch here, not a zoom
    mask = torch.zeros(H, W)
    mask[:, 4:40] = 1.0
    mask[:, 38:42] = tensor([0.8, 0.6, 0.4, 0.2])
    _, coverage = forward_warp(noise(), flow, mask)
    soft = ((coverage[0, 0, 20] > 0.01) & (coverage[0, 0, 20] < 0.99)).sum().item()
    assert soft <= 5  # ten if the edge stretched too


def test_a_person_who_comes_four_times_nearer_is_not_torn():
    y, x = torch.meshgrid(torch.arange(H).float(), torch.arange(W).float(), indexing="ij")
    flow = torch.stack([3 * (x - 32), 3 * (y - 20)])[None]
    _, coverage = forward_warp(noise(), flow, box(slice(28, 37), slice(16, 25)))
    assert coverage[0, 0, 4:36, 16:48].min() > 0.99


def two_parts(colours=((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))) -> torch.Tensor:
    """The left half in the first colour, the right half in the second."""
    image = tensor(colours[1])[:, None, None].repeat(1, H, W)
    image[:, :, : W // 2] = tensor(colours[0])[:, None, None]
    return image


@pytest.mark.parametrize("front", ["left", "right"])
def test_where_two_layers_cross_the_nearer_wins(front):
    mask = box(slice(10, 20)) + box(slice(40, 50))
    flow = torch.zeros(1, 2, H, W)
    flow[0, 0, :, : W // 2] = 30.0  # the left part moves onto the right one
    layer = torch.zeros(H, W)
    layer[:, : W // 2] = 1.0 if front == "left" else -1.0
    warped, coverage = forward_warp(two_parts(), flow, mask, layer)
    assert_close(coverage[0, 0], box(slice(40, 50)), atol=1e-4, rtol=0)
    winner = warped[0, :, 12:28, 42:48].mean((1, 2)).tolist()
    assert winner == pytest.approx([1, 0, 0] if front == "left" else [0, 0, 1], abs=1e-4)


def test_without_layers_what_moved_farther_is_in_front():
    mask = box(slice(10, 20)) + box(slice(40, 50))
    flow = torch.zeros(1, 2, H, W)
    flow[0, 0, :, W // 2 :] = -30.0
    warped, _ = forward_warp(two_parts(), flow, mask)
    assert warped[0, :, 20, 15].tolist() == pytest.approx([0, 0, 1], abs=1e-4)


def test_a_farther_part_shows_through_the_soft_edge_of_a_nearer_one():
    mask = 0.25 * box(slice(10, 20)) + box(slice(40, 50))
    flow = torch.zeros(1, 2, H, W)
    flow[0, 0, :, : W // 2] = 30.0
    layer = torch.zeros(H, W)
    layer[:, : W // 2] = 1.0
    warped, coverage = forward_warp(two_parts(), flow, mask, layer)
    assert coverage[0, 0, 20, 45].item() == pytest.approx(1, abs=1e-4)
    assert warped[0, :, 20, 45].tolist() == pytest.approx([0.25, 0, 0.75], abs=1e-4)


def test_within_a_layer_the_side_that_faces_the_viewer_hides_the_folded_one():
    # Columns 30…40 fold back over columns 20…30: x' = 60 - x, still of the nearer layer.
    x = torch.arange(W).float().expand(H, W)
    flow = torch.zeros(1, 2, H, W)
    flow[0, 0] = torch.where(x > 30, 60 - 2 * x, torch.zeros(()))
    image = (x / W).expand(3, H, W)
    warped, _ = forward_warp(image, flow, box(slice(20, 41)))
    assert_close(warped[0, 0, 20, 22:29], x[20, 22:29] / W, atol=1e-4, rtol=0)


def test_nothing_is_smeared_between_parts_that_separate():
    mask, flow = box(slice(22, 42)), torch.zeros(1, 2, H, W)
    flow[0, 0, :, W // 2 :] = 12.0
    warped, coverage = forward_warp(two_parts(), flow, mask)
    assert coverage[0, 0, 20, 32:44].eq(0).all()
    covered = coverage[0, 0] > 0
    red, _, blue = warped[0][:, covered]
    assert torch.maximum(red, blue).min() > 0.999 and torch.minimum(red, blue).max() < 1e-3


def test_a_gap_within_one_colour_is_closed_behind_everything():
    cloth = (0.6, 0.1, 0.2)
    mask, flow = box(slice(22, 42)), torch.zeros(1, 2, H, W)
    flow[0, 0, :, W // 2 :] = 12.0
    warped, coverage = forward_warp(two_parts((cloth, cloth)), flow, mask)
    assert coverage[0, 0, 12:28, 22:54].min() > 0.999
    assert_close(warped[0, :, 20, 38], tensor(cloth), atol=1e-4, rtol=0)


def test_what_closes_a_gap_lies_behind_the_farthest_layer():
    cloth, blue = (0.6, 0.1, 0.2), tensor([0.0, 0.0, 1.0])
    image = two_parts((cloth, cloth))
    image[:, :, 4:12] = blue[:, None, None]
    flow, layer = torch.zeros(1, 2, H, W), torch.ones(H, W)
    flow[0, 0, :, W // 2 :] = 12.0
    flow[0, 0, :, :14], layer[:, :14] = 30.0, 0.0  # columns 4…11 go into the gap, to 34…41
    mask = box(slice(22, 42)) + box(slice(4, 12))
    warped, _ = forward_warp(image, flow, mask, layer)
    assert_close(warped[0, :, 20, 38], blue, atol=1e-3, rtol=0)


def test_a_cell_between_two_layers_belongs_to_the_farther():
    layer = torch.zeros(H, W)
    layer[:, 32:] = 5.0
    mesh = make_mesh(noise(), layer=layer)
    column = mesh.vertices[mesh.triangles] % W
    between = (column.amin(1) == 31) & (column.amax(1) == 32)
    assert mesh.order[between].unique().tolist() == [1]
    assert mesh.order[column.amin(1) >= 32].unique().tolist() == [4096]


def test_a_crack_of_three_pixels_is_closed_from_its_sides():
    mask, flow = box(slice(22, 42)), torch.zeros(1, 2, H, W)
    flow[0, 0, :, W // 2 :] = 3.0  # column 31 stays, 32 goes to 35
    _, coverage = forward_warp(two_parts(), flow, mask)
    assert coverage[0, 0, 12:28, 22:45].min() > 0.999


def test_the_soft_edge_turns_with_the_part_though_the_field_ends_at_the_mask():
    # A bar 8 high and 24 wide with a half-covered rim turns by 90° about its middle (31.5, 19.5).
    def soft(x: slice, y: slice) -> torch.Tensor:
        rim = box(slice(x.start - 1, x.stop + 1), slice(y.start - 1, y.stop + 1))
        return (rim + box(x, y)) / 2

    bar = box(slice(20, 44), slice(16, 24))
    y, x = torch.meshgrid(torch.arange(H).float(), torch.arange(W).float(), indexing="ij")
    turned = torch.stack([31.5 - (y - 19.5) - x, 19.5 + (x - 31.5) - y])
    _, coverage = forward_warp(noise(), (turned * bar)[None], soft(slice(20, 44), slice(16, 24)))
    assert_close(coverage[0, 0], soft(slice(28, 36), slice(8, 32)), atol=0.06, rtol=0)


def test_parts_that_leave_the_image_are_cut_at_its_border():
    mask = box(slice(0, 12), slice(0, 12))
    warped, coverage = forward_warp(noise(), constant(-5, -5), mask)
    assert_close(coverage[0, 0], box(slice(0, 7), slice(0, 7)), atol=1e-4, rtol=0)
    _, gone = forward_warp(noise(), constant(500, 0), mask)
    assert gone.eq(0).all() and warped.isfinite().all()


def test_an_empty_mask_draws_nothing():
    warped, coverage = forward_warp(noise(), constant(3, 0), torch.zeros(H, W))
    assert coverage.eq(0).all() and warped.eq(0).all()


def test_no_frames_give_no_images():
    warped, coverage = forward_warp(noise(), torch.zeros(0, 2, H, W))
    assert warped.shape == (0, 3, H, W) and coverage.shape == (0, 1, H, W)


def test_sizes_that_differ_are_refused_with_both_sizes():
    with pytest.raises(DisPoseError, match=r"flow is 32×20, the image 64×40"):
        forward_warp(noise(), torch.zeros(1, 2, 20, 32))
    with pytest.raises(DisPoseError, match=r"mask is \(20, 32\)"):
        forward_warp(noise(), constant(0, 0), torch.ones(20, 32))


def test_frames_of_a_field_are_warped_in_its_drawing_order():
    grid = torch.zeros(3, 2, H // 2, W // 2)
    grid[2, 0, :, : W // 4] = 15.0  # pixels of the half-size grid: 30 in the image
    layer = torch.zeros(H // 2, W // 2)
    layer[:, : W // 4] = -1.0
    mask = box(slice(10, 20)) + box(slice(40, 50))
    field = field_of(grid, (H, W), layer=layer)
    warped, coverage = warp_frames(field, two_parts(), [2, 0], mask)
    assert_close(coverage[0, 0], box(slice(40, 50)), atol=1e-4, rtol=0)
    assert warped[0, :, 20, 45].tolist() == pytest.approx([0, 0, 1], abs=1e-4)
    assert_close(coverage[1, 0], mask, atol=1e-4, rtol=0)


def test_a_field_that_is_enlarged_by_repetition_does_not_tear_the_image():
    x = torch.arange(8).float().expand(1, 2, 5, 8)
    grid = torch.cat([x * 0, x * tensor([0.8, 0.0])[:, None, None]])  # steps of 6 px in the image
    field = field_of(grid, (H, W), resample="nearest")
    image = two_parts()
    image[:, :, ::2] = 0.5  # no colour alike beside another
    _, coverage = warp_frames(field, image, [1], None)
    assert coverage[0, 0, :, :60].eq(1).all()
