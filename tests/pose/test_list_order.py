from __future__ import annotations

import numpy as np
import pytest

from dispose_core.pose.alignment.align import AlignOptions, align_poses
from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.tracking import list_order
from dispose_core.pose.tracking.list_order import order_changes, order_report
from dispose_core.pose.tracking.person_selection import choose_person, first_person
from tests.pose.walker_families import FAMILIES, clip
from tests.pose.walkers import film, walker


def two(frames: int = 24) -> list[PoseSequence]:
    """Two people who stand 400 px apart, in one order."""
    people = [walker(frames, (x, 360), 0.0) for x in (400, 800)]
    return film(people, dropped=0.0, order="first")


def swapped(people: list[PoseSequence], frames: slice) -> list[PoseSequence]:
    points = np.stack([person.points for person in people])
    scores = np.stack([person.scores for person in people])
    points[:, frames], scores[:, frames] = points[::-1, frames], scores[::-1, frames]
    return [
        PoseSequence(p, s, person.canvas)
        for p, s, person in zip(points, scores, people, strict=True)
    ]


def test_the_frames_in_which_the_order_turns_are_named():
    people = swapped(two(), slice(9, 15))
    assert np.flatnonzero(order_changes(people)).tolist() == [9, 15]
    assert order_report(people, "driving poses") == [
        "driving poses: people change their order in frames 9, 15, so the first one listed is not "
        "one person. Put Choose Person before this node, set to largest, nearest or tracked."
    ]


def test_who_moves_up_when_the_first_one_goes_is_told():
    """A list has no empty places: the second person becomes the first."""
    first, second = two()
    first.points[10:], first.scores[10:] = second.points[10:], second.scores[10:]
    second.scores[10:], second.points[10:] = 0.0, np.nan
    assert np.flatnonzero(order_changes([first, second])).tolist() == [10]


def test_who_comes_in_before_the_first_one_is_told():
    first, second = two()
    second.scores[:10], second.points[:10] = 0.0, np.nan
    assert np.flatnonzero(order_changes(swapped([first, second], slice(10, 24)))).tolist() == [10]


def test_a_cut_and_a_single_person_are_no_change_of_order():
    first, second = two()
    first.points[12:] += (0.7, 0.0)
    second.points[12:] += (-0.3, 0.7)  # nearer to where the first was than the first is
    assert not order_changes([first, second]).any()
    assert not order_changes([first]).any()
    assert not order_changes([PoseSequence.empty(3, (9, 9)), PoseSequence.empty(3, (9, 9))]).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_chosen_person_is_never_told_to_change(family):
    for seed in range(4):
        people, _ = choose_person(clip(family, seed))
        assert order_report(people, "poses") == []


def test_people_who_are_far_apart_need_no_tracking(monkeypatch):
    monkeypatch.setattr(list_order, "follow", None)
    assert not order_changes(two()).any()


@pytest.mark.parametrize("official", [False, True])
@pytest.mark.parametrize("method", ["fit", "limbs", "none"])
def test_align_tells_of_another_order_and_changes_nothing_else(method, official, standing):
    people = swapped(two(), slice(9, 15))
    people[1].scores[:3] = 0.0  # the official fit needs frames of one person
    people[1].points[:3] = np.nan
    aligned, report = align_poses(
        [standing()], people, (100, 200), AlignOptions(method), official=official
    )
    assert "people change their order in frames 9, 15," in report[-1]
    assert len(aligned[0]) == 24
    _, report = align_poses([standing()], people[:1], (100, 200), AlignOptions(method), official)
    assert not any("order" in line for line in report)


def test_the_first_person_comes_with_a_word_about_the_order():
    people = swapped(two(), slice(9, 15))
    person, notes = first_person(people, "driving_pose")
    assert person is people[0]
    assert len(notes) == 2 and notes[1].startswith("driving_pose: people change their order in")
