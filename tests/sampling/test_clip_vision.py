"""The image that CLIP sees against the official one."""

from __future__ import annotations

import cv2
import pytest
import torch
from torch.testing import assert_close

from dispose_core.sampling.clip_vision import clip_vision_image, clip_vision_normalise


@pytest.mark.parametrize("name", ["a", "b", "c"], ids=["1024×576", "192×128", "256×448"])
def test_gives_the_official_image(golden, name):
    g = golden("21_clip_image")
    height, width = (int(side) for side in g[f"{name}_hw"])
    large = cv2.resize(g[f"{name}_small"], (width, height), interpolation=cv2.INTER_LINEAR)
    image = clip_vision_image(torch.from_numpy(large).permute(2, 0, 1) / 255)

    found = image[None, :, ::4, ::4].numpy()
    assert_close(found, g[f"{name}_resized_sub4"], atol=1e-5, rtol=0)
    normal = clip_vision_normalise(image)[..., ::8, ::8].numpy()
    assert_close(normal, g[f"{name}_clip_sub8"], atol=1e-5, rtol=0)


def test_nothing_is_cropped_and_colours_stay():
    image = torch.full((3, 1024, 576), 0.25)
    image[:, :, :288] = 0.75
    small = clip_vision_image(image)

    assert small.shape == (3, 224, 224)
    assert_close(small[:, :, :100], torch.full((3, 224, 100), 0.75), atol=1e-5, rtol=0)
    assert_close(small[:, :, 124:], torch.full((3, 224, 100), 0.25), atol=1e-5, rtol=0)


def test_stripes_too_fine_to_be_seen_become_grey():
    stripes = torch.zeros(3, 448, 896)
    stripes[:, :, ::2] = 1.0
    inner = clip_vision_image(stripes)[:, 20:-20, 20:-20]

    assert (inner - 0.5).abs().max() < 0.02
