from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose.detect import detect_reference, extract_poses
from dispose_core.pose.detectors.base import checked_frames
from dispose_core.pose.detectors.registry import create_detector
from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.tracking.person_selection import PersonChoice

IMAGE = np.zeros((200, 100, 3), np.uint8)


class StubDetector:
    """Finds what it was given, frame by frame."""

    name = "fake"

    def __init__(self, *people: PoseSequence) -> None:
        self.people = list(people)

    def detect(self, frames, total=None, on_frame=lambda *_: None):
        for i, _ in enumerate(checked_frames(frames)):
            on_frame(i + 1, total or i + 1)
        return self.people


def test_frames_without_a_person_are_reported_by_number(standing, hide):
    detector = StubDetector(hide(standing(20), [3, 12, 13, 14]))

    people, report = extract_poses(detector, [IMAGE] * 20, 20)

    assert len(people) == 1
    assert report == [
        "fake: one person found in 16 of 20 frames",
        "frames 3, 12–14: no person found; alignment fills short gaps",
    ]


def test_a_clip_that_shows_nobody_is_refused_with_the_best_score(standing, hide):
    detector = StubDetector(hide(standing(5), slice(None), score=0.21))

    with pytest.raises(
        PoseError,
        match=r"drive.mp4 \(100×200\): no person found in frames 0–4 \(best score 0.21, needed "
        r"more than 0.30\)\. Use images that show head and shoulders",
    ):
        extract_poses(detector, [IMAGE] * 5, name="drive.mp4")


def test_a_reference_without_a_person_is_refused():
    with pytest.raises(PoseError, match=r"reference image \(100×200\): no person found \(best"):
        detect_reference(StubDetector(PoseSequence.empty(1, (200, 100))), IMAGE)


def test_a_reference_gives_one_pose(standing):
    assert len(detect_reference(StubDetector(standing()), IMAGE)[0]) == 1


def test_of_several_people_the_chosen_one_is_first_and_all_are_kept(standing, hide):
    small = standing(3, scale=0.4)
    large = hide(standing(3, scale=0.5, shift=(0.5, 0.4)), [1])
    detector = StubDetector(small, large)

    people, report = extract_poses(detector, [IMAGE] * 3)

    assert [person.points[0, 0].tolist() for person in people] == [
        pytest.approx([0.75, 0.5]),
        pytest.approx([0.2, 0.08]),
    ]
    assert report == [
        "fake: up to 2 people at once found in 3 of 3 frames",
        "person: the largest, of 2 people; there in 2 of 3 frames, missing in frame 1",
    ]


def test_index_0_is_what_the_official_code_takes_in_every_frame(standing):
    """Row 0 of each frame, whoever that is (docs/reference_behaviour.md#pose-output)."""
    left, right = standing(2, scale=0.4), standing(2, scale=0.5, shift=(0.5, 0.4))
    swapped = [
        left.with_points(np.stack([left.points[0], right.points[1]])),
        left.with_points(np.stack([right.points[0], left.points[1]])),
    ]

    people, _ = extract_poses(StubDetector(*swapped), [IMAGE] * 2, choice=PersonChoice("index"))

    for person, slot in zip(people, swapped, strict=True):
        assert np.array_equal(person.points, slot.points, equal_nan=True)


def test_a_choice_that_cannot_be_met_names_the_input(standing):
    with pytest.raises(PoseError, match=r"reference image: there is no person 1; .* one person"):
        detect_reference(StubDetector(standing()), IMAGE, PersonChoice("index", 1))


def test_points_below_the_threshold_and_unwanted_parts_are_dropped(standing, hide):
    full = PoseSequence(np.full((1, 128, 2), 0.5), np.full((1, 128), 0.8), (200, 100))
    full = hide(full, 0, [4, 70], 0.5)

    def found(**options) -> list[int]:
        people, _ = extract_poses(StubDetector(full), [IMAGE], **options)
        return [
            int((s[0] > 0).sum())
            for s in (
                people[0].body_scores,
                people[0].hands_scores.reshape(1, -1),
                people[0].face_scores,
            )
        ]

    assert found() == [18, 42, 68]
    assert found(threshold=0.5) == [18, 42, 68]
    assert found(threshold=0.6) == [17, 42, 67]
    assert found(hands=False) == [18, 0, 68]
    assert found(face=False) == [18, 42, 0]


def test_frames_are_streamed_and_counted(standing):
    taken, ticks = [], []

    def video():
        for i in range(3):
            taken.append(i)
            yield IMAGE

    extract_poses(
        StubDetector(standing(3)), video(), 3, on_frame=lambda *at: ticks.append((len(taken), *at))
    )

    assert ticks == [(1, 1, 3), (2, 2, 3), (3, 3, 3)]


def test_an_unknown_detector_is_refused_with_those_there_are():
    with pytest.raises(PoseError, match=r"'yolo' is not known. Choose one of: .*mediapipe"):
        create_detector("yolo")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frame in the clip"),
        ([IMAGE[..., :1]], r"frame 0: uint8 of shape \(200, 100, 1\), needed uint8 \(H, W, 3\)"),
        ([IMAGE, IMAGE / 255], "frame 1: float64"),
        ([IMAGE[:0]], "frame 0: uint8 of shape"),
        ([IMAGE, IMAGE[:50]], "frame 1 is 100×50, the first is 100×200"),
    ],
)
def test_frames_that_are_no_images_of_one_size_are_refused(frames, message):
    with pytest.raises(PoseError, match=message):
        list(checked_frames(frames))


def test_backends_get_contiguous_frames():
    flipped = IMAGE[::-1, :, ::-1]

    assert all(f.flags["C_CONTIGUOUS"] for f in checked_frames([flipped]))


def test_the_room_loads_neither_opencv_nor_a_backend():
    code = (
        "import sys, dispose_core.pose.detectors.registry; "
        "print([m for m in ('cv2', 'mediapipe', 'torch', 'matplotlib') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)

    assert done.stdout.strip() == "[]", done.stderr
