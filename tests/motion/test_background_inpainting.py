from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import tensor
from torch.testing import assert_close

from dispose_core.preview.background_inpainting import inpaint_background

H, W = 96, 128


def person(y: slice = slice(20, 80), x: slice = slice(50, 75)) -> torch.Tensor:
    mask = torch.zeros(H, W)
    mask[y, x] = 1.0
    return mask


def wall() -> torch.Tensor:
    """Grey above, brown below row 64, a dark moulding in rows 40 and 41, and grain."""
    image = torch.full((3, H, W), 0.7)
    image[:, 64:] = tensor([0.5, 0.3, 0.2])[:, None, None]
    image[:, 40:42] = 0.3
    grain = torch.rand(1, H, W, generator=torch.Generator().manual_seed(0))
    return image + 0.04 * (grain - 0.5)


def with_person(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.where(mask > 0, tensor([0.9, 0.0, 0.0])[:, None, None], image)


def test_what_runs_behind_the_person_is_continued():
    image, mask = wall(), person()
    background = inpaint_background(with_person(image, mask), mask)
    hole = background[:, :, 50:75]
    assert_close(hole[:, 40:42].mean(2), image[:, 40:42].mean(2), atol=0.06, rtol=0)
    assert_close(hole[:, 64:80].mean((1, 2)), tensor([0.5, 0.3, 0.2]), atol=0.02, rtol=0)
    assert_close(hole[:, 24:36].mean((1, 2)), torch.full((3,), 0.7), atol=0.02, rtol=0)
    assert hole[:, 24:36].std() > 0.005  # grain, not a smear


def test_the_faint_moulding_of_the_sample_runs_on_behind_the_person(assets):
    # Rows 460…699 and columns 60…539 of the image; the moulding's shadow is row 529.
    image = np.asarray(Image.open(assets / "reference.png").convert("RGB"))[460:700, 60:540]
    image = torch.from_numpy(image.copy()).permute(2, 0, 1) / 255
    truth = np.load(assets / "ground_truth.npz")["flow_valid"].repeat(2, 0).repeat(2, 1)
    mask = torch.from_numpy(truth[460:700, 60:540]).float()
    background = inpaint_background(image, mask)
    behind = mask[69].bool() & (torch.arange(480) > 85) & (torch.arange(480) < 430)
    step = background[:, [58, 59, 83, 84]].mean((0, 1)) - background[:, 68:71].mean(0).amin(0)
    # 0.08 beside the person
    assert (step[behind] > 0.04).float().mean() > 0.98


def test_no_colour_of_the_person_is_left():
    mask = person()
    background = inpaint_background(with_person(wall(), mask), mask)
    assert (background[0] - background[1]).max() < 0.3  # brown: 0.2, the person: 0.9


def test_pixels_away_from_the_mask_are_untouched():
    image = with_person(wall(), person())
    background = inpaint_background(image, person())
    near = torch.zeros(H, W, dtype=torch.bool)
    near[16:84, 46:79] = True
    assert torch.equal(background[:, ~near], image[:, ~near])
    assert background.isfinite().all() and background.min() >= 0 and background.max() <= 1


def test_the_same_image_gives_the_same_plate():
    image = with_person(wall(), person())
    assert torch.equal(inpaint_background(image, person()), inpaint_background(image, person()))


def test_an_empty_mask_gives_the_image_back():
    image = wall()
    assert torch.equal(inpaint_background(image, torch.zeros(H, W)), image)


def test_a_person_at_the_border_is_filled_from_the_other_side():
    mask = person(slice(30, 96), slice(0, 30))
    background = inpaint_background(with_person(wall(), mask), mask)
    assert_close(background[:, 80:, :25].mean((1, 2)), tensor([0.5, 0.3, 0.2]), atol=0.03, rtol=0)


def test_a_person_who_fills_the_image_leaves_something_plain():
    mask = torch.ones(H, W)
    background = inpaint_background(with_person(wall(), mask), mask)
    assert background.isfinite().all() and background.std() < 1e-3
    mask[0, :5] = 0.0  # a corner that no patch fits into
    assert inpaint_background(wall(), mask).isfinite().all()


def test_odd_sizes_and_tiny_images_are_filled():
    for size in ((67, 93), (12, 9), (300, 31)):
        mask = torch.zeros(size)
        mask[size[0] // 3 : -size[0] // 3, size[1] // 3 : -size[1] // 3] = 1.0
        background = inpaint_background(torch.full((3, *size), 0.4) + 0.5 * mask, mask)
        assert_close(background, torch.full((3, *size), 0.4), atol=0.01, rtol=0)
