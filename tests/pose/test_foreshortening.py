"""Bones, hands and faces that are foreshortened or differ, in the methods "limbs" and "fit"."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dispose_core.pose import skeleton
from dispose_core.pose.alignment.align import align_poses
from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import PoseSequence
from tests.pose.dancers import CHILD, SIZE, dancing, lengths, of_other_build, pixels, retarget


def foreshortened(pose: PoseSequence, bone: tuple[int, int], share: float, frames=slice(None)):
    """The pose with `bone` (parent, child) shorter; what hangs on the child moves along."""
    points = pose.points.copy()
    parent, child = bone
    way = (points[frames, child] - points[frames, parent]) * (share - 1)
    hanging = {
        3: [3, 4, *range(39, 60)], 4: [4, *range(39, 60)],
        6: [6, 7, *range(18, 39)], 7: [7, *range(18, 39)],
        9: [9, 10], 10: [10], 12: [12, 13], 13: [13],
    }.get(child, [child])  # fmt: skip
    points[frames, hanging] += way[:, None]
    return pose.with_points(points)


@pytest.mark.parametrize(
    "bones, share",
    [
        ([(3, 4)], 0.06),  # one forearm at the camera: the other side has its length
        ([(2, 3)], 0.5),
        ([(3, 4), (6, 7)], 0.06),  # both: the driver's forearms against its upper arms
        ([(3, 4), (6, 7)], 0.7),
        ([(8, 9), (11, 12)], 0.3),  # sitting
        ([(2, 3), (5, 6), (3, 4), (6, 7)], 0.2),  # both arms stretched at the camera
    ],
)
def test_a_foreshortened_bone_of_the_reference_gives_no_length(standing, bones, share):
    driving = dancing(standing, 48)
    reference = driving[0]
    for bone in bones:
        reference = foreshortened(reference, bone, share)

    aligned, report = retarget(reference, driving)

    np.testing.assert_allclose(lengths(aligned), lengths(driving), rtol=0.05)
    if len(bones) > 1:
        names = ", ".join(sorted({skeleton.BODY[child] for _, child in bones}))
        told = next(line for line in report if line.startswith("foreshortened in the reference"))
        assert sorted(told.rpartition(": to ")[2].split(", ")) == names.split(", ")


@pytest.mark.parametrize("size", [0.5, 1.0, 1.5])
def test_bones_that_the_driver_foreshortens_keep_the_reference_s_lengths(standing, size):
    """Either forearm most of the time, both at times; the reference's right one too."""
    driving = dancing(standing, 48, scale=size, shift=(0.5 - size / 2, 0.5 - size / 2))
    true_lengths = lengths(dancing(standing, 1))
    driving = foreshortened(driving, (3, 4), 0.1, slice(0, 40))
    driving = foreshortened(driving, (6, 7), 0.1, slice(10, 48))
    reference = foreshortened(dancing(standing, 1), (3, 4), 0.1)

    aligned, _ = retarget(reference, driving)

    np.testing.assert_allclose(lengths(aligned), np.repeat(true_lengths, 48, 0), rtol=0.05)


def test_a_forearm_at_the_camera_does_not_make_hands_large(sample):
    people, _ = load_poses(Path(__file__).parent / "files_of_others" / "forearm_at_camera.json")

    aligned, _ = retarget(sample[0], people[0])

    for part in (skeleton.LEFT_HAND_SLICE, skeleton.RIGHT_HAND_SLICE):
        hand = pixels(aligned)[:, part]
        extents = np.median(np.ptp(hand, axis=1), axis=0)
        assert extents == pytest.approx([47, 62], rel=0.1)


def test_a_hand_held_at_the_camera_does_not_make_the_other_small(standing):
    """The driver's right hand is twice as large as the left one, which fits its forearm."""
    driving = dancing(standing)
    points = driving.points.copy()
    wrist = points[:, [4]]
    points[:, skeleton.RIGHT_HAND_SLICE] = wrist + 2 * (
        points[:, skeleton.RIGHT_HAND_SLICE] - wrist
    )

    aligned, _ = retarget(driving[0], driving.with_points(points))

    left = skeleton.LEFT_HAND_SLICE
    np.testing.assert_allclose(aligned.points[:, left], driving.points[:, left], atol=1e-6)


def turned(face: np.ndarray, angle: float, width: float) -> np.ndarray:
    """(68, 2) pixels, made narrower and rotated about the origin."""
    c, s = np.cos(angle), np.sin(angle)
    return face * (width, 1.0) @ np.array([[c, s], [-s, c]])


def test_the_face_keeps_the_reference_s_shape_and_takes_turn_and_expression(standing):
    """A round face driven by a long one, which turns aside, tilts and opens its mouth."""
    driving = dancing(standing, 6)
    rng = np.random.default_rng(1)
    round_face, mouth = rng.uniform(-20, 20, (68, 2)), np.zeros((68, 2))
    mouth[48:68, 1] = rng.uniform(0, 8, 20)
    long_face = round_face * (0.8, 1.3)
    canvas = np.array([SIZE[1], SIZE[0]])
    turns = [(0.0, 1.0, 0.0), (0.2, 0.7, 0.0), (-0.3, 1.0, 0.0), (0.0, 1.0, 1.0)]
    points = driving.points.copy()
    for frame, (angle, width, open_mouth) in enumerate(turns):
        face = turned(long_face, angle, width) + mouth * open_mouth
        points[frame, skeleton.FACE_SLICE] = points[frame, 0] + face / canvas
    driving = driving.with_points(points)[:4]
    points = driving.points[:1].copy()
    points[0, skeleton.FACE_SLICE] = points[0, 0] + round_face / canvas
    reference = driving[0].with_points(points)

    aligned, _ = retarget(reference, driving)

    found = pixels(aligned)[:, skeleton.FACE_SLICE] - pixels(aligned)[:, [0]]
    np.testing.assert_allclose(found[0], round_face, atol=0.5)
    np.testing.assert_allclose(found[1], turned(round_face, 0.2, 0.7), atol=1.0)
    np.testing.assert_allclose(found[2], turned(round_face, -0.3, 1.0), atol=1.0)
    moved = (found[3] - found[0])[48:68, 1]
    assert np.corrcoef(moved, mouth[48:68, 1])[0, 1] > 0.95


def test_a_face_that_the_reference_does_not_show_is_the_driver_s(standing, hide):
    driving = dancing(standing)

    aligned, _ = retarget(hide(driving[0], 0, skeleton.FACE_SLICE), driving)

    face = skeleton.FACE_SLICE
    np.testing.assert_allclose(aligned.points[:, face], driving.points[:, face], atol=1e-9)


@pytest.mark.parametrize(
    "bones", [[(3, 4)], [(6, 7), (3, 4)], [(2, 3), (3, 4)], [(8, 9)], [(1, 0)], [(1, 2), (1, 5)]]
)
def test_fit_does_not_advise_limbs_for_what_is_only_foreshortened(standing, bones):
    """A forearm or two at the camera, a knee drawn up, a bowed head, shoulders from the side."""
    driving, reference = dancing(standing), dancing(standing, 1)
    for bone in bones:
        reference = foreshortened(reference, bone, 0.2)

    _, report = align_poses([reference], [driving], SIZE)

    assert not any("limbs" in line for line in report)


@pytest.mark.parametrize("factors", [CHILD, {3: 0.7, 4: 0.7, 6: 0.7, 7: 0.7}, {0: 1.5}])
def test_fit_advises_limbs_for_another_build(standing, factors):
    driving = dancing(standing)
    if isinstance(factors, dict):
        factors = np.array([factors.get(joint, 1.0) for joint in range(18)])

    _, report = align_poses([of_other_build(driving[0], factors)], [driving], SIZE)

    assert any("the method 'limbs' keeps the reference's" in line for line in report)


@pytest.mark.parametrize("share", [0.5, 0.62, 0.7, 0.74, 0.9])
@pytest.mark.parametrize("bones", [[(8, 9), (11, 12)], [(3, 4), (6, 7)]])
def test_a_driver_who_is_foreshortened_does_not_change_the_reference(standing, bones, share):
    """Who sits throughout, or holds the forearms at the camera."""
    driving = dancing(standing, 24)
    reference = driving[0]
    for bone in bones:
        driving = foreshortened(driving, bone, share)

    aligned, report = retarget(reference, driving)

    true_lengths = np.repeat(lengths(reference), 24, 0)
    np.testing.assert_allclose(lengths(aligned), true_lengths, rtol=0.05)
    assert not any("foreshortened in the reference" in line for line in report)
