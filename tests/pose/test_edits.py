"""Edits made by hand: what each does, what no longer applies, and what is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.edits.apply import MIRROR, SWAP, apply_edits
from dispose_core.pose.edits.parse import MOST_CHARACTERS, MOST_EDITS, parse_edits
from dispose_core.pose.sequence import PoseSequence

CASES = json.loads((Path(__file__).parents[1] / "web" / "edits_cases.json").read_text("utf-8"))
PARTS = {"left_hand": 18, "right_hand": 39, "face": 60, "left_foot": 128, "right_foot": 131}


def index(name: str) -> int:
    part, _, number = name.partition(".")
    return PARTS[part] + int(number) if number else skeleton.BODY.index(name)


def people_of(given: dict) -> list[PoseSequence]:
    people = []
    for frames in given["people"]:
        values = np.full((len(frames), skeleton.N_POINTS, 3), np.nan)
        for t, points in enumerate(frames):
            for name, value in points.items():
                values[t, index(name)] = value
        scores = np.nan_to_num(values[..., 2])
        people.append(PoseSequence(values[..., :2], scores, (given["height"], given["width"])))
    return people


def text_of(edits: list[dict], version: int = 1, **made_for: int) -> str:
    return json.dumps({"version": version, "made_for": made_for, "edits": edits})


@pytest.fixture
def people() -> list[PoseSequence]:
    return people_of(CASES["given"])


@pytest.mark.parametrize("case", CASES["applied"], ids=lambda case: case["name"])
def test_edits_do_what_the_shared_cases_say(people, case):
    edited, report = apply_edits(people, text_of(case["edits"], case.get("version", 1)))
    expected = [(person.points.copy(), person.scores.copy()) for person in people]
    for change in case["changed"]:
        points, scores = expected[change.get("person", 0)]
        for name, value in change["points"].items():
            x, y, score = value or (np.nan, np.nan, 0)
            points[change["frame"], index(name)] = x, y
            scores[change["frame"], index(name)] = score
    for person, (points, scores) in zip(edited, expected, strict=True):
        np.testing.assert_allclose(person.points, points, atol=1e-12)
        np.testing.assert_allclose(person.scores, scores, atol=1e-12)

    problems = case.get("problems", [])
    assert len(report) == 1 + len(problems)
    for line, (number, text, lost) in zip(report[1:], problems, strict=True):
        assert line.startswith(f"edit {number} (")
        assert line.endswith(f"{'not applied' if lost else 'applied in part'}: {text}")


@pytest.mark.parametrize(("text", "message"), CASES["refused"], ids=lambda text: text[-40:])
def test_a_damaged_or_hand_written_text_is_refused_with_its_place(text, message):
    with pytest.raises(PoseError) as error:
        parse_edits(text)
    assert message in str(error.value)


def test_too_much_is_refused_before_it_is_worked_on():
    with pytest.raises(PoseError, match=f"{MOST_CHARACTERS + 1} characters, at most"):
        parse_edits(" " * MOST_CHARACTERS + "x")
    many = json.dumps({"version": 1, "edits": [0] * (MOST_EDITS + 1)})
    with pytest.raises(PoseError, match=f"edits: {MOST_EDITS + 1} of them, at most {MOST_EDITS}"):
        parse_edits(many)
    with pytest.raises(PoseError, match="not valid JSON"):
        parse_edits("[" * 100_000)


@pytest.mark.parametrize("text", ["", " \n", '{"version": 1, "edits": []}'])
def test_without_edits_the_poses_are_as_they_came(people, text):
    edited, report = apply_edits(people, text)
    assert report == ["no edits"]
    for was, now in zip(people, edited, strict=True):
        np.testing.assert_array_equal(was.points, now.points)


def test_the_poses_that_came_in_are_left_alone(people):
    before = people[0].points.copy()
    apply_edits(people, text_of([{"do": "hide", "frames": [0, 4], "points": "all"}]))
    np.testing.assert_array_equal(people[0].points, before)


def test_the_report_counts_and_says_what_became_of_the_clip(people):
    edits = [
        {"do": "move", "frames": 0, "points": "RWrist", "to": [0.5, 0.5]},
        {"do": "move", "frames": 9, "points": ["RWrist", "Nose", 3, "face"], "to": [0.5, 0.5]},
    ]
    _, report = apply_edits(people, text_of(edits, frames=12, people=1, width=576, height=1024))
    assert report == [
        "2 edits: 1 applied, 1 no longer applies",
        "the edits were made for 12 frames, the poses have 5",
        "the edits were made for 1 people, the poses have 2",
        "the edits were made on 576×1024, the poses are on 200×100: places are kept as fractions "
        "of the image",
        "edit 2 (move RWrist, Nose, 3, …, frame 9) not applied: the clip ends at frame 4",
    ]


@pytest.mark.parametrize(
    ("ease", "quarter"), [("linear", 0.25), ("smooth", 0.15625), ("hold", 0.0), ("keep", None)]
)
def test_keys_go_a_known_share_of_the_way(standing, ease, quarter):
    keys = [[2, 0.1, 0.9, ease], [6, 0.5, 0.1]]
    text = text_of([{"do": "keys", "points": "RWrist", "keys": keys}], version=2)
    person = standing(9)
    (edited,), report = apply_edits([person], text)
    assert report == ["1 edit: 1 applied"]
    expected = person.points.copy()
    expected[2, 4], expected[6, 4] = (0.1, 0.9), (0.5, 0.1)
    if quarter is not None:
        for frame, share in ((3, quarter), (4, 0.5 if quarter else 0.0)):
            expected[frame, 4] = 0.1 + 0.4 * share, 0.9 - 0.8 * share
        share = 1 - quarter if quarter else 0.0
        expected[5, 4] = 0.1 + 0.4 * share, 0.9 - 0.8 * share
    np.testing.assert_allclose(edited.points, expected, atol=1e-12)


def test_an_edit_of_keys_is_named_by_its_point_and_frames(people):
    keys = [[5, 0.1, 0.1], [9, 0.1, 0.1]]
    _, report = apply_edits(
        people, text_of([{"do": "keys", "points": "RWrist", "keys": keys}], version=2)
    )
    assert (
        report[1] == "edit 1 (keys RWrist, frames 5\u20139) not applied: the clip ends at frame 4"
    )


def test_a_text_of_version_1_is_read_by_version_2_as_before(people):
    edits = [edit for case in CASES["applied"][:3] for edit in case["edits"]]
    assert parse_edits(text_of(edits, 1)) == parse_edits(text_of(edits, 2))


def test_a_long_list_of_trouble_is_cut(people):
    edits = [{"do": "hide", "frames": 10 + i, "points": "Nose"} for i in range(30)]
    _, report = apply_edits(people, text_of(edits))
    assert len(report) == 22
    assert report[0] == "30 edits: 0 applied, 30 no longer apply"
    assert report[-1] == "… and 10 more"


def test_mirroring_twice_gives_the_figure_back_and_the_sides_are_pairs():
    assert sorted(MIRROR) == list(range(skeleton.N_POINTS)) and (MIRROR[MIRROR] == range(134)).all()
    assert (SWAP[SWAP] == range(134)).all() and (SWAP[60:128] == range(60, 128)).all()
    assert MIRROR[128:].tolist() == SWAP[128:].tolist() == [131, 132, 133, 128, 129, 130]
    for left, right in (("LEye", "REye"), ("LHip", "RHip"), ("left_hand.7", "right_hand.7")):
        assert MIRROR[index(left)] == index(right)
    # iBUG: corners of the eyes and of the mouth, the outer ends of the brows
    for left, right in ((36, 45), (39, 42), (41, 46), (48, 54), (17, 26), (60, 64), (67, 65)):
        assert MIRROR[60 + left] == 60 + right


def test_twenty_thousand_moves_take_no_time(standing):
    edits = [
        {"do": "move", "frames": i % 300, "points": i % 128, "to": [0.5, i / MOST_EDITS]}
        for i in range(MOST_EDITS)
    ]
    parsed = parse_edits(text_of(edits))
    start = time.perf_counter()
    (edited,), _ = apply_edits([standing(300)], parsed)
    assert time.perf_counter() - start < 5
    last = max(i for i in range(MOST_EDITS) if i % 300 == 7 and i % 128 == 3)
    assert edited.points[7, 3].tolist() == [0.5, last / MOST_EDITS]
