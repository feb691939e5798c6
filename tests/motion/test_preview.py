from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import tensor
from torch.testing import assert_close

from dispose_core.errors import DisPoseError
from dispose_core.motion.motion_field import MotionField
from dispose_core.motion.trajectory import TrajectoryPoints
from dispose_core.preview import preview
from dispose_core.preview.preview import held_frame, person_colours, preview_frames, snap_to_edges

H, W = 64, 96
RED, GREY = (0.8, 0.1, 0.1), (0.5, 0.5, 0.5)


def figure(columns: slice = slice(40, 52)) -> tuple[torch.Tensor, torch.Tensor]:
    """A red block 12 wide on a grey wall, and its mask."""
    image = tensor(GREY)[:, None, None].repeat(1, H, W)
    image[:, 20:44, columns] = tensor(RED)[:, None, None]
    mask = torch.zeros(H, W)
    mask[20:44, columns] = 1.0
    return image, mask


def moving(*dx: float, valid: list[bool] | None = None) -> MotionField:
    """The whole image moves by `dx` pixels to the right at each frame."""
    grid = torch.zeros(len(dx), 2, H, W)
    grid[:, 0] = tensor(dx)[:, None, None]
    nowhere = torch.zeros(len(dx), 18, 2)
    points = TrajectoryPoints(nowhere, nowhere, torch.zeros(len(dx), 18, dtype=torch.bool))
    return MotionField(grid, points, (H, W), tensor(valid or [True] * len(dx)))


def columns_of(image: torch.Tensor) -> list[int]:
    """Columns of the middle row that are red."""
    red = image[0, 32].float() - image[1, 32].float() > 90
    return red.nonzero()[:, 0].tolist()


def test_the_person_moves_and_the_wall_is_whole_where_it_stood():
    image, mask = figure()
    first, second = preview_frames(image, moving(0, 20), [0, 1], mask)
    assert first.image.dtype == torch.uint8 and first.image.shape == (3, H, W)
    assert columns_of(first.image) == list(range(40, 52))
    assert columns_of(second.image) == list(range(60, 72))
    assert_close(
        second.image[:, 20:44, 36:56].float(), torch.full((3, 24, 20), 127.5), atol=1, rtol=0
    )


def test_the_uncovered_mask_is_where_the_person_was_and_is_no_more():
    image, mask = figure()
    (frame,) = preview_frames(image, moving(0, 4), [1], mask)
    assert frame.uncovered[32].nonzero()[:, 0].tolist() == [40, 41, 42, 43]
    assert frame.uncovered[32, 40:44].min() > 0.95


def test_the_overlay_shows_both_the_still_and_the_moved_person():
    image, mask = figure()
    (frame,) = preview_frames(image, moving(0, 20), [1], mask)
    still, moved = frame.overlay[:, 32, 46] / 255, frame.overlay[:, 32, 66] / 255
    assert still.tolist() == pytest.approx(RED, abs=0.01)
    assert moved[0].item() == pytest.approx(0.5 + 0.55 * 0.3, abs=0.01)


def test_frames_come_one_by_one_in_the_order_asked_for():
    image, mask = figure()
    told = []
    stream = preview_frames(image, moving(0, 10, 20), [2, 0, 1], mask, lambda *at: told.append(at))
    assert told == []
    starts = []
    for frame in stream:
        starts.append(columns_of(frame.image)[0])
        assert len(told) == len(starts) - 1  # told when the next frame is asked for
    assert starts == [60, 40, 50]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_caller_who_cancels_stops_the_drawing(monkeypatch):
    drawn = []
    draw = preview.draw_mesh
    monkeypatch.setattr(preview, "draw_mesh", lambda *a: drawn.append(1) or draw(*a))

    def cancel(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    image, mask = figure()
    with pytest.raises(KeyboardInterrupt):
        list(preview_frames(image, moving(0, 1, 2, 3, 4), range(5), mask, cancel))
    assert len(drawn) == 2


def test_a_frame_without_a_pose_holds_the_last_one_that_has_one():
    field = moving(0, 10, 0, 0, 20, valid=[True, True, False, False, True])
    assert [held_frame(field, k) for k in range(5)] == [0, 1, 1, 1, 4]
    image, mask = figure()
    frames = list(preview_frames(image, field, [3, 2, 4], mask))  # frame 1 is not asked for
    assert [columns_of(f.image)[0] for f in frames] == [50, 50, 60]


def test_before_the_first_pose_the_person_stands_as_in_the_reference():
    assert held_frame(moving(0, 5, valid=[False, False]), 1) == 0


def test_a_person_at_the_border_moves_out_of_the_image_and_back():
    image, mask = figure(slice(0, 12))
    out, part, back = preview_frames(image, moving(0, -30, -6), [1, 2, 0], mask)
    assert columns_of(out.image) == []
    assert columns_of(part.image) == list(range(0, 6))
    assert columns_of(back.image) == list(range(0, 12))


def test_no_rim_of_the_old_wall_travels_with_the_person():
    image, mask = figure()
    mixed = torch.lerp(tensor(GREY), tensor(RED), 0.5)
    for column in (39, 52):  # an edge pixel, half wall and half person
        image[:, 20:44, column] = mixed[:, None]
        mask[20:44, column] = 0.5
    colours = person_colours(image, mask)
    assert_close(colours[:, 32, 39], tensor(RED), atol=0.02, rtol=0)
    assert_close(colours[:, 32, 52], tensor(RED), atol=0.02, rtol=0)
    assert_close(colours[:, 32, 45], tensor(RED), atol=1e-4, rtol=0)


def test_neither_the_old_wall_nor_a_wide_mask_shows_over_another_background():
    image, mask = figure(slice(20, 32))
    image[:, 20:44, [19, 32]] = torch.lerp(tensor(GREY), tensor(RED), 0.5)[:, None, None]
    image[:, :, 52:] = 0.0  # from here on the wall is black
    mask[18:46, 17:35] = 1.0  # two to three pixels too wide
    (frame,) = preview_frames(image, moving(0, 50), [1], mask)
    over_black = frame.image[:, 22:42, 60:].float() / 255
    assert columns_of(frame.image) in (list(range(70, 82)), list(range(69, 83)))
    assert over_black[1].max() < 0.24  # red has 0.1, the wall 0.5, their mixture 0.3


def test_a_soft_mask_that_is_a_pixel_off_snaps_to_the_edge_of_the_person():
    image, _ = figure()
    off = torch.zeros(H, W)
    off[20:44, 41:53] = 1.0
    off = torch.nn.functional.avg_pool2d(off[None, None], 3, 1, 1)[0, 0]
    snapped = snap_to_edges(image, off)
    assert (off[32] > 0.5).nonzero()[:, 0].tolist() == list(range(41, 53))
    assert (snapped[32] > 0.5).nonzero()[:, 0].tolist() == list(range(40, 52))
    assert snapped[32, [10, 38, 54, 90]].max() < 0.1 and snapped[32, 42:50].min() > 0.95


def red_columns_moved(dx: float) -> list[int]:
    """Where a red block at 100…139 of a wall 500 long is drawn when all moves by `dx`."""
    image, mask = tensor(GREY)[:, None, None].repeat(1, 40, 500), torch.zeros(40, 500)
    image[:, 5:35, 100:140], mask[5:35, 100:140] = tensor(RED)[:, None, None], 1.0
    grid = torch.zeros(1, 2, 40, 500)
    grid[:, 0] = dx
    field = replace(moving(0), grid=grid, size=(40, 500))
    (frame,) = preview_frames(image, field, [0], mask)
    red = frame.image[0, 20].float() - frame.image[1, 20].float() > 90
    assert (frame.coverage[20] > 0.5).tolist() == red.tolist()
    return red.nonzero()[:, 0].tolist()


@pytest.mark.parametrize(
    ("dx", "columns"),
    [(0, range(100, 140)), (1, range(101, 141)), (20, range(119, 161))],
    ids=["still", "a pixel", "far"],
)
def test_what_moves_far_is_drawn_a_little_wider_and_what_stays_as_it_is(dx, columns):
    assert red_columns_moved(dx) == list(columns)  # 0.2 % of 500 pixels is one


def test_the_outline_keeps_the_gap_between_fingers():
    fingers = torch.zeros(40, 500)
    fingers[10:30, 100:106] = fingers[10:30, 108:114] = 1.0  # two columns of wall between them
    rim = preview._spare_rim(fingers, 1)
    assert rim[20].nonzero()[:, 0].tolist() == [99, 114]


def test_without_a_mask_the_one_of_the_field_is_taken():
    image, mask = figure()
    field = moving(0, 20)
    coarse = replace(field, subject=torch.nn.functional.avg_pool2d(mask[None], 2)[0])
    (given,) = preview_frames(image, field, [1], mask)
    (found,) = preview_frames(image, coarse, [1])
    assert columns_of(found.image) == columns_of(given.image) == list(range(60, 72))


def test_a_field_without_a_person_asks_for_a_mask():
    image, _ = figure()
    with pytest.raises(DisPoseError, match="Give a mask"):
        preview_frames(image, moving(0, 1), [1])


def test_an_empty_mask_is_refused_before_any_work():
    image, mask = figure()
    with pytest.raises(DisPoseError, match=r"mask is empty.*Give a mask"):
        preview_frames(image, moving(0, 1), [0, 1], mask * 0)


def test_a_mask_of_another_size_is_refused_with_both_sizes():
    image, _ = figure()
    with pytest.raises(DisPoseError, match=r"\(32, 48\).*\(64, 96\)"):
        preview_frames(image, moving(0, 1), [0, 1], torch.ones(32, 48))
