from __future__ import annotations

from colorsys import hsv_to_rgb
from math import atan2, degrees, hypot

import cv2
import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.alignment.align import align_poses
from dispose_core.pose.drawing.mimicmotion import MimicMotionPainter, draw_body
from dispose_core.pose.render import DrawOptions, draw_frame, render_poses
from dispose_core.pose.sequence import PoseSequence


def drawn_literally(people: list[PoseSequence], size: tuple[int, int]) -> np.ndarray:
    """docs/reference_behaviour.md#skeleton-drawing word for word: whole canvas, dimmed afterwards,
    channels swapped at the end."""
    height, width = size
    ratio = 2160 / min(height, width)
    canvas = np.zeros((int(height * ratio), int(width * ratio), 3), np.uint8)
    hc, wc = canvas.shape[:2]
    for limb, (a, b) in enumerate(skeleton.LIMBS):
        for person in people:
            s0, s1 = person.body_scores[0, [a, b]]
            if min(s0, s1) <= 0.3:
                continue
            (y0, x0), (y1, x1) = person.body[0, [a, b]] * (wc, hc)
            polygon = cv2.ellipse2Poly(
                (int((y0 + y1) / 2), int((x0 + x1) / 2)),
                (int(hypot(x0 - x1, y0 - y1) / 2), 4),
                int(degrees(atan2(x0 - x1, y0 - y1))), 0, 360, 1,
            )  # fmt: skip
            cv2.fillConvexPoly(canvas, polygon, [int(c * s0 * s1) for c in skeleton.COLOURS[limb]])
    canvas = (canvas * 0.6).astype(np.uint8)
    for joint in range(18):
        for person in people:
            score = person.body_scores[0, joint]
            if score > 0.3:
                x, y = person.body[0, joint] * (wc, hc)
                colour = [int(c * score) for c in skeleton.COLOURS[joint]]
                cv2.circle(canvas, (int(x), int(y)), 4, colour, -1)
    for side in (0, 1):
        for person in people:
            points, scores = person.hands[0, side] * (wc, hc), person.hands_scores[0, side]
            spots = [
                None if s == 0 else (int(x), int(y))
                for (x, y), s in zip(points, scores, strict=True)
            ]
            for e, (a, b) in enumerate(skeleton.HAND_EDGES):
                if spots[a] and spots[b] and min(*spots[a], *spots[b]) > 0.01:
                    brightness = int(scores[a] * scores[b] * 255)
                    colour = [c * brightness for c in hsv_to_rgb(e / 20, 1, 1)]
                    cv2.line(canvas, spots[a], spots[b], colour, 2)
            for spot, s in zip(spots, scores, strict=True):
                if spot and min(spot) > 0.01:
                    cv2.circle(canvas, spot, 4, (0, 0, int(s * 255)), -1)
    for person in people:
        for (x, y), s in zip(person.face[0] * (wc, hc), person.face_scores[0], strict=True):
            if s > 0 and min(int(x), int(y)) > 0.01:
                cv2.circle(canvas, (int(x), int(y)), 3, [int(s * 255)] * 3, -1)
    return cv2.resize(canvas, (width, height))[:, :, ::-1]


def random_people(seed: int, count: int) -> list[PoseSequence]:
    rng = np.random.default_rng(seed)
    people = []
    for _ in range(count):
        points = rng.random((1, 128, 2)) * 1.6 - 0.3
        scores = rng.random((1, 128)) * (rng.random((1, 128)) > 0.15)
        people.append(PoseSequence(points, scores, (100, 100)))
    return people


@pytest.mark.parametrize("name", ["p0", "p1", "p2", "p3_outside", "p4_allmissing", "p5_full"])
def test_matches_the_official_images(golden, official_people, name):
    g = golden("04_drawing")
    expected = g[f"{name}_out"]  # (3, H, W)

    image = draw_frame(official_people(g, [name]), 0, expected.shape[1:])

    assert np.array_equal(image.transpose(2, 0, 1), expected)


def test_matches_the_official_body_layer(golden, official_people):
    g = golden("04_drawing")
    canvas = np.zeros((216, 144, 3), np.uint8)
    people = official_people(g, ["p0"])

    draw_body(canvas, [(person.body[0] * (144, 216), person) for person in people])

    assert np.array_equal(canvas[..., ::-1], g["body_only_canvas_216x144_bgrorder_raw"])


@pytest.mark.parametrize("size", [(576, 1024), (1024, 576), (512, 512), (192, 320), (704, 448)])
def test_is_the_literal_drawing_at_other_sizes(size):
    people = random_people(seed=size[0], count=2)

    assert np.array_equal(draw_frame(people, 0, size), drawn_literally(people, size))


def test_frames_do_not_leave_traces_in_one_another():
    people = random_people(1, 1)[0]
    others = random_people(2, 1)[0]
    clip = PoseSequence(
        np.concatenate([people.points, others.points]),
        np.concatenate([people.scores, others.scores]),
        (100, 100),
    )
    ticks = []

    frames = list(render_poses([clip], (128, 96), on_frame=lambda *at: ticks.append(at)))

    assert [f.shape for f in frames] == [(128, 96, 3)] * 2
    assert np.array_equal(frames[1], draw_frame([others], 0, (128, 96)))
    assert ticks == [(1, 2), (2, 2)]


def test_parts_can_be_left_out():
    people = random_people(3, 1)
    pose = people[0]
    size = (128, 96)

    for options, part in (
        (DrawOptions(hands=False, face=False), skeleton.BODY_SLICE),
        (DrawOptions(body=False, face=False), skeleton.HANDS_SLICE),
        (DrawOptions(body=False, hands=False), skeleton.FACE_SLICE),
    ):
        scores = np.zeros_like(pose.scores)
        scores[:, part] = pose.scores[:, part]
        alone = pose.with_points(pose.points, scores)
        image = draw_frame(people, 0, size, options)
        assert image.any()
        assert np.array_equal(image, draw_frame([alone], 0, size))


def test_the_right_upper_arm_is_orange_and_the_colours_are_rgb(standing):
    """Limb 2 is (255, 170, 0) on the canvas, dimmed to 60 %; the output order is reversed."""
    pose = standing()
    pose = pose.with_points(pose.points, (pose.scores > 0) * 1.0)
    size = (2160, 2160)  # the canvas itself
    middle = (pose.body[0, 2] + pose.body[0, 3]) / 2 * 2160

    assert draw_frame([pose], 0, size)[int(middle[1]), int(middle[0])].tolist() == [0, 102, 153]


def test_a_clip_of_nobody_is_black(standing):
    assert not draw_frame([PoseSequence.empty(1, (10, 10))], 0, (64, 64)).any()
    assert not draw_frame([], 0, (64, 64)).any()


def test_hand_and_face_points_are_drawn_from_pixel_one_of_the_canvas_on():
    """Pixels of the canvas are pixels of the image at 2160×2160.

    See docs/reference_behaviour.md#skeleton-drawing: `> 0.01`.
    """
    size = (2160, 2160)
    for point in (20, 70):
        for x, drawn in ((0.9, False), (1.1, True)):
            points, scores = np.zeros((1, 128, 2)), np.zeros((1, 128))
            points[0, point], scores[0, point] = (x / 2160, 0.5), 1.0
            assert draw_frame([PoseSequence(points, scores, size)], 0, size).any() == drawn


@pytest.mark.parametrize("value", [1e3, -1e3, 1e12, -1e300])
def test_a_wild_point_is_left_out_and_the_rest_is_drawn(value):
    wild, tame = random_people(4, 1)[0], random_people(4, 1)[0]
    points, scores = wild.points.copy(), wild.scores.copy()
    points[0, [4, 25, 70]] = value
    scores[0, [4, 25, 70]] = 0.9
    wild = wild.with_points(points, scores)
    scores = tame.scores.copy()
    scores[0, [4, 25, 70]] = 0.0
    tame = tame.with_points(tame.points, scores)

    assert np.array_equal(draw_frame([wild], 0, (64, 48)), draw_frame([tame], 0, (64, 48)))


def test_an_image_without_area_is_refused(standing):
    with pytest.raises(PoseError, match="pose image: 64×0 pixels, needed at least 1×1"):
        draw_frame([standing()], 0, (0, 64))


def test_matches_the_official_clips(golden, official_people, alignment_cases):
    """The images of golden 03, from the official aligned body and face."""
    g = golden("03_alignment")
    for case in alignment_cases:
        name, size = case["name"], tuple(case["ref_hw"])
        frames = [f"{name}_in{i}" for i in range(len(case["frame_indices"]))]
        driving = official_people(g, frames, tuple(case["vid_hw"]))
        aligned, _ = align_poses(official_people(g, [f"{name}_ref"]), driving, size, official=True)
        drawn = np.stack(list(render_poses(aligned, size))).transpose(0, 3, 1, 2)
        assert np.array_equal(drawn, g[f"{name}_pose_pixels"])


@pytest.mark.parametrize("size", [(1, 8192), (8192, 1), (64, 8192)])
def test_a_long_canvas_needs_no_more_than_one_of_eight_to_one(size, standing):
    longest = 2160 * 8 * 2160 * 3
    assert MimicMotionPainter(size).pixels.nbytes <= longest
    assert next(render_poses([standing()], size)).shape == (*size, 3)


def test_canvases_up_to_eight_to_one_are_as_large_as_ever():
    assert MimicMotionPainter((72, 576)).pixels.shape == (2160, 17280, 3)
    assert MimicMotionPainter((1024, 576)).pixels.shape == (3840, 2160, 3)
