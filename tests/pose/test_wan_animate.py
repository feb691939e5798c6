"""The set for Wan-Animate: rates, lengths, sizes, faces, region and background."""

from __future__ import annotations

import numpy as np
import pytest

from dispose_core.errors import PoseError
from dispose_core.pose.render import DrawOptions, draw_frame
from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.wan_animate import Clip, WanAnimateOptions, wan_animate_set

SIZE = (96, 64)


def walker(frames: int, canvas: tuple[int, int] = SIZE) -> PoseSequence:
    """A person with all points, who moves to the right."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0.2, 0.5, (1, 134, 2)) + np.linspace(0, 0.2, frames)[:, None, None]
    return PoseSequence(points, np.full((frames, 134), 0.9), canvas)


def clip(frames: int, size: tuple[int, int] = SIZE) -> Clip:
    """Frame t is grey t."""
    return Clip(frames, size, lambda t: np.full((*size, 3), t, np.uint8))


def numbers(frames) -> list[int]:
    return [int(frame[..., 0].max()) for frame in frames]


def test_every_frame_is_drawn_and_cropped():
    pose = walker(5)
    made = wan_animate_set([pose], clip(5))

    assert (made.frames, made.length, made.size) == (5, 5, SIZE)
    assert numbers(made.faces) == [0, 1, 2, 3, 4]
    for t, image in enumerate(made.poses):
        wanted = draw_frame([pose], t, SIZE, DrawOptions(style="wan-animate"))
        assert np.array_equal(image, wanted) and image.any()
    assert made.scenes is None and made.report == []
    assert len(made.posedata["pose_metas"]) == len(made.posedata["pose_metas_original"]) == 5


@pytest.mark.parametrize(
    ("fps", "taken"),
    [
        (60.0, [0, 2, 4, 6]),
        (15.0, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]),  # evenly, or it judders
        (30.0, [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_frames_are_taken_for_thirty_per_second(fps, taken):
    made = wan_animate_set([walker(8)], clip(8), options=WanAnimateOptions(fps=fps))
    assert numbers(made.faces) == taken and len(list(made.poses)) == len(taken) == made.frames
    assert made.report[0] == f"8 frames at {fps:g} fps: {len(taken)} at 30 fps"


@pytest.mark.parametrize(
    ("frames", "length"), [(1, 1), (4, 1), (5, 5), (6, 5), (77, 77), (80, 77), (81, 81)]
)
def test_the_report_says_what_is_cut_from_a_length_that_is_not_4n_plus_1(frames, length):
    made = wan_animate_set([walker(frames)], clip(frames))
    assert made.length == length
    said = [line for line in made.report if "4n + 1" in line]
    cut = frames - length
    said_cut = "one is" if cut == 1 else f"{cut} are"
    assert said == (
        [
            f"{frames} frames: Wan-Animate makes 4n + 1, so the last {said_cut} cut at a length of "
            f"{length}; with {length + 4} the last frame is repeated"
        ]
        if cut
        else []
    )
    assert any("makes 77 at once" in line for line in made.report) is (frames > 77)


def test_the_poses_that_are_given_are_drawn_at_the_size_that_is_asked_for():
    driving, aligned = walker(2), walker(2, (160, 240))
    options = WanAnimateOptions(size=(320, 0))
    made = wan_animate_set([driving], clip(2), [aligned], options=options)
    assert made.size == (320, 480)
    wanted = draw_frame([aligned], 0, (320, 480), DrawOptions(style="wan-animate"))
    assert np.array_equal(next(made.poses), wanted)
    assert made.posedata["pose_metas"][0].width == 480
    assert made.posedata["pose_metas_original"][0]["width"] == 64
    made = wan_animate_set([driving], clip(2), options=WanAnimateOptions(size=(100, 0)))
    assert "67×100: WanAnimateToVideo makes multiples of 16 and crops the rest" in made.report


def test_the_person_is_cut_out_of_the_background_in_blocks():
    outline = np.zeros(SIZE, np.float32)
    outline[40:48, 20:28] = 1
    masks = Clip(1, SIZE, lambda t: outline)
    options = WanAnimateOptions(grow=1, block=16)
    made = wan_animate_set([walker(3)], clip(3), mask=masks, options=options)

    scenes = list(made.scenes)
    expected = np.zeros(SIZE)
    expected[32:64, 16:32] = 1  # 39…48 and 19…28 in blocks of 16
    for t, (region, background) in enumerate(scenes):
        assert np.array_equal(region, expected)
        assert np.array_equal(background[..., 0], np.where(expected, 0, t))
    # At twice the size, the mask is resized and then grown.
    made = wan_animate_set(
        [walker(3)], clip(3), mask=masks, options=WanAnimateOptions((192, 128), grow=0, block=0)
    )
    region, background = next(made.scenes)
    assert region.shape == (192, 128) and region[80:96, 40:56].all() and region.sum() == 16 * 16
    assert background.shape == (192, 128, 3)


def test_what_does_not_fit_together_is_refused():
    pose = walker(3)
    with pytest.raises(PoseError, match="driving pose: 3 poses for 4 driving images, needed one"):
        wan_animate_set([pose], clip(4))
    with pytest.raises(PoseError, match="aligned pose: 2 poses for 3 driving images"):
        wan_animate_set([pose], clip(3), [walker(2)])
    with pytest.raises(PoseError, match="mask: 2 of 64×96 for 3 driving images of 64×96"):
        wan_animate_set([pose], clip(3), mask=clip(2))
    with pytest.raises(PoseError, match="mask: 3 of 96×64 for 3 driving images of 64×96"):
        wan_animate_set([pose], clip(3), mask=clip(3, (64, 96)))
    with pytest.raises(PoseError, match="driving pose: found in an image of 64×96 pixels, whose"):
        wan_animate_set([pose], clip(3, (64, 96)))
