"""The real MediaPipe on a few frames of the sample."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from dispose_core.errors import MissingPackage, PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.detect import detect_reference, extract_poses
from dispose_core.pose.detectors.registry import create_detector

needs_mediapipe = pytest.mark.skipif(
    find_spec("mediapipe") is None,
    reason="mediapipe is not installed (pip install --no-deps mediapipe==0.10.21)",
)

SIZE = np.array([576, 1024])  # W, H


@pytest.fixture(scope="module")
def detector():
    return create_detector("mediapipe")


@pytest.fixture(scope="module")
def truth(assets):
    return np.load(assets / "ground_truth.npz")


@pytest.fixture(scope="module")
def frames(assets) -> list[np.ndarray]:
    av = pytest.importorskip("av")
    with av.open(str(assets / "self_driving.mp4")) as video:
        every = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    return every[20:24]


@pytest.fixture(scope="module")
def found(detector, frames):
    people, _ = extract_poses(detector, frames, len(frames))
    return people[0]


@pytest.fixture(scope="module")
def reference(detector, assets):
    Image = pytest.importorskip("PIL.Image")
    image = np.array(Image.open(assets / "reference.png").convert("RGB"))
    return image, detect_reference(detector, image)[0]


@needs_mediapipe
def test_body_joints_lie_where_they_are(found, truth):
    error = np.linalg.norm(found.body * SIZE - truth["keypoints"][20:24, :, :2], axis=-1)

    assert (found.body_scores > 0.9).all()
    assert found.canvas == (1024, 576)
    assert error.mean() < 9.0  # 6.5 px over the whole sample
    assert error.max() < 30.0


@needs_mediapipe
def test_each_hand_is_on_its_own_side(found, truth):
    hands = truth["hands"][20:24][:, ::-1]  # stored right, then left
    error = np.linalg.norm(found.hands * SIZE - hands, axis=-1)

    assert np.nanmean(error) < 6.0
    wrist_gap = np.linalg.norm((found.hands[:, :, 0] - found.body[:, [7, 4]]) * SIZE, axis=-1)
    assert wrist_gap.max() < 25.0
    assert (found.hands_scores[:, 0] == found.body_scores[:, [7]]).all()


@needs_mediapipe
def test_the_face_points_are_in_ibug_order(reference):
    """The face looks at us: the person's right is at the left of the image."""
    face = reference[1].face[0] * SIZE
    x, y = face[:, 0], face[:, 1]

    assert (np.diff(x[:9]) > 0).all()  # jaw: from the right ear to the chin …
    assert (np.diff(x[8:17]) > 0).all()  # … to the left ear
    assert y[:17].argmax() == 8
    assert (np.diff(x[17:27]) > 0).all()  # brows, above the eyes
    assert y[17:27].max() < y[36:48].min()
    assert (np.diff(y[27:31]) > 0).all()  # down the bridge to the tip
    assert (np.diff(x[31:36]) > 0).all() and y[31:36].min() > y[30]
    for right, left in ((36, 39), (42, 45)):  # corners of each eye, upper lid, lower lid
        assert x[right] < x[right + 1] < x[right + 2] < x[left]
        assert x[left] > x[left + 1] > x[left + 2] > x[right]
        assert y[right + 1 : right + 3].max() < y[left + 1 : left + 3].min()
    assert (np.diff(x[48:55]) > 0).all()  # outer upper lip, then back below
    assert (np.diff(x[54:60]) < 0).all() and x[59] > x[48]
    assert y[49:54].max() < y[55:60].min()
    assert (np.diff(x[60:65]) > 0).all()
    assert (np.diff(x[64:68]) < 0).all()
    assert y[48:68].min() > y[31:36].max()
    # Left and right halves mirror one another about the bridge, within two pixels.
    middle = (x[0] + x[16]) / 2
    np.testing.assert_allclose(x[0:8] - middle, middle - x[16:8:-1], atol=2.0)
    assert abs(x[[8, 27, 30, 33, 51, 57]] - middle).max() < 3.0


@needs_mediapipe
def test_the_jaw_points_are_spread_evenly(reference):
    steps = np.linalg.norm(np.diff(reference[1].face[0, :17] * SIZE, axis=0), axis=-1)

    assert steps.max() < 2.5 * steps.min()


@needs_mediapipe
def test_joints_outside_of_the_image_are_missing(detector, reference):
    bust = reference[0][180:480]

    pose = detect_reference(detector, bust)[0]

    assert pose.body_visible[0, [0, 1, 2, 5]].all()
    assert (pose.body_scores[0, 8:14] == 0).all()  # MediaPipe guesses legs below the image
    assert ((pose.body[0, :2] >= 0) & (pose.body[0, :2] <= 1)).all()


@needs_mediapipe
def test_frames_without_a_person_stay_empty(detector, frames):
    wall = np.full_like(frames[0], 128)
    ticks = []

    people, report = extract_poses(
        detector, [wall, frames[0], wall], 3, on_frame=lambda *at: ticks.append(at)
    )

    assert people[0].present.tolist() == [False, True, False]
    assert ticks == [(1, 3), (2, 3), (3, 3)]
    assert report[1].startswith("frames 0, 2: no person found")


@needs_mediapipe
def test_an_image_without_a_person_is_refused(detector):
    with pytest.raises(PoseError, match=r"reference image \(64×48\): no person found"):
        detect_reference(detector, np.full((48, 64, 3), 200, np.uint8))


@needs_mediapipe
def test_smoothing_takes_the_tremble_off(frames, found, truth):
    raw = create_detector("mediapipe", smoothing=False).detect([*frames, *frames[::-1]])[0]
    smooth = create_detector("mediapipe").detect([*frames, *frames[::-1]])[0]

    tremble = [np.abs(np.diff(pose.body[2:6], 2, axis=0)).mean() for pose in (raw, smooth)]
    assert tremble[1] < tremble[0]
    assert np.array_equal(raw.scores, smooth.scores)


@needs_mediapipe
def test_start_up_says_nothing_and_other_messages_pass(capfd, frames):
    import os

    from dispose_core.pose.detectors.mediapipe import _quiet

    create_detector("mediapipe").detect(frames[:1])
    assert capfd.readouterr().err == ""
    with _quiet():
        os.write(2, b"W0000 0 chatter\nsomething else\n")
    assert capfd.readouterr().err == "something else\n"


def test_without_mediapipe_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions.holistic", None)

    with pytest.raises(MissingPackage, match=r"pip install --no-deps mediapipe==0.10.21"):
        create_detector("mediapipe")


@needs_mediapipe
def test_an_unfit_protobuf_is_named(detector, frames, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("Failed to parse: node {")

    monkeypatch.setattr(detector._holistic, "Holistic", broken)

    with pytest.raises(MissingPackage, match=r"cannot start with protobuf .* below 5"):
        detector.detect(frames[:1])


def test_a_hand_takes_the_score_of_its_wrist_and_the_neck_of_the_weaker_shoulder():
    from types import SimpleNamespace as Result

    from dispose_core.pose.detectors.mediapipe import _read

    marks = [Result(x=0.5, y=i / 40, visibility=0.5) for i in range(33)]
    marks[11].visibility, marks[12].visibility = 0.9, 0.4
    marks[15].visibility = 0.8  # left wrist
    hand = Result(landmark=[Result(x=0.1, y=0.2)] * 21)
    result = Result(
        pose_landmarks=Result(landmark=marks),
        left_hand_landmarks=hand,
        right_hand_landmarks=None,
        face_landmarks=None,
    )

    points, scores = _read(result)

    assert points[1].tolist() == pytest.approx([0.5, 11.5 / 40])
    assert scores[1] == 0.4
    assert (scores[skeleton.LEFT_HAND_SLICE] == 0.8).all()
    assert (scores[skeleton.RIGHT_HAND_SLICE] == 0).all() and (
        scores[skeleton.FACE_SLICE] == 0
    ).all()
