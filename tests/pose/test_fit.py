"""Poses joined with images and poses of other sizes and shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose.canvas import same_shape
from dispose_core.pose.fit import fit_to_drawing, fit_to_image, fit_to_reference
from dispose_core.pose.openpose_json import read_openpose
from dispose_core.pose.pose_files import load_poses

FILES = Path(__file__).parent / "files_of_others"


def fitted(pose, size):
    return fit_to_image([pose], size, "poses", "the image", "Try again.")


@pytest.mark.parametrize(
    "first, second, same",
    [
        ((1024, 576), (512, 288), True),
        ((1080, 1920), (576, 1024), True),
        ((1000, 563), (1024, 576), True),  # rounded sides
        ((1024, 576), (1024, 592), False),
        ((1024, 576), (1024, 1024), False),
        ((1024, 576), (576, 1024), False),
    ],
)
def test_same_shape_is_one_aspect_ratio(first, second, same):
    assert same_shape(first, second) == same_shape(second, first) == same


def test_poses_of_an_image_of_the_same_shape_are_scaled(standing):
    (pose,), report = fitted(standing(1, (200, 100)), (1024, 512))

    assert pose.canvas == (1024, 512) and report == []
    assert np.array_equal(pose.points, standing().points, equal_nan=True)


def test_poses_of_an_image_that_prepare_cropped_are_cropped_and_told(standing):
    """227×128 becomes 192×128: 17.5 rows are lost above and below."""
    (pose,), report = fitted(standing(1, (227, 128)), (192, 128))

    expected = (standing().body[..., 1] * 227 - 17.5) / 192
    np.testing.assert_allclose(pose.body[..., 1], expected, atol=0.5 / 192)
    assert report == [
        "poses: found in an image of 128×227 pixels, cropped to 128×192 as Prepare crops images"
    ]


def test_a_pose_found_on_a_padded_copy_does_not_fit_the_picture():
    pose = load_poses(FILES / "ref_square_canvas.json")[0]

    with pytest.raises(PoseError, match=r"image of 1024×1024 .* the reference image \(576×1024\)"):
        fit_to_reference(pose, (1024, 576))


def test_fractions_of_an_unknown_image_are_asked_for(standing):
    with pytest.raises(PoseError, match="Set the width and height of that image in Load Poses"):
        fitted(standing(1, (1, 1)), (192, 128))


@pytest.mark.parametrize(
    "width, height, size", [(0, 0, (200, 100)), (64, 0, (128, 64)), (0, 64, (64, 32))]
)
def test_the_side_that_is_not_given_follows_from_the_other(standing, width, height, size):
    (pose,) = fit_to_drawing([standing(1, (200, 100))], width, height)

    assert pose.canvas == size
    assert np.array_equal(pose.points, standing().points, equal_nan=True)


def test_bodies_are_not_stretched_into_images_of_another_shape(standing):
    with pytest.raises(PoseError, match=r"the images to draw \(100×100\). Set the width or"):
        fit_to_drawing([standing(1, (200, 100))], 100, 100)
    with pytest.raises(PoseError, match="poses: fractions of an image"):
        fit_to_drawing([standing(1, (1, 1))], 100, 0)
    assert fit_to_drawing([standing(1, (1, 1))], 100, 50)[0].canvas == (50, 100)


def test_a_clip_of_frames_of_different_shapes_is_refused():
    person = {"pose_keypoints_2d": [30.0, 20.0, 1.0] * 18}
    frames = [
        {"people": [], "canvas_width": 100, "canvas_height": 100},  # nobody, no matter
        {"people": [person], "canvas_width": 100, "canvas_height": 200},
        {"people": [person], "canvas_width": 50, "canvas_height": 100},
        {"people": [person], "canvas_width": 100, "canvas_height": 100},
    ]

    assert read_openpose(frames[:3])[0].canvas == (200, 100)
    with pytest.raises(PoseError, match="100×200 in frame 1 and 100×100 in frame 3"):
        read_openpose(frames)
