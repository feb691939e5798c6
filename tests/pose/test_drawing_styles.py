"""Styles of skeleton images: widths, colours and order, worked out by hand from the projects that
define them (named in `drawing/styles.py`)."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from math import atan2, degrees, hypot

import cv2
import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.render import BACKGROUNDS, STYLES, DrawOptions, draw_frame, render_poses
from dispose_core.pose.sequence import PoseSequence

every_style = pytest.mark.parametrize("style", list(STYLES))


def posed(size: tuple[int, int], **points: tuple[float, float]) -> PoseSequence:
    """A pose with confidence 1 at the named points, in pixels: p0 … p133."""
    places, scores = np.full((1, skeleton.N_POINTS, 2), np.nan), np.zeros((1, skeleton.N_POINTS))
    for name, (x, y) in points.items():
        places[0, int(name[1:])] = x / size[1], y / size[0]
        scores[0, int(name[1:])] = 1.0
    return PoseSequence(places, scores, size)


def random_people(seed: int, count: int = 1, feet: bool = True) -> list[PoseSequence]:
    rng = np.random.default_rng(seed)
    people = []
    for _ in range(count):
        points = rng.uniform(-0.1, 1.1, (1, skeleton.N_POINTS, 2))
        scores = rng.uniform(0.05, 1.0, (1, skeleton.N_POINTS))
        if not feet:
            scores[:, skeleton.FEET_SLICE] = 0
        people.append(PoseSequence(points, scores, (100, 100)))
    return people


def drawn(people, size, style, **options) -> np.ndarray:
    return draw_frame(people, 0, size, DrawOptions(style=style, **options))


def column(image: np.ndarray, x: int) -> list[tuple[int, ...]]:
    """Colours in a column that are not black, from the top."""
    return [tuple(colour) for colour in image[:, x].tolist() if any(colour)]


def limb_thickness(style: str, size: tuple[int, int]) -> int:
    """Of the right upper arm, drawn from left to right, where it is widest."""
    height, width = size
    arm = posed(size, p2=(width // 4, height // 2), p3=(3 * width // 4, height // 2))
    return len(column(drawn([arm], size, style), width // 2))


def aux_drawing(people: list[PoseSequence], size: tuple[int, int], half_width: int) -> np.ndarray:
    """ControlNet Aux word for word: each person's body, left and right hand, face."""
    height, width = size
    canvas = np.zeros((height, width, 3), np.uint8)
    for person in people:
        at = [
            (x * width, y * height) if score >= 0.3 else None
            for (x, y), score in zip(person.points[0], person.scores[0], strict=True)
        ]
        for limb, (a, b) in enumerate(skeleton.LIMBS):
            if at[a] and at[b]:
                (x0, y0), (x1, y1) = at[a], at[b]
                polygon = cv2.ellipse2Poly(
                    (int((x0 + x1) / 2), int((y0 + y1) / 2)),
                    (int(hypot(x0 - x1, y0 - y1) / 2), half_width),
                    int(degrees(atan2(y0 - y1, x0 - x1))), 0, 360, 1,
                )  # fmt: skip
                cv2.fillConvexPoly(canvas, polygon, [int(c * 0.6) for c in skeleton.COLOURS[limb]])
        for joint in range(18):
            if at[joint]:
                centre = int(at[joint][0]), int(at[joint][1])
                cv2.circle(canvas, centre, 4, skeleton.COLOURS[joint], -1)
        for hand in (at[18:39], at[39:60]):
            spots = [p and (int(p[0]), int(p[1])) for p in hand]
            spots = [p if p and min(p) > 0.01 else None for p in spots]
            for e, (a, b) in enumerate(skeleton.HAND_EDGES):
                if spots[a] and spots[b]:
                    colour = [c * 255 for c in hsv_to_rgb(e / 20, 1, 1)]
                    cv2.line(canvas, spots[a], spots[b], colour, 2)
            for spot in filter(None, spots):
                cv2.circle(canvas, spot, 4, (0, 0, 255), -1)
        for point in filter(None, at[60:128]):
            spot = int(point[0]), int(point[1])
            if min(spot) > 0.01:
                cv2.circle(canvas, spot, 3, (255, 255, 255), -1)
    return canvas


@pytest.mark.parametrize("size", [(576, 1024), (512, 512), (192, 320)])
def test_dwpose_is_the_drawing_of_controlnet_aux(size):
    people = random_people(seed=size[0], count=2)

    image = drawn(people, size, "dwpose")

    # Rounding to float32 moves a point by one pixel once in about a million.
    assert (image != aux_drawing(people, size, 4)).any(-1).mean() < 1e-4


def test_xinsir_widens_limbs_with_the_long_side():
    for longest, half in ((499, 4), (500, 8), (999, 8), (1000, 12), (2000, 16), (5000, 28)):
        assert limb_thickness("dwpose-xinsir", (200, longest)) == 2 * half + 1, longest
    people = random_people(seed=1)
    image = drawn(people, (300, 600), "dwpose-xinsir")
    assert (image != aux_drawing(people, (300, 600), 8)).any(-1).mean() < 1e-4


def test_sdpose_draws_limbs_bright_and_nothing_that_leaves_the_image():
    size = (100, 200)
    arm = posed(size, p2=(50, 50), p3=(150, 50), p4=(210, 50), p39=(190, 80), p40=(201, 80))

    image = drawn([arm], size, "sdpose")

    assert column(image, 100) == [(255, 170, 0)] * 9  # limb 2
    assert set(column(image, 197)) == {(255, 255, 0)}  # the lower arm, but not the wrist
    assert image[80, 190].tolist() == [0, 0, 255]  # the point of the hand, but not its edge
    assert not image[80, 196].any()


def test_wan_animate_widths_follow_the_short_side():
    """max(short side // 200 - 1, 1) to each side of the middle, half of that in the hands."""
    for size, body, hand in (
        ((480, 832), 1, 1),
        ((599, 700), 1, 1),
        ((600, 700), 2, 1),
        ((720, 1280), 2, 1),
        ((1280, 1000), 4, 2),
    ):
        assert limb_thickness("wan-animate", size) == 2 * body + 1, size
        joint = drawn([posed(size, p0=(200, 200))], size, "wan-animate")
        assert len(column(joint, 200)) == 2 * body + 1
        finger = drawn([posed(size, p18=(100, 200), p19=(300, 200))], size, "wan-animate")
        assert len(column(finger, 100)) == 2 * hand + 1  # the point's radius is the line's width
        # OpenCV draws lines of 2 pixels 3 wide.
        assert len(column(finger, 200)) == {1: 1, 2: 3}[hand]


def test_wan_animate_colours():
    size = (480, 832)
    for number, (a, b) in enumerate(skeleton.LIMBS):
        limb = posed(size, **{f"p{a}": (200, 240), f"p{b}": (600, 240)})
        image = drawn([limb], size, "wan-animate")
        dimmed = [int(0.6 * c) for c in skeleton.COLOURS[number]]
        assert image[240, 400].tolist() == dimmed
        assert image[240, 200].tolist() == list(skeleton.COLOURS[a])
        assert image[240, 600].tolist() == list(skeleton.COLOURS[b])

    # Left ankle 13 to the middle of the left toes 128, 129, and the same on the right.
    for ankle, toe, limb, joint in (
        (13, 128, (153, 0, 51), (200, 200, 0)),
        (10, 131, (120, 120, 0), (100, 100, 0)),
    ):
        at = {f"p{ankle}": (200, 240), f"p{toe}": (590, 230), f"p{toe + 1}": (610, 250)}
        image = drawn([posed(size, **at)], size, "wan-animate")
        assert image[240, 400].tolist() == list(limb)
        assert image[240, 600].tolist() == list(joint)
        del at[f"p{toe + 1}"]  # MediaPipe finds one toe
        image = drawn([posed(size, **at)], size, "wan-animate")
        assert image[230, 590].tolist() == list(joint)

    hand = drawn([posed(size, p39=(200, 240), p40=(400, 240))], size, "wan-animate")
    assert hand[240, 300].tolist() == [255, 0, 0]  # the first of 20 hues
    assert hand[240, 200].tolist() == [0, 0, 255]


def test_wan_animate_draws_limbs_then_joints_then_hands():
    size = (480, 832)
    crossing = posed(
        size, p1=(400, 100), p2=(400, 300), p3=(300, 200), p4=(500, 200), p0=(400, 250),
        p18=(395, 250), p19=(405, 250),
    )  # fmt: skip
    image = drawn([crossing], size, "wan-animate")
    assert image[290, 400].tolist() == [153, 0, 0]  # limb 0
    assert image[200, 350].tolist() == [153, 153, 0]  # limb 3
    assert image[200, 400].tolist() == [0, 0, 153]  # limb 12 over both
    assert image[250, 400].tolist() == [255, 0, 0]  # the finger over the nose
    assert image[251, 400].tolist() == list(skeleton.COLOURS[0])  # the nose over the limbs


def test_wan_animate_needs_confidence_one_half_and_draws_no_face():
    size = (480, 832)
    limb = posed(size, p2=(200, 240), p3=(600, 240))
    for score, seen in ((0.5, True), (0.499, False)):
        image = drawn([limb.with_points(limb.points, limb.scores * score)], size, "wan-animate")
        assert bool(image[240, 400].any()) is seen
        if seen:  # confidence does not dim
            assert image[240, 400].tolist() == [153, 102, 0]
    assert not drawn([posed(size, p70=(200, 240))], size, "wan-animate").any()


def test_vace_draws_at_1024_pixels_and_steadydancer_at_twice_the_size():
    size = (480, 832)
    # 1024 × 1792 (1774.9 in multiples of 64), then 480 × 832.
    nose = posed((1024, 1792), p0=(896, 512))
    canvas = np.zeros((1024, 1792, 3), np.uint8)
    cv2.circle(canvas, (896, 512), 4, (0, 0, 255), -1)
    expected = cv2.resize(canvas, (832, 480), interpolation=cv2.INTER_AREA)
    assert np.array_equal(drawn([nose], size, "vace"), expected)

    canvas = np.zeros((960, 1664, 3), np.uint8)
    cv2.circle(canvas, (832, 480), 4, (0, 0, 255), -1)
    halved = canvas.reshape(480, 2, 832, 2, 3).mean((1, 3))
    assert np.abs(drawn([nose], size, "steadydancer") - halved).max() <= 0.5


def test_unianimate_draws_toes_in_its_own_colours():
    size = (512, 512)
    foot = posed(size, p10=(100, 240), p131=(290, 230), p132=(310, 250))
    image = drawn([foot], size, "unianimate")
    assert image[240, 200].tolist() == [153, 153, 102]  # (170, 255, 255) · 0.6, swapped
    assert image[240, 300].tolist() == [0, 255, 255]  # (255, 255, 0), swapped


@pytest.mark.parametrize("style", ["unianimate", "steadydancer", "wan-animate"])
def test_models_of_one_person_get_the_first(style):
    first, second = random_people(5), random_people(6)
    assert np.array_equal(
        drawn([*first, *second], (96, 128), style), drawn(first, (96, 128), style)
    )


@every_style
def test_every_style_draws_on_every_background(style):
    people = random_people(7)
    on_black = drawn(people, (96, 128), style)
    for background, grey in BACKGROUNDS.items():
        empty = drawn([PoseSequence.empty(1, (10, 10))], (96, 128), style, background=background)
        assert empty.shape == (96, 128, 3) and (empty == grey).all()
        image = drawn(people, (96, 128), style, background=background)
        assert (image != grey).any()
        assert np.array_equal(image, on_black) is (background == "black")


@every_style
def test_parts_of_every_style_can_be_left_out(style):
    person, size = random_people(8)[0], (256, 256)
    feet = skeleton.FEET_SLICE
    for part, name in (
        (skeleton.BODY_SLICE, "body"),
        (skeleton.HANDS_SLICE, "hands"),
        (skeleton.FACE_SLICE, "face"),
    ):
        scores = np.zeros_like(person.scores)
        scores[:, part] = person.scores[:, part]
        if name == "body":
            scores[:, feet] = person.scores[:, feet]
        alone = person.with_points(person.points, scores)
        others = {key: key == name for key in ("body", "hands", "face")}
        assert np.array_equal(drawn([person], size, style, **others), drawn([alone], size, style))


@every_style
def test_frames_of_a_clip_are_drawn_as_alone_in_every_style(style):
    one, two = random_people(9)[0], random_people(10)[0]
    clip = PoseSequence(
        np.concatenate([one.points, two.points]), np.concatenate([one.scores, two.scores]), (9, 9)
    )
    frames = list(render_poses([clip], (96, 64), DrawOptions(style=style)))
    assert np.array_equal(frames[0], drawn([one], (96, 64), style))
    assert np.array_equal(frames[1], drawn([two], (96, 64), style))


@every_style
@pytest.mark.parametrize("value", [1e3, -1e300])
def test_wild_points_are_left_out_in_every_style(style, value):
    person = random_people(11)[0]
    points, scores = person.points.copy(), person.scores.copy()
    points[0, [4, 25, 70, 128]] = value
    scores[0, [4, 25, 70, 128]] = 0.0
    tame = person.with_points(points, scores)
    scores = np.where(scores == 0, 0.9, scores)
    wild = person.with_points(points, scores)
    assert np.array_equal(drawn([wild], (64, 48), style), drawn([tame], (64, 48), style))


def test_an_unknown_style_is_refused():
    with pytest.raises(PoseError, match=r"drawing style 'aapose' is not known. Choose one of: mim"):
        drawn(random_people(1), (64, 64), "aapose")
