"""The weights that goldens were made with are made again from the published rule."""

from __future__ import annotations

import json

import pytest
from pytest import approx

from tests.conftest import GOLDENS
from tests.rule_weights import rule_tensor


@pytest.mark.parametrize(
    ("check", "manifest"),
    [
        ("weights_check_controlnet", "manifest_controlnet"),
        ("weights_check_unet", "manifest_mimicmotion_unet_posenet"),
    ],
)
def test_the_rule_gives_the_published_sums_and_first_values(check, manifest):
    shapes = json.loads((GOLDENS / f"{manifest}.json").read_text())

    for key, (total, size, first) in json.loads((GOLDENS / f"{check}.json").read_text()).items():
        weight = rule_tensor(key, shapes[key]["shape"]).double()

        assert weight.sum().item() == approx(total, rel=1e-4), key
        assert weight.abs().sum().item() == approx(size, rel=1e-6), key
        assert weight.flatten()[:3].tolist() == approx(first, rel=1e-6), key
