from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from pytest import approx

from dispose_core.errors import MediaError
from dispose_core.media.prepare import frame_indices, frame_stride, prepare
from dispose_core.media.resize import (
    describe_fit,
    fit_size,
    official_size,
    resize_crop,
    snap_resolution,
)
from dispose_core.pose.fit import fit_poses
from dispose_core.pose.sequence import PoseSequence

from ..conftest import GOLDENS


def assert_official(image, expected):
    """Exact, but for ties: with a single thread torch's kernel rounds a few of them elsewhere."""
    off = (image.float() - expected.float()).abs()
    assert image.shape == expected.shape and off.max() <= 1
    assert (off > 0).sum() <= (12 if torch.get_num_threads() == 1 else 0)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_matches_the_official_resize_and_crop(golden, number):  # golden 01: exact
    g = golden("01_preprocess_image")
    image = torch.from_numpy(g[f"in{number}"]).permute(2, 0, 1)
    expected = torch.from_numpy(g[f"out{number}"]).permute(2, 0, 1)
    size = official_size(tuple(image.shape[1:]), 128)

    assert size == tuple(expected.shape[1:])
    assert_official(resize_crop(image, size, official=True), expected)
    # The same image as floats, and as one of a batch.
    floats = resize_crop(image / 255, size, official=True)
    assert_official((floats * 255).round(), expected)
    assert floats.max() <= 1
    batch = resize_crop(torch.stack([image, image.flip(0)]), size, official=True)
    assert_official(batch[0], expected)


def test_matches_the_official_size_table():  # golden 01, sizes without pixels too
    table = json.loads((GOLDENS / "01_preprocess_image.json").read_text())

    assert len(table) == 10
    for row in table:
        size = official_size((row["h"], row["w"]), row["resolution"])
        assert size == (row["h_target"], row["w_target"])


@pytest.mark.parametrize(("resolution", "long"), [(576, 1024), (512, 896), (128, 192), (640, 1088)])
def test_the_official_shapes_come_out_the_same_by_default(resolution, long):
    for source, size in [
        ((1920, 1080), (long, resolution)),
        ((1080, 1920), (resolution, long)),
        ((900, 900), (resolution, resolution)),
    ]:
        assert official_size(source, resolution) == size
        assert fit_size(source, resolution) == size


def test_other_shapes_keep_theirs_instead_of_losing_a_third():
    assert official_size((1024, 768), 576) == (1024, 576)  # a quarter of the width cropped
    assert fit_size((1024, 768), 576) == (768, 576)
    assert fit_size((700, 1000), 576) == (576, 832)  # 822.9 is nearest to 13 · 64


@pytest.mark.parametrize("long", range(500, 4001, 125))
def test_every_shape_fits_the_networks_and_the_official_area(long):
    for resolution in (64, 256, 576):
        area = official_size((2, 1), resolution)[0] * resolution
        height, width = fit_size((long, 500), resolution)

        assert height % 64 == width % 64 == 0
        assert 64 <= width <= resolution and width <= height
        assert height * width <= area
        assert fit_size((500, long), resolution) == (width, height)
        if resolution == 576 and long <= 2000:  # within what one step of 64 can do
            assert height / width == approx(long / 500, rel=0.13)


def test_a_strip_is_refused():
    assert fit_size((100, 800), 576)
    with pytest.raises(MediaError, match="801×100: more than 8 times as long as wide"):
        fit_size((100, 801), 576)


def test_resolutions_snap_to_64_and_have_a_floor():
    assert [snap_resolution(n) for n in (64, 95, 96, 500, 576, 607)] == [64, 64, 128, 512, 576, 576]
    assert fit_size((1000, 1000), 500) == (512, 512)
    with pytest.raises(MediaError, match=r"resolution is 63; .* at least 64"):
        snap_resolution(63)


def test_shrinking_averages_where_the_official_code_skips():
    stripes = torch.zeros(3, 64, 256, dtype=torch.uint8)
    stripes[..., 1::4] = 200  # one bright column in four

    official = resize_crop(stripes, (16, 64), official=True)
    ours = resize_crop(stripes, (16, 64))

    assert official.unique().tolist() == [100]  # it reads columns 1 and 2 of each four
    assert ours[..., 1:-1].unique().tolist() == [50]  # a quarter of 200


def test_growing_is_the_same_either_way():
    image = torch.randint(0, 256, (3, 20, 30), generator=torch.manual_seed(0)).byte()

    assert resize_crop(image, (64, 96)).equal(resize_crop(image, (64, 96), official=True))


def test_floats_round_like_bytes_where_values_lie_halfway():
    # Twice the size mixes pixels by quarters: a quarter of all values end in .5.
    image = torch.randint(0, 256, (3, 32, 48), generator=torch.manual_seed(0)).byte()
    doubled = resize_crop(image, (64, 96))

    assert (resize_crop(image / 255, (64, 96)) * 255).round().equal(doubled.float())


def test_an_odd_overhang_is_halved_like_the_official_one():
    ramp = torch.arange(69, dtype=torch.uint8).repeat(3, 64, 1)

    assert resize_crop(ramp, (64, 64))[0, 0, 0] == 2  # 2.5 to the even neighbour
    assert resize_crop(ramp.mT, (64, 64))[0, 0, 0] == 2


def test_the_overhang_is_cropped_evenly():
    ramp = torch.arange(100, dtype=torch.uint8).repeat(3, 64, 1)  # 64 rows, 100 columns

    cropped = resize_crop(ramp, (64, 64))
    assert cropped[0, 0].tolist() == list(range(18, 82))


def test_poses_go_where_the_image_goes():
    image = torch.zeros(3, 500, 900)
    image[:, 245:255, 665:685] = 1  # centre at x 675, y 250: fractions 0.75, 0.5
    body, scores = np.full((1, 18, 2), np.nan), np.zeros((1, 18))
    body[0, 0], body[0, 1], scores[0, :2] = (0.75, 0.5), (0.0, 0.5), 0.7
    pose = PoseSequence.from_parts((500, 900), body, scores)

    fitted = resize_crop(image, (256, 320))[0]
    (moved,) = fit_poses([pose], (500, 900), (256, 320))

    rows, columns = torch.nonzero(fitted > 0.5, as_tuple=True)
    expected = (columns.float().mean() + 0.5) / 320, (rows.float().mean() + 0.5) / 256
    assert moved.points[0, 0].tolist() == approx([float(value) for value in expected], abs=2e-3)
    assert moved.points[0, 1, 0] < 0  # cropped away, yet known
    assert (moved.canvas, moved.scores[0, 0]) == ((256, 320), 0.7)


def test_the_report_says_what_is_cut_off():
    assert describe_fit((576, 1024), (576, 1024)) == "Reference 1024×576: kept as it is."
    assert describe_fit((700, 1000), (704, 1024)) == (
        "Reference 1000×700: fitted to 1024×704; 6 px cropped at the top and at the bottom."
    )
    assert describe_fit((100, 160), (64, 64)) == (
        "Reference 160×100: fitted to 64×64; 30 px cropped on the left and on the right."
    )
    assert describe_fit((500, 500), (576, 576)).endswith("fitted to 576×576; nothing cropped.")


@pytest.mark.parametrize(
    ("fps", "stride"), [(12, 2), (24, 2), (30, 2), (47.9, 2), (48, 4), (60, 4), (72, 6), (120, 10)]
)
def test_fast_videos_take_longer_steps(fps, stride):
    assert frame_stride(fps, 2) == stride


def test_frames_are_taken_from_the_first_on():
    assert list(frame_indices(5, 24, 2)) == [0, 2, 4]
    assert list(frame_indices(6, 24, 2)) == [0, 2, 4]
    assert list(frame_indices(9, 60, 2)) == [0, 4, 8]
    with pytest.raises(MediaError, match="stride is 0; it must be at least 1"):
        frame_indices(5, 24, 0)


def test_a_preparation_keeps_time():
    plan = prepare((1024, 576), frames=72, fps=Fraction(60000, 1001), sample_stride=2)

    assert (plan.size, plan.stride, plan.num_driving) == ((1024, 576), 4, 18)
    assert plan.fps == Fraction(15000, 1001)
    assert plan.num_driving / plan.fps == 72 / Fraction(60000, 1001)  # the clip lasts as long


def test_a_preparation_says_what_it_decided():
    plan = prepare((700, 1000), frames=72, fps=24, resolution=500, max_frames=10)

    assert plan.size == (512, 704) and plan.num_driving == 10
    assert plan.report.splitlines() == [
        "Resolution 500 became 512, the nearest multiple of 64.",
        "Reference 1000×700: fitted to 704×512; 19 px cropped on the left and on the right.",
        "Only the first 10 of 36 sampled frames are used.",
        "Driving video: 10 of 72 frames, every 2nd, 24 to 12 fps.",
    ]


def test_one_driving_frame_is_pointed_out():
    assert "a single pose without motion" in prepare((64, 64), frames=1, fps=24).report


def test_reference_keeps_to_the_official_shapes():
    assert prepare((1024, 768), 72, 24).size == (768, 576)
    assert prepare((1024, 768), 72, 24, official=True).size == (1024, 576)
