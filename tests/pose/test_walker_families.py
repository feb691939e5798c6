"""Nobody is taken for somebody else in clips of every family, and what that rests on.

`benchmarks/walkers.py` measures the same families in hundreds of other clips.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.tracking import tracker
from dispose_core.pose.tracking.appearance import box_diagonals, statures
from dispose_core.pose.tracking.matching import pairings, worth_of_pairs
from dispose_core.pose.tracking.person_selection import choose_person
from dispose_core.pose.tracking.tracker import joints_of, track_people
from dispose_core.pose.tracking.tracks import Detections, Tracks
from tests.pose.conftest import STANDING
from tests.pose.walker_families import FAMILIES, clip, outcome
from tests.pose.walkers import film, names, walker

FILES = Path(__file__).parent / "files_of_others"
CLIPS = 16
STANDING_400 = (STANDING - 0.5) / 0.72 * 400 + (640, 360)
HEAD, LEGS = [0, 14, 15, 16, 17], [8, 9, 10, 11, 12, 13]


def body(only: list[int] | None = None, shift: tuple[float, float] = (0, 0), scale=1.0):
    """(21, 2) joints of a person 400 px tall in the middle of the image, hands and face missing."""
    joints = np.full((21, 2), np.nan)
    part = list(range(18)) if only is None else only
    joints[part] = (STANDING_400[part] - (640, 360)) * scale + (640, 360) + shift
    return joints


def worth(track: np.ndarray, *detections: np.ndarray, absent: int = 0) -> list[float]:
    tracks = Tracks.begin(np.arange(1), Detections.of(track[None]))
    tracks.absent = np.full(1, absent)
    return worth_of_pairs(tracks, Detections.of(np.stack(detections)))[0].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_nobody_is_taken_for_somebody_else(family):
    outcomes = [outcome(clip(family, seed)) for seed in range(CLIPS)]
    assert sum(each.switched for each in outcomes) == 0
    assert sum(each.lost for each in outcomes) == 0


def test_a_head_beside_the_whole_person_of_a_file_takes_nothing_over():
    """Twelve frames; the head of a second person is listed first in four of them."""
    people, _ = load_poses(FILES / "partial_first.json")
    chosen, report = choose_person(people)
    assert chosen[0].present.all() and chosen[0].body_visible.all()
    assert "there in 12 of 12 frames" in report[0]
    assert sum(int(other.present.sum()) for other in chosen[1:]) == 4


@pytest.mark.parametrize("part", [HEAD, LEGS, [2, 3, 4], [0, 1, 2, 5]])
@pytest.mark.parametrize("side", [-1, 1])
def test_parts_of_neighbours_come_and_go_beside_a_whole_person(part, side):
    whole = walker(40, (640, 360), 3.0 * side, 400, stride=6)
    neighbour = walker(40, (640 + side * 110, 370), 0.0, 420)
    neighbour[:, np.setdiff1d(np.arange(18), part)] = np.nan
    neighbour[:5] = neighbour[9:12] = neighbour[20:27] = np.nan
    for order in ("first", "last"):
        slots = film([neighbour, whole], noise=3.0, dropped=0.0, order=order)
        (chosen, *_), _ = choose_person(slots)
        assert names(chosen) == {1} and chosen.present.all()


def test_reach_is_measured_in_the_smaller_body():
    """0.3 heights to the side: near for a body, far for a head, whoever of both is the track."""
    aside = body(shift=(120, 0))
    assert worth(body(), aside)[0] > 0
    assert worth(body(), body(HEAD, (120, 0))) == [0]
    assert worth(body(HEAD), aside) == [0]
    assert worth(body(HEAD), body(HEAD, (5, 0)))[0] > 0


def test_one_good_pair_is_worth_more_than_two_poor_ones():
    rows, columns = next(pairings(np.array([[1.4, 0.3], [0.5, 0.0]]), 0.3, 1))[1:]
    assert (rows.tolist(), columns.tolist()) == ([0], [0])


def test_other_ways_to_pair_swap_two_tracks_or_put_one_in_for_another():
    near = np.array([[1.0, 0.9], [0.9, 1.0], [0.75, 0.0]])
    ways = [(round(total, 9), dict(zip(rows.tolist(), columns.tolist(), strict=True)))
            for total, rows, columns in pairings(near, 0.3, 4)]  # fmt: skip
    assert ways == [(2.0, {0: 0, 1: 1}), (1.8, {0: 1, 1: 0}), (1.75, {2: 0, 1: 1})]
    assert len(list(pairings(near, 0.15, 4))) == 1
    assert len(list(pairings(near, 0.3, 2))) == 2


def test_a_half_body_is_worth_less_to_the_track_of_a_whole_one():
    whole, half = worth(body(), body(), body(LEGS))
    assert half < whole - 0.15
    whole, half = worth(body(LEGS), body(), body(LEGS))
    assert whole < half - 0.15


def test_who_comes_back_much_larger_is_somebody_else():
    assert worth(body(), body(scale=1.25), absent=10)[0] > 0
    assert worth(body(), body(scale=1.4), absent=10) == [0]
    assert worth(body(), body(scale=1.4))[0] > 0  # always seen: bends or comes nearer


def test_one_joint_across_the_image_does_not_move_its_body_away():
    leap = body()
    leap[4] += 3000
    tracks = Tracks.begin(np.arange(1), Detections.of(body()[None]))
    tracks.corrections = np.full(1, 9)
    assert worth(body(), leap)[0] > 0.7
    tracks.correct(np.arange(1), Detections.of(leap[None]))
    assert np.abs(tracks.points[0, :4] - body()[:4]).max() < 25


def test_bodies_are_as_tall_as_their_bones_say():
    """Bones of the legs alone and of the whole body, foreshortened arms or not."""
    assert np.exp(statures(body())) == pytest.approx(np.exp(statures(body(scale=2.0))) / 2)
    assert np.exp(statures(body(LEGS))) == pytest.approx(np.exp(statures(body())), rel=0.2)
    arms_ahead = body()
    arms_ahead[[3, 4]], arms_ahead[[6, 7]] = arms_ahead[2], arms_ahead[5]
    assert np.exp(statures(arms_ahead)) == pytest.approx(np.exp(statures(body())), rel=0.1)
    assert np.isnan(statures(body(HEAD))) and np.isnan(statures(np.full((21, 2), np.nan)))
    assert box_diagonals(body([0])) == 1.0


@pytest.mark.parametrize("seed", [87, 134])
def test_crossings_are_decided_later_where_one_frame_tells_too_little(seed, monkeypatch):
    assert not outcome(clip("crossing", seed)).switched
    monkeypatch.setattr(tracker, "_MOST_HISTORIES", 1)
    assert outcome(clip("crossing", seed)).switched


def test_histories_do_not_outlive_the_frames_they_are_decided_after(monkeypatch):
    most = 0
    decide = tracker._decide

    def watched(histories, owner):
        nonlocal most
        most = max(most, *(len(history.undecided) for history in histories))
        return decide(histories, owner)

    monkeypatch.setattr(tracker, "_decide", watched)
    tracker.follow(joints_of(clip("look-alike", 1)))  # 58 frames if nothing decides
    assert most == tracker._DECIDED_AFTER + 1


def test_every_detection_is_kept_once_in_every_family():
    for family in FAMILIES:
        slots = clip(family, 1)
        tracked = track_people(slots)

        def found(people: list[PoseSequence]) -> np.ndarray:
            return np.sort(np.concatenate([p.points[p.scores > 0].ravel() for p in people]))

        assert np.array_equal(found(slots), found(tracked))
