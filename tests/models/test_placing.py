"""Running a host's network elsewhere without moving it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dispose_core.errors import NetworkError
from dispose_core.models.latent import image_size
from dispose_core.models.module_utils import placed


def test_a_module_that_is_right_already_is_used_itself():
    module = nn.Linear(2, 2)

    assert placed(module) is module
    assert placed(module, "cpu", torch.float32) is module


def test_half_precision_is_computed_in_single_on_a_cpu_unless_asked_for():
    half = nn.Linear(2, 2).half()

    assert placed(half).weight.dtype == torch.float32
    assert placed(half, "meta").weight.dtype == torch.float16
    assert placed(half, dtype=torch.float16) is half


def test_a_copy_moves_and_the_hosts_module_stays():
    module = nn.Linear(2, 2)

    copy = placed(module, "meta", torch.bfloat16)

    assert (copy.weight.device.type, copy.weight.dtype) == ("meta", torch.bfloat16)
    assert (module.weight.device.type, module.weight.dtype) == ("cpu", torch.float32)


@pytest.mark.parametrize("size", [(60, 64), (64, 60), (0, 64), (64, -8)])
def test_an_image_without_a_latent_is_named(size):
    with pytest.raises(NetworkError, match=f"PoseNet: an image of {size[1]}×{size[0]};"):
        image_size(size, "PoseNet")
