from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.alignment.align import AlignOptions, align_poses
from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import PoseSequence

OTHERS = Path(__file__).parent / "files_of_others"
SIZE = (200, 100)
LEGS = [8, 9, 10, 11, 12, 13]


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_reference_mode_matches_the_official_code(golden, official_people, alignment_cases, name):
    g = golden("03_alignment")
    case = next(c for c in alignment_cases if c["name"] == name)
    frames = [f"{name}_in{i}" for i in range(len(case["frame_indices"]))]
    driving = official_people(g, frames, tuple(case["vid_hw"]))
    size = tuple(case["ref_hw"])

    aligned, _ = align_poses(official_people(g, [f"{name}_ref"]), driving, size, official=True)

    for t in range(len(frames)):
        out = f"{name}_out{t}"
        people = len(g[f"{out}_subset"])
        body = np.concatenate([person.body[t] for person in aligned[:people]])
        np.testing.assert_allclose(body, g[f"{out}_candidate"], rtol=0, atol=1e-12)
        for p, person in enumerate(aligned):
            assert person.canvas == size
            assert person.present[t] == (p < people)
            if p < people:
                np.testing.assert_allclose(person.face[t], g[f"{out}_faces"][p], atol=1e-12)
                assert np.array_equal(person.body_scores[t], g[f"{out}_score"][p])


def test_a_moved_and_shrunken_person_comes_back_to_the_reference(standing):
    """Driving frames are 400×400, the image 200 high and 100 wide."""
    reference = standing(1, SIZE)
    # In pixels of the frame: half the size of the reference's pixels times 400/200 … x shrinks by
    # another factor 2 since the frame is twice as wide for its height.
    driving = standing(6, (400, 400))
    driving = driving.with_points(driving.points * (0.25, 0.5) + (0.3, 0.1))

    aligned, report = align_poses([reference], [driving], SIZE)

    np.testing.assert_allclose(aligned[0].body, np.repeat(reference.body, 6, 0), atol=1e-12)
    # Scale 2 of the height: 200 px of image for 400 px of frame, so 1 pixel stays 1 pixel.
    assert report == ["driving poses scaled by 1.000 in pixels, then moved by (-120, -40) px"]


def test_arms_do_not_enter_the_fit_but_move_with_it(standing):
    reference, driving = standing(1, SIZE), standing(3, SIZE, shift=(0.1, 0.05))
    points = driving.points.copy()
    points[:, [3, 4, 6, 7]] -= 0.4

    aligned, _ = align_poses([reference], [driving.with_points(points)], SIZE)

    np.testing.assert_allclose(aligned[0].body[1, 0], reference.body[0, 0], atol=1e-12)
    np.testing.assert_allclose(aligned[0].body[1, 4], reference.body[0, 4] - 0.4, atol=1e-12)


def test_only_reference_mode_fits_points_that_were_not_seen(standing, hide):
    reference = standing(1, SIZE)
    points = standing(3, SIZE).points.copy()
    points[:, [10, 13]] = 0.0  # a detector's junk, below the threshold
    driving = hide(standing(3, SIZE).with_points(points), slice(None), [10, 13], 0.1)

    sound, report = align_poses([reference], [driving], SIZE)
    official, _ = align_poses([reference], [driving], SIZE, official=True)

    np.testing.assert_allclose(sound[0].body[0, 0], reference.body[0, 0], atol=1e-12)
    assert abs(official[0].body[0, 0] - reference.body[0, 0]).max() > 0.05
    assert "6 of 42 points were not seen and left out" in report


def test_both_modes_agree_when_everything_is_seen(standing):
    rng = np.random.default_rng(0)
    reference, driving = standing(1, SIZE), standing(5, (300, 120))
    driving = driving.with_points(driving.points * 0.8 + rng.normal(0, 0.01, driving.points.shape))

    sound, _ = align_poses([reference], [driving], SIZE)
    official, _ = align_poses([reference], [driving], SIZE, official=True)

    assert np.array_equal(sound[0].points, official[0].points, equal_nan=True)


def test_a_reference_without_legs_is_fitted_by_head_and_trunk(standing, hide):
    close_up = hide(standing(1, SIZE, scale=3.0, shift=(-1.0, -0.4)), 0, LEGS)

    aligned, report = align_poses([close_up], [standing(4, SIZE)], SIZE)

    np.testing.assert_allclose(aligned[0].body[2, 1], close_up.body[0, 1], atol=1e-12)
    assert aligned[0].body[0, 10, 1] == pytest.approx(0.9 * 3 - 0.4)  # feet below the image
    assert report == ["driving poses scaled by 3.000 in pixels, then moved by (-100, -80) px"]


def test_a_person_who_jumps_out_of_a_close_up_keeps_the_body_size(standing, hide):
    """Only nose and neck are shared, 0.1 apart, while the driver moves by 0.5."""
    reference = hide(standing(1, SIZE), 0, [i for i in range(18) if i > 1])
    driving = standing(10, SIZE)
    jump = np.where(np.arange(10) % 2, 0.5, 0.0)[:, None, None] * (0.0, 1.0)
    driving = driving.with_points(driving.points + jump)

    aligned, report = align_poses([reference], [driving], SIZE)

    heights = aligned[0].body[:, 1, 1] - aligned[0].body[:, 0, 1]
    assert heights.tolist() == pytest.approx([0.1] * 10)
    assert "does not suit the body sizes (1); scaled by the body sizes" in report[0]
    official, _ = align_poses([reference], [driving], SIZE, official=True)
    assert np.ptp(official[0].body[0, :2, 1]) < 0.02  # the official code shrinks the person


def test_a_driver_who_stands_on_the_head_is_not_turned_over(standing):
    """The official scale is negative here and would flip the driver."""
    reference, driving = standing(1, SIZE), standing(4, SIZE)
    driving = driving.with_points(1.0 - driving.points)

    aligned, report = align_poses([reference], [driving], SIZE)

    assert aligned[0].body[0, 1, 1] > aligned[0].body[0, 8, 1]  # the neck stays below the hip
    assert "does not suit the body sizes (1)" in report[0]


@pytest.mark.parametrize("canvas", [SIZE, (100, 300)])
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_points_at_one_height_are_scaled_by_the_body_size(standing, hide, canvas, scale):
    shoulders = hide(standing(1, SIZE), 0, [i for i in range(18) if i not in (2, 5)])
    # The same person in a frame of another shape: fractions of the width change.
    same_pixels = (100 / canvas[1] * canvas[0] / 200, 1.0)
    driving = standing(3, canvas, scale)
    driving = driving.with_points(driving.points * same_pixels)

    aligned, _ = align_poses([shoulders], [driving], SIZE)

    np.testing.assert_allclose(aligned[0].body[0, [2, 5]], shoulders.body[0, [2, 5]], atol=1e-12)
    with pytest.raises(PoseError, match="needed 2 at different heights"):
        align_poses([shoulders], [standing(3, SIZE)], SIZE, official=True)


def test_one_shared_joint_places_the_driver_at_the_own_size(standing, hide):
    nose = hide(standing(1, SIZE), 0, list(range(1, 18)))

    aligned, report = align_poses([nose], [standing(3, SIZE, scale=0.5)], SIZE)

    assert aligned[0].body[0, 0].tolist() == pytest.approx([0.5, 0.2])
    assert aligned[0].body[0, 10, 1] - aligned[0].body[0, 0, 1] == pytest.approx(0.35)
    assert report[0].startswith("only one shared joint at a time")


def test_with_several_people_the_first_one_is_fitted_where_alone(standing, hide):
    reference = standing(1, SIZE)
    first = standing(4, SIZE, shift=(0.2, 0.0))
    points = first.points.copy()
    points[2:] += 0.3  # moves only while the second person is there
    first = first.with_points(points)
    second = hide(standing(4, SIZE, shift=(-0.3, 0.1)), [0, 1])

    aligned, report = align_poses([reference], [first, second], SIZE)

    np.testing.assert_allclose(aligned[0].body[0], reference.body[0], atol=1e-12)
    np.testing.assert_allclose(aligned[1].body[3, 0], [0.0, 0.3], atol=1e-12)
    assert not aligned[1].present[:2].any()
    assert report[0] == "2 people: fitted on person 0, in 2 frames"
    assert "person 1, frames 0–1: no person found before the first pose" in report


def test_a_clip_that_always_shows_two_people_is_fitted_on_the_first(standing):
    people = [standing(3, SIZE, shift=(0.1, 0.0)), standing(3, SIZE, shift=(-0.2, 0.0))]

    aligned, report = align_poses([standing(1, SIZE)], people, SIZE)

    np.testing.assert_allclose(aligned[0].body[0, 0], [0.5, 0.2], atol=1e-12)
    assert report[0] == "2 people: fitted on person 0, in 3 frames"
    with pytest.raises(PoseError, match="none of the 3 frames shows exactly one person"):
        align_poses([standing(1, SIZE)], people, SIZE, official=True)


def test_gaps_are_filled_after_the_fit_and_reference_mode_leaves_them(standing, hide):
    driving = hide(standing(10, SIZE), slice(4, 6))

    aligned, report = align_poses([standing(1, SIZE)], [driving], SIZE)
    unlimited, _ = align_poses(
        [standing(1, SIZE)], [driving], SIZE, AlignOptions(max_gap=1, hold=False)
    )
    official, _ = align_poses([standing(1, SIZE)], [driving], SIZE, official=True)

    assert aligned[0].present.all()
    assert report[-1] == "frames 4–5: no person found; filled by interpolation"
    assert not unlimited[0].present[4:6].any()
    assert not official[0].present[4:6].any()


@pytest.mark.parametrize("method", ["fit", "limbs", "none"])
def test_smoothing_steadies_what_every_method_makes(standing, method):
    noise = np.random.default_rng(0).normal(0, 0.005, (20, 134, 2))
    driving = standing(20, SIZE).with_points(standing(20, SIZE).points + noise)

    def tremble(smoothing: float) -> float:
        options = AlignOptions(method, smoothing=smoothing)
        aligned, _ = align_poses([standing(1, SIZE)], [driving], SIZE, options)
        return aligned[0].body[:, [3, 4, 6, 7]].std(0).mean()

    assert tremble(2.0) < 0.7 * tremble(0.0)


def test_gaps_are_filled_before_they_are_smoothed(standing, hide):
    driving = hide(standing(20, SIZE), 10)

    aligned, _ = align_poses(
        [standing(1, SIZE)], [driving], SIZE, AlignOptions("fit", smoothing=2.0)
    )

    np.testing.assert_allclose(aligned[0].body[10], standing().body[0], atol=1e-12)


def test_reference_mode_knows_the_fit_alone(standing):
    driving = standing(3, SIZE, scale=0.5)
    options = AlignOptions("limbs", smoothing=5.0)

    official, _ = align_poses([standing(1, SIZE)], [driving], SIZE, official=True)
    same, _ = align_poses([standing(1, SIZE)], [driving], SIZE, options, official=True)

    assert np.array_equal(official[0].points, same[0].points, equal_nan=True)


def test_without_a_method_the_poses_are_taken_as_fractions(standing):
    driving = standing(2, (400, 200), shift=(0.1, 0.0))

    aligned, report = align_poses([standing(1, SIZE)], [driving], SIZE, AlignOptions("none"))

    assert np.array_equal(aligned[0].points, driving.points, equal_nan=True)
    assert aligned[0].canvas == SIZE
    assert report == ["poses taken as they are"]


def test_without_a_method_frames_of_another_shape_are_cropped_as_prepare_does(standing):
    """100×100 on 100×200: scaled by 2, a quarter of the width is lost on either side."""
    driving = standing(2, (100, 100))

    aligned, report = align_poses([standing(1, SIZE)], [driving], SIZE, AlignOptions("none"))

    np.testing.assert_allclose(aligned[0].body[..., 0], driving.body[..., 0] * 2 - 0.5)
    np.testing.assert_allclose(aligned[0].body[..., 1], driving.body[..., 1])
    assert report == [
        "poses taken as they are; the driving frames (100×100) are cropped to the shape of the "
        "image (100×200)"
    ]


def test_poses_without_a_canvas_ask_for_it(standing):
    with pytest.raises(PoseError, match="driving poses: fractions of an image whose size"):
        align_poses([standing(1, SIZE)], [standing(2, (1, 1))], SIZE)
    with pytest.raises(PoseError, match="reference pose: fractions of an image whose size"):
        align_poses([standing(1, (1, 1))], [standing(2, SIZE)], (1, 1))


def test_the_figure_stays_where_the_driver_leaves(standing, hide):
    driving = standing(30, SIZE)
    driving = driving.with_points(driving.points + np.arange(30)[:, None, None] * 0.001)

    aligned, report = align_poses([standing(1, SIZE)], [hide(driving, slice(20, 30))], SIZE)

    assert np.array_equal(aligned[0].points[20:], aligned[0].points[[19] * 10], equal_nan=True)
    assert report[-1] == "frames 20–29: nobody there, the pose before is held"


def test_the_end_of_a_user_s_clip_without_anybody_is_held():
    """Nobody in frames 0, 1, 6, 10 and 11."""
    driving, _ = load_poses(OTHERS / "empty_some.json")

    aligned, report = align_poses([driving[0][[2]]], driving, driving[0].canvas)

    assert aligned[0].present.all()
    assert np.array_equal(aligned[0].points[10:], aligned[0].points[[9, 9]], equal_nan=True)
    assert np.array_equal(aligned[0].points[:2], aligned[0].points[[2, 2]], equal_nan=True)
    assert report[-1] == "frames 0–1, 10–11: nobody there, the pose before is held"


def test_what_is_guessed_far_outside_counts_for_nothing(standing):
    """Knees and ankles at more than a quarter below the image, as a close-up makes them."""
    driving = standing(6, SIZE)
    points = driving.points.copy()
    points[:, [9, 12], 1], points[:, [10, 13], 1] = 1.3, 3.0
    near, far = standing(6, SIZE), driving.with_points(points)

    aligned, report = align_poses([standing(1, SIZE)], [far], SIZE)

    np.testing.assert_allclose(aligned[0].body[:, :9], near.body[:, :9], atol=1e-12)
    assert not aligned[0].body_visible[:, [9, 10, 12, 13]].any()
    assert "24 joints that were guessed far outside the driving frames are left out" in report


@pytest.mark.parametrize("reference_mode", [False, True])
def test_a_reference_without_a_visible_joint_is_refused(standing, hide, reference_mode):
    arms_only = hide(standing(1, SIZE), 0, [i for i in range(18) if i not in (3, 4)], 0.2)

    with pytest.raises(PoseError, match=r"reference pose: .* \(best score 0.20, needed more than"):
        align_poses([arms_only], [standing(2, SIZE)], SIZE, official=reference_mode)


def test_a_driving_clip_without_a_person_is_refused(standing):
    with pytest.raises(PoseError, match=r"driving poses: no person found \(frames 0–4\)"):
        align_poses([standing(1, SIZE)], [PoseSequence.empty(5, SIZE)], SIZE)
    with pytest.raises(PoseError, match="an empty list"):
        align_poses([standing(1, SIZE)], [standing(0, SIZE)], SIZE)


def test_people_who_share_no_joint_are_refused_by_name(standing, hide):
    head = hide(standing(1, SIZE), 0, range(1, 18))
    legs = hide(standing(3, SIZE), slice(None), [i for i in range(18) if i not in LEGS])

    with pytest.raises(PoseError, match=r"share no visible joint .*shows Nose\)"):
        align_poses([head], [legs], SIZE)


def test_a_reference_clip_is_refused(standing):
    with pytest.raises(PoseError, match="reference pose: 2 poses, needed 1"):
        align_poses([standing(2, SIZE)], [standing(2, SIZE)], SIZE)


def test_hands_and_face_move_with_the_body(standing):
    driving = standing(2, SIZE, shift=(0.1, 0.0))
    points, scores = driving.points.copy(), driving.scores.copy()
    points[:, 18:] = 0.7
    scores[:, 18:] = 0.5

    aligned, _ = align_poses([standing(1, SIZE)], [driving.with_points(points, scores)], SIZE)

    expected = np.broadcast_to([0.6, 0.7], (skeleton.N_POINTS - 18, 2))
    np.testing.assert_allclose(aligned[0].points[0, 18:], expected, atol=1e-12)
