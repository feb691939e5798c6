"""The ControlNet against the official one, and what its inputs do."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from dispose_core.errors import NetworkError
from dispose_core.guidance.control_hints import ControlHints, window_residuals
from dispose_core.models.controlnet import HybridControlNet, Residuals
from tests.rule_weights import net_inputs
from tests.tiny_nets import (
    CONFIG,
    HALF_PRECISION_SIZE,
    controlnet_state,
    golden_hints,
    make_controlnet,
    tiny_inputs,
)

SIZE = (128, 64)


@pytest.fixture(scope="module")
def net() -> HybridControlNet:
    return make_controlnet()


@pytest.fixture(scope="module")
def inputs() -> dict:
    return tiny_inputs("tcn")


@pytest.fixture(scope="module")
def hints(golden, inputs) -> ControlHints:
    return golden_hints(controlnet_state(), golden("13_controlnet_tiny"), inputs, SIZE)


def run(net, inputs, hints, rows=slice(None), official=False, **options) -> Residuals:
    """The window of all three frames, for some batch rows."""
    constants = net.constants(inputs["context"][rows], inputs["ids"][rows], 3, official)
    return window_residuals(
        net, inputs["sample"][rows], inputs["timestep"], constants, hints, range(3), **options
    )


def close(found: Residuals, expected: Residuals, **tolerance) -> None:
    assert_close([*found.down, found.mid], [*expected.down, expected.mid], **tolerance)


def without_points(hints: ControlHints) -> ControlHints:
    return ControlHints(hints.motion)


@pytest.mark.parametrize(
    ("file", "reference"),
    [("13_controlnet_tiny", True), ("own_context/13_controlnet_tiny", False)],
    ids=["official layout", "own context"],
)
def test_gives_the_official_residuals(golden, net, inputs, hints, file, reference):
    g = golden(file)
    found = run(net, inputs, hints, official=reference)

    assert len(found.down) == 12
    for k, residual in enumerate(found.down):
        assert_close(residual.numpy(), g[f"down{k}"], atol=1e-3, rtol=0)
    assert_close(found.mid.numpy(), g["mid"], atol=1e-3, rtol=0)


def test_the_two_layouts_of_the_context_differ(net, inputs, hints):
    own, official = (run(net, inputs, hints, official=r).mid for r in (False, True))

    assert (own - official).abs().max() > 0.1 * own.abs().max()


def test_cond_and_uncond_give_the_same_together_and_apart(net, inputs, hints):
    together = run(net, inputs, hints)
    apart = [run(net, inputs, hints, slice(i, i + 1)) for i in range(2)]

    close(
        Residuals(
            tuple(torch.cat(pair) for pair in zip(*(half.down for half in apart), strict=True)),
            torch.cat([half.mid for half in apart]),
        ),
        together,
        atol=5e-5,
        rtol=0,
    )


def test_hints_are_taken_by_absolute_frame(net, inputs, hints):
    constants = net.constants(inputs["context"], inputs["ids"], 2)
    sample = inputs["sample"][:, :2]
    window = window_residuals(net, sample, 1.25, constants, hints, [2, 0])

    motion = hints.motion[[2, 0]]
    points = hints.points.levels([2, 0], "cpu", torch.float32)
    close(window, net(sample, 1.25, constants, motion, points), atol=0, rtol=0)


def test_points_of_strength_0_are_points_left_out(golden, net, inputs, hints):
    arrays = golden("13_controlnet_tiny")
    none = golden_hints(controlnet_state(), arrays, inputs, SIZE, points_strength=0.0)

    left_out = run(net, inputs, without_points(hints))
    close(run(net, inputs, none), left_out, atol=0, rtol=0)
    assert (run(net, inputs, hints).mid - left_out.mid).abs().max() > 1e-3


def test_points_come_after_the_outputs_of_their_block_are_taken(net, inputs, hints):
    with_points, without = (run(net, inputs, h) for h in (hints, without_points(hints)))

    # Residuals 0…3 are conv_in and block 0; the finest level is added behind them.
    close(
        Residuals(with_points.down[:4], without.mid),
        Residuals(without.down[:4], without.mid),
        atol=0,
        rtol=0,
    )
    assert (with_points.down[4] - without.down[4]).abs().max() > 1e-3


def test_the_overall_strength_scales_every_residual(net, inputs, hints):
    full, half, none = (run(net, inputs, hints, strength=s) for s in (1.0, 0.5, 0.0))

    close(half, Residuals(tuple(r / 2 for r in full.down), full.mid / 2), atol=1e-6, rtol=0)
    assert all(not residual.any() for residual in (*none.down, none.mid))


def test_folded_multiplicity_is_4_3_2_1(net, inputs, hints):
    times = (4, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1)
    plain, folded = (run(n, inputs, hints) for n in (net, make_controlnet(fold_multiplicity=True)))

    scaled = tuple(r * t for r, t in zip(plain.down, times, strict=True))
    close(folded, Residuals(scaled, plain.mid), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float16, 0.004), (torch.bfloat16, 0.03)])
def test_half_precision_stays_near_float32(golden, net, dtype, bound):
    size = HALF_PRECISION_SIZE
    inputs = net_inputs("tcn", CONFIG, *size, 3)
    hints = golden_hints(controlnet_state(), golden("13_controlnet_tiny"), inputs, size)
    exact = run(net, inputs, hints)
    rough = run(make_controlnet().to(dtype), inputs, hints)

    for a, b in zip((*exact.down, exact.mid), (*rough.down, rough.mid), strict=True):
        assert b.dtype == dtype
        assert (a - b.float()).square().mean().sqrt() < bound * a.square().mean().sqrt()


@pytest.mark.slow  # tracing takes longer than all other tests of this file
def test_compiles_as_one_graph(net, inputs, hints):
    constants = net.constants(inputs["context"], inputs["ids"], 3)
    motion = hints.window_motion(range(3), "cpu", torch.float32)
    points = hints.points.levels(range(3), "cpu", torch.float32)
    whole = torch.compile(net, backend="eager", fullgraph=True)

    arguments = (inputs["sample"], torch.tensor(1.25), constants, motion, points)
    close(whole(*arguments), net(*arguments), atol=1e-6, rtol=0)


def test_weights_that_one_token_makes_useless_are_let_go(net):
    keys = net.state_dict()

    assert not [k for k in keys if "norm2" in k and "transformer" in k]
    assert not [k for k in keys if "attn2.to_q" in k or "attn2.to_k" in k]
    assert not [k for k in keys if "mix_factor" in k]


def test_a_text_embedding_is_refused(net, inputs):
    with pytest.raises(NetworkError, match=r"\(2, 77, 32\), needed \(batch, 1, 32\).*ViT-H"):
        net.constants(torch.zeros(2, 77, 32), inputs["ids"], 3)


def test_an_embedding_of_another_width_is_refused(net, inputs):
    with pytest.raises(NetworkError, match=r"\(2, 1, 768\), needed \(batch, 1, 32\)"):
        net.constants(torch.zeros(2, 1, 768), inputs["ids"], 3)


def test_added_ids_need_three_values_or_their_sinusoids(net, inputs):
    ids, context = inputs["ids"], inputs["context"]
    from_ids = net.constants(context, ids, 3)
    from_sinusoids = net.constants(context, net.added_sinusoids(ids), 3)

    assert_close(from_ids.added, from_sinusoids.added, atol=0, rtol=0)
    with pytest.raises(NetworkError, match=r"\(2, 4\), needed \(2, 3\)"):
        net.constants(context, torch.zeros(2, 4), 3)
    with pytest.raises(NetworkError, match=r"\(1, 3\), needed \(2, 3\)"):
        net.constants(context, ids[:1], 3)


def test_a_window_of_another_length_is_refused(net, inputs, hints):
    constants = net.constants(inputs["context"], inputs["ids"], 3)

    with pytest.raises(NetworkError, match="2 frame numbers for windows of 3 frames"):
        window_residuals(net, inputs["sample"], 1.25, constants, hints, [0, 1])
    with pytest.raises(NetworkError, match=r"\(2, 2, 8, 16, 8\), needed \(2, 3, 8"):
        window_residuals(net, inputs["sample"][:, :2], 1.25, constants, hints, range(3))


def test_latents_with_batch_and_frames_in_one_are_refused(net, inputs, hints):
    constants = net.constants(inputs["context"], inputs["ids"], 3)

    with pytest.raises(NetworkError, match=r"\(6, 8, 16, 8\), needed \(2, 3, 8"):
        window_residuals(net, inputs["sample"].flatten(0, 1), 1.25, constants, hints, range(3))
    with pytest.raises(NetworkError, match=r"\(2, 3, 8, 16\), needed \(2, 3, 8"):
        window_residuals(net, inputs["sample"][..., 0], 1.25, constants, hints, range(3))


def test_latents_without_the_images_are_refused(net, inputs, hints):
    constants = net.constants(inputs["context"], inputs["ids"], 3)

    with pytest.raises(NetworkError, match=r"\(2, 3, 4, 16, 8\), needed \(2, 3, 8"):
        window_residuals(net, inputs["sample"][:, :, :4], 1.25, constants, hints, range(3))


def test_hints_of_another_image_size_are_refused(net, inputs, hints):
    wrong = ControlHints(hints.motion[..., :4])

    with pytest.raises(NetworkError, match=r"\(3, 32, 16, 4\).*\(6, 32, 16, 8\)"):
        run(net, inputs, wrong)


def test_a_frame_outside_the_clip_is_refused(net, inputs, hints):
    constants = net.constants(inputs["context"], inputs["ids"], 3)

    with pytest.raises(NetworkError, match="0…2"):
        window_residuals(net, inputs["sample"], 1.25, constants, hints, [0, 1, 3])
