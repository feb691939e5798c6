"""Feet that rest in the driver rest in the result, on a person who walks through the image."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from dispose_core.pose import skeleton
from dispose_core.pose.alignment.align import AlignOptions, align_poses
from dispose_core.pose.alignment.foot_contact import _blend
from dispose_core.pose.sequence import PoseSequence

SIZE = (600, 1000)
PERIOD, SPEED = 32, 5.0  # frames a double step, pixels a frame
FEET = [10, 13]


def walker(frames: int = 96, build: float = 1.0, legs: float = 1.0) -> PoseSequence:
    """A person seen from the side who walks to the right; each foot stands for half a period.

    Hips at the height 290 over the ground at y = 620, thighs and shins of 150 px.
    """
    t = np.arange(frames)
    hip = np.stack([150 + SPEED * t, np.full(frames, 330.0)], -1)
    body = np.repeat(hip[:, None], skeleton.N_BODY, 1)
    body[:, 1] += (5, -150)
    body[:, [2, 5]] = body[:, [1]] + np.array([(-9, 1), (9, 1)])
    for shoulder, side in ((2, -1), (5, 1)):
        angle = np.pi / 2 + side * 0.5 * np.sin(2 * np.pi * t / PERIOD)
        way = np.stack([np.cos(angle), np.sin(angle)], -1)
        body[:, shoulder + 1] = body[:, shoulder] + 70 * way
        body[:, shoulder + 2] = body[:, shoulder + 1] + 60 * way
    body[:, 0] = body[:, 1] + (12, -50)
    body[:, 14:18] = body[:, [0]] + np.array([(-5, -8), (-4, -8), (-22, -5), (-21, -5)])
    for knee, phase in ((9, 0.0), (12, 0.5)):
        step, within = np.divmod(t / PERIOD + phase, 1.0)
        swing = np.clip(2 * within - 1, 0, 1)
        x = 150 + SPEED * PERIOD * (step - phase + 0.25 + swing**2 * (3 - 2 * swing))
        ankle = np.stack([x, 620 - 40 * np.sin(np.pi * swing)], -1)
        way = (ankle - hip) @ (1, 1j)
        bent = 150 * np.exp(1j * (np.angle(way) - np.arccos(np.abs(way) / 300)))
        body[:, knee] = hip + np.stack([bent.real, bent.imag], -1)
        body[:, knee + 1] = ankle
    short = np.full(skeleton.N_BODY, build)
    short[[9, 10, 12, 13]] *= legs
    scaled = body.copy()
    for parent, child in skeleton.LIMBS:
        scaled[:, child] = scaled[:, parent] + (body[:, child] - body[:, parent]) * short[child]
    return PoseSequence.from_parts(SIZE, scaled / SIZE[::-1], np.full((frames, 18), 0.9))


def retarget(reference, driving, **options) -> tuple[np.ndarray, list[str]]:
    """Joints in pixels, and the report."""
    aligned, report = align_poses([reference], [driving], SIZE, AlignOptions("limbs", **options))
    return aligned[0].body * SIZE[::-1], report


def steps(joints: np.ndarray) -> np.ndarray:
    return np.hypot(*np.moveaxis(np.diff(joints, axis=0), -1, 0))


@pytest.mark.parametrize(("build", "legs"), [(0.6, 1.0), (0.8, 0.75), (1.1, 1.2)])
def test_feet_of_another_build_do_not_slide(build, legs):
    driving = walker()
    rests = steps(driving.body[:, FEET] * SIZE[::-1]) < 0.5

    body, _ = retarget(walker(1, build, legs), driving)

    assert rests.sum() == 95
    assert steps(body[:, FEET])[rests].max() < 0.2
    # Every stand is on one height: nobody sinks or climbs.
    standing = np.concatenate([body[1:, foot, 1][rests[:, i]] for i, foot in enumerate(FEET)])
    assert np.ptp(standing) < 0.5


def test_the_walk_goes_as_far_as_the_legs_are_long():
    body, _ = retarget(walker(1, 0.8, 0.75), walker())

    # Trunk 150 px at 0.8 and legs 300 px at 0.6.
    scale = (150 * 0.8 + 300 * 0.6) / 450
    assert body[-1, 8, 0] - body[0, 8, 0] == pytest.approx(95 * SPEED * scale, rel=0.05)


def test_the_root_does_not_jump_from_one_foot_to_the_other():
    body, _ = retarget(walker(1, 0.8, 0.75), walker())

    hips = body[:, 8]
    assert np.hypot(*np.diff(hips, 2, axis=0).T).max() < 1.0
    assert steps(hips).max() < 1.2 * SPEED


def test_bones_give_less_than_two_percent(standing):
    reference = walker(1, 0.8, 0.75)

    body, _ = retarget(reference, walker())

    there = reference.body[0] * SIZE[::-1]
    for a, b in ((8, 9), (9, 10), (11, 12), (12, 13)):
        ratio = np.hypot(*(body[:, a] - body[:, b]).T) / np.hypot(*(there[a] - there[b]))
        assert np.abs(ratio - 1).max() < 0.0151


def test_tremble_of_a_detector_does_not_move_a_foot_that_stands():
    driving, rng = walker(), np.random.default_rng(0)
    rests = steps(driving.body[:, FEET] * SIZE[::-1]) < 0.5
    noisy = driving.with_points(driving.points + rng.normal(0, 1.5, (96, 134, 2)) / SIZE[::-1])

    body, _ = retarget(walker(1, 0.6), noisy, smoothing=2.0)

    slide = steps(body[:, FEET])[rests]
    assert np.median(slide) < 1e-6 and slide.mean() < 0.3


def test_a_jump_leaves_the_ground_and_comes_back_to_it():
    driving = walker(1)[[0] * 30]
    height = np.clip(1 - ((np.arange(30) - 15) / 7) ** 2, 0, None) * 100
    points = driving.points - np.stack([np.zeros(30), height / SIZE[0]], -1)[:, None]

    body, _ = retarget(walker(1, 0.5), driving.with_points(points))

    assert body[15, 10, 1] - body[0, 10, 1] == pytest.approx(-50, abs=1e-6)
    assert body[[0, 29], 10, 1] == pytest.approx([body[0, 10, 1]] * 2, abs=0.1)


def test_a_camera_that_pans_takes_standing_feet_along():
    driving = walker(1)[[0] * 60]
    pan = np.linspace(0, 60, 60)[:, None, None] / SIZE[1] * (1, 0)

    body, _ = retarget(walker(1, 0.5), driving.with_points(driving.points + pan))

    assert np.diff(body[:, 10, 0]) == pytest.approx(np.full(59, 30 / 59), abs=1e-6)


def test_the_person_stands_on_the_reference_s_ground_when_the_driver_starts_with_bent_knees():
    """The driver crouches in frame 0, seen from the front: thighs point at the camera."""
    driving = walker(1)[[0] * 20]
    points = driving.points.copy()
    drop = np.linspace(80, 0, 20)[:, None, None] / SIZE[0] * (0, 1)
    above = [i for i in range(18) if i not in (9, 10, 12, 13)]
    points[:, above] += drop
    points[:, [9, 12]] += drop / 2
    reference = walker(1)

    body, _ = retarget(reference, driving.with_points(points))

    ground = (reference.body[0] * SIZE[::-1])[FEET, 1]
    assert np.abs(body[:, FEET, 1].max(1) - ground.max()).max() < 1.0


def test_a_foot_that_slips_for_a_frame_still_stands():
    points = walker(1)[[0] * 20].points
    points[10, 10] += np.array([6, 0]) / SIZE[::-1]

    body, report = retarget(walker(1), walker(20).with_points(points))

    assert "right in 20, left in 20 of 20 frames" in report[-1]
    assert steps(body[:, FEET]).max() < 1e-6


def test_a_foot_that_turns_round_in_the_air_does_not_rest():
    """The left shin swings by half a radian to both sides in 30 frames."""
    driving = walker(1)[[0] * 60]
    at = driving.points * SIZE[::-1]
    angle = np.pi / 2 + 0.5 * np.sin(2 * np.pi * np.arange(60) / 30)
    at[:, 13] = at[:, 12] + 150 * np.stack([np.cos(angle), np.sin(angle)], -1)

    body, report = retarget(walker(1, 0.7), driving.with_points(at / SIZE[::-1]))

    assert "right in 60, left in 0 of 60 frames" in report[-1]
    shin = body[:, 13] - body[:, 12]
    np.testing.assert_allclose(np.arctan2(shin[:, 1], shin[:, 0]), angle, atol=1e-9)


def test_a_foot_in_the_air_goes_with_the_body_over_the_foot_that_stands():
    """The driver bends the knee towards the camera: all but the right leg goes down by 60 px."""
    points = walker(1)[[0] * 20].points
    drop = 60 / SIZE[0]
    points[:, [i for i in range(18) if i not in (9, 10)], 1] += drop
    points[:, 9, 1] += drop / 2
    points[:, 13, 1] -= 180 / SIZE[0]

    body, _ = retarget(walker(1), walker(20).with_points(points))

    # As long as the bones are, nothing of the bend can be seen: the foot stays beside the knee.
    assert body[0, 10, 1] == pytest.approx(620, abs=0.5)
    way = (points[0, 13] - points[0, 12]) * SIZE[::-1]
    ours = body[0, 13] - body[0, 12]
    assert np.arctan2(*ours) == pytest.approx(np.arctan2(*way), abs=1e-3)


def test_a_foot_held_in_the_air_keeps_still_without_lifting_the_body():
    driving = walker(1)[[0] * 20]
    points = driving.points.copy()
    points[:, 13] -= np.array([0, 120]) / SIZE[::-1]

    body, report = retarget(walker(1, 0.7), driving.with_points(points))

    assert steps(body[:, FEET]).max() < 1e-6
    assert report[-1] == (
        "feet kept where they rest: right in 20, left in 20 of 20 frames; the body moved by up to "
        "0 px for it"
    )


def test_a_driver_who_never_stands_moves_by_the_root():
    driving = walker(40)
    running = driving.points + (np.arange(40) * 6)[:, None, None] / SIZE[::-1] * (1, 0)

    body, report = retarget(walker(1), driving.with_points(running))

    assert report[-1] == "no foot of the driving person rests; nothing is kept on the ground"
    assert body[-1, 8, 0] - body[0, 8, 0] == pytest.approx(39 * (SPEED + 6), rel=1e-6)


def test_a_long_clip_takes_memory_in_proportion():
    """80,000 frames of a person who stands asked for 43 GB."""

    def peak(frames: int) -> int:
        tracemalloc.start()
        _blend(np.ones(frames), np.ones(frames, bool))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(4000) < 15 * peak(400)
