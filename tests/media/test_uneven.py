"""Variable frame rates: motion keeps its speed, and the image stays with its sound."""

from __future__ import annotations

from fractions import Fraction

import pytest
from PIL import Image

from dispose_core.media import video_read as read
from dispose_core.media.frame_clock import FrameClock
from dispose_core.media.video_read import _sample_by_time, probe, read_frames

from .conftest import grey, numbers


def shown(times, stride=1, start=0.0, end=float("inf"), period=0.1) -> list[int]:
    """Which frames are taken of a clip with these times, at 10 frames a second."""
    frames = ((time, lambda n=n: n) for n, time in enumerate(times) if time >= start - period / 4)
    return [image() for image in _sample_by_time(frames, period, stride, start, end)]


def test_a_frame_stays_until_the_next_one_is_due():
    assert shown([0, 0.1, 0.4, 0.5]) == [0, 1, 1, 1, 2, 3]
    assert shown([0, 0.1, 0.4, 0.5], stride=2) == [0, 1, 2]
    assert shown([0, 0.1, 0.4, 0.5], stride=3) == [0, 1]


def test_frames_that_come_too_fast_are_left_out():
    assert shown([0, 0.1, 0.13, 0.16, 0.19, 0.2, 0.3]) == [0, 1, 2, 6]


def test_a_constant_rate_is_counted_whatever_its_rounding():
    assert shown([0, 0.12, 0.19, 0.33, 0.37, 0.5]) == [0, 1, 2, 3, 4, 5]
    # A rate that is told wrong by a little less than half a percent, over 100 frames.
    assert shown([0.1004 * n for n in range(100)], stride=9) == list(range(0, 100, 9))


def test_a_start_within_a_still_counts_from_there():
    assert shown([0, 0.1, 0.8, 0.9], start=0.5) == [2, 2, 2, 2, 3]
    assert shown([0, 0.1, 0.2, 0.3], start=0.13) == [2, 3]


def test_an_end_within_a_still_shows_it_until_then():
    assert shown([0, 0.1, 0.8, 0.9], end=0.375) == [0, 1, 1, 1]
    assert shown([0, 0.1, 0.2, 0.3], end=0.175) == [0, 1]


def timed(stamps) -> list[float]:
    """Times of frames with these stamps, at 10 frames a second."""
    clock = FrameClock(0.1)
    return [pytest.approx(clock.next(stamp)) for stamp in stamps]


def test_stamps_that_are_missing_repeated_or_go_back_are_counted():
    tenths = [0, 0.1, 0.2, 0.3, 0.4]

    assert timed([None] * 5) == tenths
    assert timed([0, None, 0.2, None, None]) == tenths
    assert timed([0, 0, 0.2, 0.2, 0.4]) == tenths
    assert timed([0, 0.1, 0, 0.3, 0.4]) == tenths
    assert timed([0, 0.1, 0.1, 0.2, 0.4]) == tenths
    assert timed([-0.2, -0.1, 0, 0.4]) == [-0.2, -0.1, 0, 0.4]


def test_one_stamp_far_off_does_not_move_the_others():
    assert timed([5, 5.1, 0, 5.3, 5.4]) == [5, 5.1, 5.2, 5.3, 5.4]
    assert timed([0, 0.1, 95443, 0.3, 1.3]) == [0, 0.1, 0.2, 0.3, 1.3]


def test_recordings_that_were_joined_go_on():
    assert timed([0, 0.1, 0.2, 0, 0.1, 0.2]) == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert timed([5, 5.1, 0, 0.1, 0.6]) == [5, 5.1, 5.2, 5.3, 5.8]
    assert timed([0, 0.1, 95443.7, 95443.8, 95444]) == [0, 0.1, 0.2, 0.3, 0.5]


@pytest.mark.parametrize("name", ["phone.mp4", "phone.mkv"])
def test_a_video_that_slows_down_keeps_its_speed(encode_at, name):
    """A second at 20 frames, a second at 5: frames 0–19, then 20–24, each four times."""
    path = encode_at(name, [*range(0, 1000, 50), *range(1000, 2000, 200)])

    info = probe(path)
    seen = numbers(read_frames(path))
    times = [(n + 0.5) / float(info.fps) for n in range(len(seen))]

    # Whatever the average is said to be, what is shown is what a player shows then, or one tick
    # of that clock away from it.
    tick = 1 / float(info.fps)
    for time, number in zip(times, seen, strict=True):
        began = number * 0.05 if number < 20 else 1 + (number - 20) * 0.2
        lasts = 0.05 if number < 20 else 0.2
        assert began - tick <= time <= began + lasts + tick
    assert times[-1] >= 1.8


def test_an_animation_keeps_the_times_of_its_frames(tmp_path):
    path = tmp_path / "stop_motion.gif"
    first, *others = (Image.fromarray(grey(n)) for n in range(5))
    first.save(path, save_all=True, append_images=others, duration=[100, 100, 1000, 100, 100])

    assert probe(path).fps == Fraction(5000, 1400)  # a tick is 0.28 s
    assert numbers(read_frames(path)) == [0, 1, 2, 2, 3, 4]


def test_progress_of_an_uneven_video_is_told_for_what_is_handed_out(encode_at):
    heard = []
    path = encode_at("a.mkv", [0, 40, 80, 400, 440])
    frames = list(read.read_frames(path, on_frame=lambda *step: heard.append(step)))
    assert [done for done, _ in heard] == list(range(1, len(frames) + 1))
    assert heard[-1][0] == heard[-1][1]
