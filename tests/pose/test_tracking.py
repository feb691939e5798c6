from __future__ import annotations

import time

import numpy as np
import pytest

from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.tracking.tracker import joints_of, track_people
from dispose_core.pose.tracking.tracks import MAX_MISSED_FRAMES
from tests.pose.walkers import film, names, walker

FRAMES = 60
MIDDLE = FRAMES // 2


def crossing(kind: str, seed: int) -> list[PoseSequence]:
    """Two people of about one size pass through each other in the middle of the film."""
    rng = np.random.default_rng(seed)
    speeds, hidden = (rng.uniform(4, 14), -rng.uniform(4, 14)), 0
    phases, strides = rng.uniform(0, 6, 2), rng.uniform(8, 16, 2)
    heights = 400 * rng.uniform(0.8, 1.2, 2)
    if kind == "slowly":
        speeds = (rng.uniform(1.5, 2.5), -rng.uniform(1.5, 2.5))
    elif kind == "running":
        speeds = (rng.uniform(20, 30), -rng.uniform(20, 30))
    elif kind == "one behind the other":
        hidden = int(rng.integers(4, 13))
    elif kind == "overtaking":
        speeds, hidden = (rng.uniform(9, 13), rng.uniform(3, 5)), 4
    elif kind == "in step":
        phases, strides, heights = phases[[0, 0]], strides[[0, 0]], heights[[0, 0]]
    people = [
        walker(FRAMES, (640, 360 + rng.uniform(-15, 15)), *values)
        for values in zip(speeds, heights, phases, strides, strict=True)
    ]
    first = MIDDLE - hidden // 2
    return film(people, hidden={1: slice(first, first + hidden)}, seed=seed)


@pytest.mark.parametrize(
    "kind",
    ["walking", "slowly", "running", "one behind the other", "overtaking", "in step"],
)
def test_two_people_who_cross_stay_who_they_are(kind):
    switches = 0
    for seed in range(6):
        tracked = track_people(crossing(kind, seed))
        switches += sum(len(names(person)) - 1 for person in tracked) + abs(len(tracked) - 2)
    assert switches == 0


def test_slots_alone_mix_the_people_up():
    """What the crossing films ask for: a slot of the detector holds both."""
    assert [names(slot) for slot in crossing("walking", 0)] == [{0, 1}, {0, 1}]


def test_everybody_who_was_found_is_kept_once():
    slots = crossing("one behind the other", 0)
    tracked = track_people(slots)
    before = np.sort(np.concatenate([s.points[s.present].ravel() for s in slots]))
    after = np.sort(np.concatenate([s.points[s.present].ravel() for s in tracked]))
    assert np.array_equal(before, after, equal_nan=True)
    assert all(person.canvas == slots[0].canvas and len(person) == FRAMES for person in tracked)


def test_people_enter_and_leave():
    staying, passing = walker(FRAMES, (300, 360), 0.5), walker(FRAMES, (900, 360), -6.0)
    passing[:20] = passing[45:] = np.nan
    tracked = track_people(film([staying, passing]))
    assert [names(person) for person in tracked] == [{0}, {1}]
    assert tracked[0].present.all()
    assert np.flatnonzero(tracked[1].present).tolist() == list(range(20, 45))


def test_who_left_is_not_continued_by_who_enters_elsewhere():
    leaving, entering = walker(FRAMES, (200, 360), -3.0), walker(FRAMES, (1100, 360), -3.0)
    leaving[30:] = entering[:30] = np.nan
    tracked = track_people(film([leaving, entering]))
    assert [names(person) for person in tracked] == [{0}, {1}]


@pytest.mark.parametrize(("gap", "sequences"), [(MAX_MISSED_FRAMES, 1), (MAX_MISSED_FRAMES + 1, 2)])
def test_who_was_hidden_is_the_same_person_for_two_seconds(gap, sequences):
    person = walker(100, (640, 360), 1.0)
    slots = film([person], hidden={0: slice(20, 20 + gap)})
    tracked = track_people(slots)
    assert len(tracked) == sequences
    assert tracked[0].present.sum() == (100 - gap if sequences == 1 else 20)


def test_who_stops_while_out_of_sight_is_found_again():
    """Foreseen some 280 px further on after 15 frames, 0.7 of the body's diagonal; at full speed
    it would be 390."""
    person = walker(60, (640, 360), 26.0)
    person[31:] = person[30]
    assert len(track_people(film([person], noise=1.0, hidden={0: slice(30, 45)}))) == 1


def test_joints_that_were_not_seen_at_first_are_known_later():
    """Head, then the whole body, then the legs alone."""
    (slot,) = film([walker(12, (640, 360), 3.0)], dropped=0.0)
    slot.scores[0, 2:14] = slot.scores[8:, :8] = slot.scores[8:, 14:18] = 0
    slot = slot.with_points(slot.points)
    assert len(track_people([slot])) == 1


def test_a_leap_within_reach_is_one_person_and_a_cut_makes_another():
    """From rest, 0.4 and 0.6 of the diagonal of the body, about 380 px, to the side."""
    for part, sequences in ((0.4, 1), (0.6, 2)):
        person = walker(20, (400, 360), 0.0)
        person[10:, :, 0] += part * np.hypot(*np.ptp(person[0], axis=0))
        assert len(track_people(film([person], noise=0.0, dropped=0.0))) == sequences


def test_left_and_right_mixed_up_by_the_detector_do_not_part_a_person():
    slots = crossing("walking", 3)
    swapped = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
    for slot in slots:
        slot.points[::7, :18] = slot.points[::7][:, swapped]
        slot.scores[::7, :18] = slot.scores[::7][:, swapped]
    assert [names(person) for person in track_people(slots)] in ([{0}, {1}], [{1}, {0}])


def test_a_false_find_beside_a_fast_dancer_does_not_part_the_dance(assets):
    """Every eighth frame of the sample's dance: three a second."""
    from dispose_core.pose.pose_files import load_poses

    (dance,) = load_poses(assets / "poses" / "driving.json")[0]
    dance = dance[::8]
    ghost = PoseSequence.empty(len(dance), dance.canvas)
    ghost.points[4, :3] = (0.9, 0.1), (0.9, 0.12), (0.92, 0.12)
    ghost.scores[4, :3] = 0.6
    tracked = track_people([dance, ghost])
    assert len(tracked) == 2
    assert np.array_equal(tracked[0].points, dance.points, equal_nan=True)


def test_a_person_without_a_sure_joint_is_followed_by_unsure_ones():
    person = film([walker(10, (640, 360), 5.0)], dropped=0.0)[0]
    faint = person.with_points(person.points, person.scores * 0.4)
    assert faint.body_scores.max() < 0.3
    (again,) = track_people([faint, PoseSequence.empty(10, faint.canvas)])
    assert again.present.all()


def test_hands_and_a_face_alone_are_people_too():
    points, scores = np.full((3, 128, 2), 0.5), np.zeros((3, 128))
    scores[:, 60:] = 0.5
    points[:, 60:, 0] = np.linspace(0.4, 0.6, 68)
    face = PoseSequence(points, scores, (100, 200))
    joints = joints_of([face])
    assert joints.shape == (3, 1, 21, 2)
    assert joints[0, 0, 20].tolist() == pytest.approx([100, 50])
    assert np.isnan(joints[0, 0, :20]).all()
    (again,) = track_people([face, PoseSequence.empty(3, (100, 200))])
    assert np.array_equal(again.points, face.points, equal_nan=True)


def test_one_frame_and_no_people_at_all():
    people = film([walker(1, (300, 360), 1.0), walker(1, (900, 360), 1.0)])
    assert [len(person) for person in track_people(people)] == [1, 1]
    (nobody,) = track_people([PoseSequence.empty(4, (10, 10)), PoseSequence.empty(4, (10, 10))])
    assert len(nobody) == 4 and not nobody.present.any()
    assert len(track_people([PoseSequence.empty(0, (10, 10))])[0]) == 0


def test_twenty_people_in_three_hundred_frames_take_less_than_a_second():
    rng = np.random.default_rng(0)
    people = [
        walker(300, rng.uniform((0, 200), (1280, 520)), rng.uniform(-4, 4), rng.uniform(100, 250))
        for _ in range(20)
    ]
    slots = film(people, noise=2.0, dropped=0.1)
    started = time.process_time()
    tracked = track_people(slots)
    assert time.process_time() - started < 1.0
    assert len(tracked) == 20
