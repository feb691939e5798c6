from __future__ import annotations

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose.openpose_json import read_openpose, write_openpose
from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.tracking.person_selection import PersonChoice, choose_person, first_person
from tests.pose.walkers import film, names, walker

FRAMES = 40


@pytest.fixture
def three() -> list[PoseSequence]:
    """0 stands large on the right, 1 walks past behind, 2 stands small on the left."""
    large, small = walker(FRAMES, (900, 360), 0.0, 400), walker(FRAMES, (200, 360), 0.0, 150)
    passing = walker(FRAMES, (900, 360), 12.0, 300)
    return film([large, passing, small], hidden={0: slice(10, 12)})


def chosen(people: list[PoseSequence], **choice) -> tuple[list[set[int]], list[str]]:
    people, report = choose_person(people, PersonChoice(**choice))
    return [names(person) for person in people], report


def test_the_largest_comes_first_and_the_others_follow_by_size(three):
    assert chosen(three)[0] == [{0}, {1}, {2}]


def test_who_is_large_for_a_moment_is_not_the_largest():
    """Twice the area in a quarter of the frames counts as half."""
    staying, passing = walker(FRAMES, (300, 360), 0.0, 300), walker(FRAMES, (900, 360), 0.0, 424)
    passing[FRAMES // 4 :] = np.nan
    assert chosen(film([staying, passing]))[0] == [{0}, {1}]
    passing = walker(FRAMES, (900, 360), 0.0, 424)
    passing[3 * FRAMES // 4 :] = np.nan
    assert chosen(film([staying, passing]))[0] == [{1}, {0}]


def test_one_wild_frame_does_not_make_a_person_large():
    calm, wild = walker(FRAMES, (300, 360), 0.0, 300), walker(FRAMES, (900, 360), 0.0, 250)
    wild[7, 3] += 3000.0
    assert chosen(film([calm, wild], dropped=0.0))[0][0] == {0}


def test_the_nearest_to_a_point_is_followed_from_that_frame(three):
    # Person 1 is at 900 - 20 * 12 = 660 px in frame 0 and at 1128 px in frame 39.
    assert chosen(three, by="nearest", point=(660 / 1280, 0.5))[0][0] == {1}
    assert chosen(three, by="nearest", point=(1128 / 1280, 0.5), frame=39)[0][0] == {1}
    assert chosen(three, by="nearest", point=(0.1, 0.5))[0][0] == {2}


def test_near_is_the_way_to_the_bones_not_to_the_middle():
    """Halfway along the tall one's shin, 75 px from knee and ankle, 51 px from the small ear."""
    tall, small = walker(2, (400, 360), 0.0, 600), walker(2, (440, 700), 0.0, 200)
    people = film([tall, small], noise=0.0, dropped=0.0)
    shin = (tall[0, 9] + tall[0, 10]) / 2 / (1280, 720)
    to_tall, to_small = (
        np.linalg.norm(person[0] - shin * (1280, 720), axis=-1).min() for person in (tall, small)
    )
    assert to_tall > 70 and to_small < 55
    assert chosen(people, by="nearest", point=tuple(shin))[0][0] == {0}


def test_a_face_alone_can_be_pointed_at(standing):
    face = PoseSequence.empty(1, (200, 100))
    face.points[:, 60:], face.scores[:, 60:] = (0.1, 0.9), 0.8
    people, _ = choose_person([standing(), face], PersonChoice("nearest", point=(0.1, 0.8)))
    assert people[0].face_scores.all()


def test_a_number_in_a_frame_is_followed_from_there(three):
    for index in range(3):
        (who,) = names(three[index][5])
        assert chosen(three, by="tracked", index=index, frame=5)[0][0] == {who}


def test_by_index_each_frame_is_taken_as_listed(three):
    people, report = choose_person(three, PersonChoice("index", 1))
    assert people[0] is three[1] and people[1] is three[0] and people[2] is three[2]
    assert "number 1 of each frame as listed, not followed" in report[0]


def test_the_report_says_who_and_where_that_person_is_missing(three):
    _, report = chosen(three)
    assert report[0] == (
        "person: the largest, of 3 people; there in 38 of 40 frames, missing in frames 10–11"
    )


def test_the_report_says_where_others_cross(standing):
    """Boxes 0.32 wide share a quarter while they are less than 0.24 apart, at 0.07 a frame."""
    passing = standing(11)
    passing.points[..., 0] += (np.arange(11) * 0.07 - 0.35)[:, None]
    _, report = choose_person([standing(11), passing])
    assert report[1:] == ["others cross the person in frames 2–8"]
    _, report = choose_person([standing(11, scale=0.4), standing(11, scale=0.4, shift=(0.5, 0))])
    assert len(report) == 1


def test_a_single_person_stays_one_across_a_cut():
    """A detector of one person says itself who that is."""
    person = walker(20, (200, 360), 0.0)
    person[10:, :, 0] += 800
    (same,), report = choose_person(film([person]))
    assert same.present.all()
    assert report == ["one person; there in 20 of 20 frames"]


def test_the_choice_survives_the_wire_with_everybody(three):
    people, _ = choose_person(three, PersonChoice("nearest", point=(0.1, 0.5)))
    again = read_openpose(write_openpose(people))
    assert len(again) == 3
    for before, after in zip(people, again, strict=True):
        assert np.array_equal(before.scores, after.scores)
        np.testing.assert_allclose(before.points, after.points, rtol=0, atol=1e-15)
    same, _ = choose_person(again, PersonChoice("tracked"))
    assert names(same[0]) == {2}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"by": "index", "index": 3}, r"film: there is no person 3; frames hold at most 3 people"),
        (
            {"by": "tracked", "index": 9},
            r"there is no person 9; .* Choose an index up to 2, or 'largest'",
        ),
        (
            {"by": "tracked", "index": 2, "frame": 10},
            r"frame 10: person 2 is not there, only 0–1\.",
        ),
        (
            {"by": "tracked", "frame": 40},
            r"there is no frame 40 .* there are 40.* a frame up to 39",
        ),
        (
            {"by": "nearest", "point": (0.45, 0.02)},
            r"film, frame 0: nobody near \(0\.45, 0\.02\); the nearest person, around "
            r"\(0\.5., 0\.\d\d\), is \d+ px away, needed at most 320",
        ),
    ],
)
def test_a_choice_that_cannot_be_met_says_what_can(three, choice, message):
    if choice.get("point"):
        three = [slot.with_points(slot.points * (1.0, 0.5) + (0.0, 0.5)) for slot in three]
    with pytest.raises(PoseError, match=message):
        choose_person(three, PersonChoice(**choice), "film")


def test_a_frame_without_anybody_names_those_with_people():
    people = film([walker(6, (300, 360), 0.0)], hidden={0: slice(0, 2)})
    with pytest.raises(PoseError, match=r"frame 0: nobody in it .* found in frames 2–5"):
        choose_person(people, PersonChoice("nearest"))


@pytest.mark.parametrize("by", ["largest", "nearest", "tracked", "index"])
def test_poses_without_anybody_are_refused(by):
    with pytest.raises(PoseError, match="poses: nobody in any of the 3 frames"):
        choose_person([PoseSequence.empty(3, (10, 10))] * 2, PersonChoice(by))


def test_others_are_named_where_only_one_person_is_used(three):
    three, _ = choose_person(three)
    person, notes = first_person(three, "driving_pose")
    assert person is three[0]
    assert notes == ["driving_pose: the first person is used, 2 other people are ignored"]
    assert first_person(three[:1], "driving_pose")[1] == []
