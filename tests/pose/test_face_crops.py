"""Face boxes by Wan-Animate's rule, steadied over time, and the crops."""

from __future__ import annotations

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose import skeleton
from dispose_core.pose.face_crops import SIZE, crop_faces, face_boxes
from dispose_core.pose.sequence import PoseSequence

CANVAS = (480, 640)


def faces(boxes: list[tuple[float, float, float, float] | None]) -> PoseSequence:
    """Faces whose points fill a box (left, top, right, bottom) in pixels each; None: no face."""
    points = np.full((len(boxes), skeleton.N_POINTS, 2), np.nan)
    scores = np.zeros((len(boxes), skeleton.N_POINTS))
    inner = np.random.default_rng(0).uniform(0, 1, (skeleton.N_FACE, 2))
    inner[:2] = (0, 0), (1, 1)
    for t, box in enumerate(boxes):
        if box is not None:
            low, high = np.array(box[:2]), np.array(box[2:])
            points[t, skeleton.FACE_SLICE] = (low + inner * (high - low)) / CANVAS[::-1]
            scores[t, skeleton.FACE_SLICE] = 0.9
    return PoseSequence(points, scores, CANVAS)


def wan_box(points: np.ndarray, size: tuple[int, int]) -> list[int]:
    """Wan2.2's rule with its scale of 1.3, in whole pixels."""
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    area = (x1 - x0) * (y1 - y0) * 1.3
    aspect = (x1 - x0) / (y1 - y0)
    wider = (np.sqrt(area * aspect) - (x1 - x0)) / 2
    higher = (np.sqrt(area / aspect) - (y1 - y0)) / 4
    return [
        int(max(x0 - wider, 0)),
        int(max(y0 - 3 * higher, 0)),
        int(min(x1 + wider, size[1])),
        int(min(y1 + higher, size[0])),
    ]


def test_a_box_by_itself_is_that_of_wan_animate():
    rng = np.random.default_rng(1)
    corners = [(x, y, x + w, y + h) for x, y, w, h in rng.uniform(20, 300, (40, 4))]
    pose = faces(corners)

    boxes, report = face_boxes(pose, smoothing=0)

    for t in range(len(pose)):
        expected = wan_box(pose.face[t] * CANVAS[::-1], CANVAS)
        assert boxes[t].astype(int).tolist() == expected
    assert report == []
    # 100×100 at (200, 200): 14.0175 wider and higher, 3/4 of that at the top.
    ((left, top, right, bottom),), _ = face_boxes(faces([(200, 200, 300, 300)]), 0)
    assert (left, right) == pytest.approx((192.99, 307.01), abs=0.01)
    assert (top, bottom) == pytest.approx((189.49, 303.50), abs=0.01)


def test_steadying_takes_the_tremble_and_leaves_an_even_movement():
    moving = np.arange(60) * 4.0
    even = faces([(100 + x, 100, 180 + x, 200) for x in moving])
    steady, _ = face_boxes(even, smoothing=2)
    assert steady == pytest.approx(face_boxes(even, smoothing=0)[0], abs=1e-9)

    noise = np.random.default_rng(2).normal(0, 3, (60, 4))
    trembling = faces([(100 + x + a, 100 + b, 180 + x + c, 200 + d)
                       for x, (a, b, c, d) in zip(moving, noise, strict=True)])  # fmt: skip
    raw, _ = face_boxes(trembling, smoothing=0)
    steady, _ = face_boxes(trembling, smoothing=2)

    def jitter(boxes: np.ndarray) -> float:
        return float(np.abs(np.diff(boxes, 2, axis=0)).mean())  # an even movement has none

    assert jitter(steady) < 0.05 * jitter(raw)
    truth, _ = face_boxes(even, smoothing=0)
    assert np.abs(steady - truth)[5:-5].max() < np.abs(raw - truth).max() / 2


def test_a_lost_face_is_interpolated_and_held_at_the_ends():
    pose = faces([None, (100, 100, 200, 200), None, None, (160, 100, 260, 200), None])

    boxes, report = face_boxes(pose, smoothing=0)

    assert np.diff(boxes[:, 0]) == pytest.approx([0, 20, 20, 20, 0])
    assert np.allclose(np.diff(boxes[:, 1]), 0)
    assert report == ["frames 0, 2–3, 5: no face found, its place is held or interpolated"]


def test_half_a_face_is_not_taken_for_a_small_one():
    pose = faces([(100, 100, 200, 200)] * 2)
    scores = pose.scores.copy()
    scores[1, skeleton.FACE_SLICE.start + 33 :] = 0.2  # 33 of 68 points are seen
    boxes, report = face_boxes(pose.with_points(pose.points, scores), smoothing=0)
    assert np.array_equal(boxes[0], boxes[1]) and "frame 1: no face found" in report[0]


def test_boxes_stay_in_the_image_and_are_never_empty():
    leaving = faces([(x, 300, x + 100, 470) for x in range(300, 900, 30)])
    boxes, report = face_boxes(leaving, smoothing=4)
    assert (boxes >= 0).all() and (boxes <= (640, 480, 640, 480)).all()
    assert (boxes[:, 2:] - boxes[:, :2] > 1).all()
    assert "no face found" in report[0]  # where it lies outside


def test_a_clip_without_a_face_says_what_to_do():
    with pytest.raises(PoseError, match=r"driving pose: no face in 3 frames\. Switch on 'face' in"):
        face_boxes(PoseSequence.empty(3, CANVAS))


def test_crops_show_the_box_and_only_it():
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[100:200, 100:200, 0] = 255  # the box
    frame[100:200, 300:400, 1] = 255
    frame[100:200, 150:200, 2] = 255  # its right half
    ticks = []
    boxes = np.array([[100, 100, 200, 200], [300, 100, 400, 200.0]])

    crops = list(crop_faces([frame, frame], boxes, lambda *at: ticks.append(at)))

    assert [crop.shape for crop in crops] == [(SIZE, SIZE, 3)] * 2 and ticks == [(1, 2), (2, 2)]
    assert (crops[0][3:-3, 3:-3, 0] == 255).all() and not crops[0][..., 1].any()
    assert crops[0][:, :250, 2].max() == 0 and crops[0][3:-3, 262:-3, 2].min() == 255
    assert (crops[1][3:-3, 3:-3, 1] == 255).all()


def test_half_a_pixel_moves_the_crop_and_a_large_face_is_averaged():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    a, b = (next(crop_faces([ramp], np.array([[x, 10, x + 40, 50]]))) for x in (100.0, 100.5))
    assert (b.astype(int) - a)[:, 10:-10].mean() == pytest.approx(0.5, abs=0.05)

    stripes = np.zeros((2048, 2048, 3), np.uint8)
    stripes[:, ::2] = 200
    (crop,) = crop_faces([stripes], np.array([[0, 0, 2048, 2048.0]]))
    assert np.abs(crop.astype(int) - 100).max() <= 1  # grey, no pattern
