"""The released sizes, goldens 15 and 16: minutes and 8 GB, so not in the default run."""

from __future__ import annotations

import gc
import json

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dispose_core.guidance.control_hints import window_residuals
from dispose_core.models.controlnet import HybridControlNet, Residuals
from dispose_core.models.mimicmotion import build_unet
from dispose_core.models.svd_sizes import HEAD_CHANNELS, build_for
from tests.rule_weights import net_inputs, rnd, rule_state
from tests.tiny_nets import GOLDENS, golden_hints, manifest

pytestmark = pytest.mark.slow

SIZE = (128, 128)
CONFIG = {"cross_attention_dim": 1024, "block_out_channels": (320, 640, 1280, 1280)}
LAYOUTS = (("", True), ("own_context/", False))


def check_weights(state, name: str, prefix: str = "") -> None:
    for key, (total, absolute, first) in json.loads((GOLDENS / name).read_text()).items():
        values = state[key[len(prefix) :]].double().flatten()
        found = [values.sum(), values.abs().sum(), *values[:3]]
        assert [v.item() for v in found] == pytest.approx([total, absolute, *first], rel=1e-6)


@torch.no_grad()
def test_the_full_controlnet_gives_the_official_residuals(golden):
    state = rule_state(manifest("controlnet"))
    check_weights(state, "weights_check_controlnet.json")
    inputs = net_inputs("fcn", CONFIG, *SIZE, 3)
    hints = golden_hints(state, golden("15_controlnet_full"), inputs, SIZE)
    state = {k: v for k, v in state.items() if not k.startswith(("controlnet_cond", "point_"))}
    shapes = {key: value.shape for key, value in state.items()}
    net = build_for(HybridControlNet, shapes, "full", HEAD_CHANNELS)
    net.load_state_dict(state, assign=True)
    for folder, reference in LAYOUTS:
        g = golden(f"{folder}15_controlnet_full")
        constants = net.constants(inputs["context"], inputs["ids"], 3, reference)
        found = window_residuals(
            net, inputs["sample"], inputs["timestep"], constants, hints, range(3)
        )
        for k, residual in enumerate((*found.down, found.mid)):
            values = residual.flatten()
            picked = np.arange(512) * values.numel() // 512
            assert list(residual.shape) == g[f"out{k}_shape"].tolist()
            assert_close(values[picked].numpy(), g[f"out{k}_samples512"], atol=2e-3, rtol=0)
            values = values.double()
            stats = [values.mean(), values.std(correction=0), values.abs().max()]
            assert_close(
                np.array([s.item() for s in stats]), g[f"out{k}_stats"][:3], atol=2e-3, rtol=0
            )


@torch.no_grad()
def test_the_full_unet_gives_the_official_prediction(golden):
    gc.collect()  # the other network's weights
    shapes = manifest("mimicmotion_unet_posenet", "unet.")
    net = build_unet(shapes, "full")
    state = rule_state(shapes, "unet.")
    check_weights(state, "weights_check_unet.json", "unet.")
    net.load_state_dict(state, assign=True)
    del state
    inputs = net_inputs("fun", CONFIG, *SIZE, 3)
    sizes = golden("15_controlnet_full")
    residuals = Residuals(
        tuple(rnd(f"fun_res_{k}", sizes[f"out{k}_shape"].tolist(), 0.1) for k in range(12)),
        rnd("fun_res_mid", sizes["out12_shape"].tolist(), 0.1),
    )
    for folder, reference in LAYOUTS:
        constants = net.constants(inputs["context"], inputs["ids"], 3, reference)
        found = net(
            inputs["sample"],
            inputs["timestep"],
            constants,
            inputs["pose_latents"][3:],
            residuals=residuals,
        )
        assert_close(found.numpy(), golden(f"{folder}16_unet_full")["out"], atol=1e-3, rtol=0)
