"""Several people on the wires: chosen, kept, drawn, and named where only one is used."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

SIZE = (96, 160)


class TwoPeople:
    """A detector that finds a small person left and a large one right, in turns of their order."""

    name = "two"

    def detect(self, frames, total=None, on_frame=lambda *_: None):
        count = sum(1 for _ in frames)
        return two_people(count)


def two_people(count: int):
    from dispose_core.pose.sequence import PoseSequence
    from tests.pose.conftest import STANDING

    small, large = STANDING * 0.5 + (0.0, 0.4), STANDING * 0.8 + (0.4, 0.1)
    odd = (np.arange(count) % 2 == 1)[:, None, None]
    score = np.full((count, 18), 0.9)
    return [
        PoseSequence.from_parts(SIZE, np.where(odd, second, first), score)
        for first, second in ((small, large), (large, small))
    ]


def nose(frame: dict, person: int = 0) -> list[float]:
    """(x, y) as fractions."""
    x, y = frame["people"][person]["pose_keypoints_2d"][:2]
    return [round(x / SIZE[1], 2), round(y / SIZE[0], 2)]


@pytest.fixture
def wire() -> list[dict]:
    """Five frames of both people, as another pack would send them."""
    from dispose_core.pose.openpose_json import write_openpose

    return write_openpose(two_people(5))


SMALL, LARGE = [0.25, 0.5], [0.8, 0.26]


@pytest.mark.parametrize(
    ("choice", "first"),
    [
        ({}, [LARGE] * 5),
        ({"person": "nearest", "x": 0.2, "y": 0.6}, [SMALL] * 5),
        ({"person": "tracked", "index": 1, "frame": 1}, [SMALL] * 5),
        ({"person": "index"}, [SMALL, LARGE, SMALL, LARGE, SMALL]),
    ],
)
def test_the_chosen_person_is_first_in_every_frame(run, wire, choice, first):
    poses, report = run("DisPoseChoosePerson", poses=wire, **choice)
    assert [nose(frame) for frame in poses] == first
    assert [len(frame["people"]) for frame in poses] == [2] * 5
    assert report.startswith("person: ") and "of 2 people; there in 5 of 5 frames" in report

    images = torch.zeros(5, *SIZE, 3)
    found, skeletons, report = run(
        "DisPosePoseExtract", images=images, detector=TwoPeople(), **choice
    )
    assert found == poses
    assert skeletons.shape == images.shape
    assert report.startswith("two: up to 2 people at once found in 5 of 5 frames\nperson: ")


def test_everybody_is_drawn_and_saved_and_aligned(run, wire, folders):
    poses, _ = run("DisPoseChoosePerson", poses=wire)
    name, _ = run("DisPoseSavePoses", poses=poses)
    again, *_ = run("DisPoseLoadPoses", file=name)
    assert again == poses

    aligned, _ = run("DisPosePoseAlign", reference_pose=poses[:1], driving_pose=again)
    assert [len(frame["people"]) for frame in aligned] == [2] * 5
    assert np.allclose(nose(aligned[3]), LARGE, atol=0.01)

    (images,) = run("DisPosePoseRender", poses=aligned)
    left, right = images[..., : SIZE[1] // 2, :], images[..., SIZE[1] // 2 :, :]
    assert left.amax((1, 2, 3)).min() > 0.5 and right.amax((1, 2, 3)).min() > 0.5


def test_pose_align_and_motion_field_tell_of_people_in_turns(run, wire):
    told = "driving{}pose{}: people change their order in frames 1–4, so the first one listed"
    _, report = run("DisPosePoseAlign", reference_pose=wire[:1], driving_pose=wire)
    assert told.format(" ", "s") in report
    *_, report = run(
        "DisPoseMotionField", reference=torch.rand(1, *SIZE, 3), reference_pose=wire[:1],
        driving_pose=wire,
    )  # fmt: skip
    assert told.format("_", "") in report
    poses, _ = run("DisPoseChoosePerson", poses=wire)
    _, report = run("DisPosePoseAlign", reference_pose=poses[:1], driving_pose=poses)
    assert "order" not in report


def test_the_motion_field_says_that_others_are_ignored(run, wire):
    poses, _ = run("DisPoseChoosePerson", poses=wire)
    *_, report = run(
        "DisPoseMotionField", reference=torch.rand(1, *SIZE, 3), reference_pose=poses[:1],
        driving_pose=poses,
    )  # fmt: skip
    assert "driving_pose: the first person is used, another person is ignored" in report


def test_a_person_who_is_not_there_is_an_error(run, wire):
    with pytest.raises(
        Exception, match="poses: there is no person 7; frames hold at most 2 people"
    ):
        run("DisPoseChoosePerson", poses=wire, person="index", index=7)
    with pytest.raises(
        Exception, match="images: there is no frame 9 to choose a person in; there are 5"
    ):
        run(
            "DisPosePoseExtract", images=torch.zeros(5, *SIZE, 3), detector=TwoPeople(),
            person="tracked", frame=9,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("people", "message"),
    [
        (None, "poses: nobody in any of the 1 frames"),
        ({"pose_keypoints_2d": [0.5] * 54}, "'people' is not a list of objects"),
        ([{"pose_keypoints_2d": [0.5] * 53}], "53 values, needed 51 or 54 or 75"),
        ([{"pose_keypoints_2d": [float("nan")] * 54}], "is nan, not a finite number"),
        ([{}] * 200_001, "up to 200001 people in 1 frames, at most 200000 together"),
    ],
)
def test_hostile_poses_are_refused_with_their_place(run, people, message):
    with pytest.raises(Exception, match=message):
        run("DisPoseChoosePerson", poses=[{"people": people}])


def test_choosing_among_many_frames_can_be_cancelled(run, wire, monkeypatch):
    import comfy.model_management as management
    from dispose_pack.nodes import person

    class Cancelled(Exception):
        pass

    def cancel():
        raise Cancelled

    begun = threading.Event()

    def slow(people, choice):
        begun.set()
        monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", cancel)
        time.sleep(20)

    monkeypatch.setattr(person, "choose_person", slow)
    start = time.monotonic()
    with pytest.raises(Cancelled):
        run("DisPoseChoosePerson", poses=wire)
    assert begun.is_set() and time.monotonic() - start < 10


def test_an_error_while_choosing_is_that_of_the_library(run, wire):
    with pytest.raises(Exception, match="there is no person 7") as error:
        run("DisPoseChoosePerson", poses=wire, person="index", index=7)
    assert type(error.value).__name__ == "PoseError"
