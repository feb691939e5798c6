from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from dispose_core.errors import MediaError
from dispose_core.media.video_read import probe, read_audio, read_frames
from dispose_core.media.video_write import write_video

from .conftest import grey, numbers

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (128, 128, 128)]


def test_frames_come_back_in_number_order_and_rate(tmp_path):
    notes = write_video(tmp_path / "new" / "a.mp4", (grey(n) for n in range(10)), fps=29.97)

    assert notes == ()
    assert probe(tmp_path / "new" / "a.mp4").fps == Fraction(2997, 100)
    assert numbers(read_frames(tmp_path / "new" / "a.mp4")) == list(range(10))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.mp4"]


def test_colours_survive_and_are_marked_as_bt709(tmp_path):
    stripes = np.repeat(np.array([COLOURS], np.uint8), 16, axis=1)  # (1, 96, 3)
    stripes = np.repeat(stripes, 64, axis=0)
    write_video(tmp_path / "a.mp4", [stripes] * 4, fps=24, crf=10)

    for frame in read_frames(tmp_path / "a.mp4"):
        middles = frame[32, 8::16].astype(int)
        assert np.abs(middles - COLOURS).max() <= 4
    with av.open(str(tmp_path / "a.mp4")) as file:
        frame = next(file.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
        assert frame.format.name == "yuv420p"


def test_a_higher_crf_makes_a_smaller_file(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (4, 64, 96, 3), np.uint8)
    for crf in (10, 40):
        write_video(tmp_path / f"{crf}.mp4", noise, fps=24, crf=crf)

    assert (tmp_path / "40.mp4").stat().st_size < (tmp_path / "10.mp4").stat().st_size / 3


def test_the_index_stands_before_the_images_so_that_browsers_start_at_once(tmp_path):
    write_video(tmp_path / "a.mp4", [grey(0)] * 3, fps=24)
    data = (tmp_path / "a.mp4").read_bytes()

    assert data.index(b"moov") < data.index(b"mdat")


def test_odd_sides_repeat_the_last_row_and_column_and_say_so(tmp_path):
    image = np.full((33, 47, 3), 200, np.uint8)
    notes = write_video(tmp_path / "a.mp4", [image], fps=24)

    frame = next(read_frames(tmp_path / "a.mp4"))
    assert frame.shape == (34, 48, 3)
    assert np.abs(frame.astype(int) - 200).max() <= 3  # no dark edge
    assert notes == ("47×33 became 48×34: H.264 needs even sides.",)


def test_two_channels_of_sound_stay_apart_and_end_with_the_image(tmp_path):
    tone = 0.5 * np.sin(np.arange(3 * 48000) * 0.06).astype(np.float32)
    write_video(
        tmp_path / "a.mp4", [grey(0)] * 24, fps=24, audio=(np.stack([tone, 0 * tone]), 48000)
    )

    samples, rate = read_audio(tmp_path / "a.mp4")
    assert rate == 48000 and samples.shape[0] == 2
    assert samples.shape[1] == pytest.approx(48000, abs=1100)
    assert np.abs(samples[0]).mean() == pytest.approx(0.5 * 2 / np.pi, rel=0.05)
    assert np.abs(samples[1]).max() < 0.05


def test_sound_at_a_rate_aac_does_not_know_keeps_its_pitch(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(96000) / 96000).astype(np.float32)
    write_video(tmp_path / "a.mp4", [grey(0)] * 24, fps=24, audio=(tone[None], 96000))

    samples, rate = read_audio(tmp_path / "a.mp4")
    spectrum = np.abs(np.fft.rfft(samples[0, :rate]))
    assert (rate, int(spectrum.argmax())) == (48000, 1000)


def test_six_channels_are_refused(tmp_path):
    with pytest.raises(MediaError, match="6 channels; mix it down"):
        write_video(
            tmp_path / "a.mp4", [grey(0)], fps=24, audio=(np.zeros((6, 99), np.float32), 48000)
        )


def test_without_h264_the_older_codec_is_used_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    notes = write_video(tmp_path / "a.mp4", (grey(n) for n in range(5)), fps=24)

    assert "no H.264 encoder" in notes[0]
    assert numbers(read_frames(tmp_path / "a.mp4")) == list(range(5))


@pytest.mark.parametrize(
    ("name", "frames", "fps", "message"),
    [
        ("a.mp4", [], 24, "there are no frames to write"),
        ("a.mp4", [grey(0)], 0, "fps is 0; it must be more than 0"),
        ("a.gif", [grey(0)], 24, "not a video name. Use .mkv, .mov, .mp4"),
        ("a.mp4", [grey(0), grey(0)[:16]], 24, "frame 1 is 48×16, the first one 48×32"),
        ("a.mp4", [np.zeros((2, 20000, 3), np.uint8)], 24, "20000×2 at 24 fps cannot be encoded"),
    ],
)
def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path, name, frames, fps, message):
    with pytest.raises(MediaError, match=message):
        write_video(tmp_path / name, frames, fps)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(MediaError, match=r"a\.mp4: cannot be written .* Choose a folder"):
        write_video(tmp_path / "file" / "a.mp4", [grey(0)], fps=24)


# The file is some 60 kB: the limits strike in its header, its images, its end.
@pytest.mark.parametrize("room", [10, 20_000, "all but one byte"])
def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path, room):
    resource = pytest.importorskip("resource", reason="needs a limit on file size")
    noise = np.random.default_rng(0).integers(0, 255, (12, 64, 96, 3), np.uint8)
    path = tmp_path / "a.mp4"
    write_video(path, noise, fps=24)
    before = path.read_bytes()
    if room == "all but one byte":
        room = len(before) - 1

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(MediaError, match=r"a\.mp4: cannot be written .*disk with free space"):
            write_video(path, noise, fps=24)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_cancelling_leaves_no_file(tmp_path):
    def frames():
        yield grey(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "a.mp4", frames(), fps=24)
    assert list(tmp_path.iterdir()) == []
