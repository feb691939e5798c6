from __future__ import annotations

import gc
import io
import re
import struct

import av
import numpy as np
import pytest
from PIL import Image

from dispose_core.errors import MediaError
from dispose_core.media import video_container as container
from dispose_core.media import video_read as read
from dispose_core.media.video_read import VideoInfo, count_frames, probe, read_audio, read_frames
from dispose_core.media.video_write import write_video

from .conftest import grey, numbers


def test_a_file_tells_its_size_rate_and_length(encode):
    info = probe(encode("clip.mp4", 12, fps=24))

    assert info == VideoInfo(48, 32, fps=24, num_frames=12, duration=0.5, has_audio=False)


def test_a_format_without_a_frame_count_is_counted_by_its_duration(encode):
    assert probe(encode("clip.mkv", 12)).num_frames == 12
    assert probe(encode("clip.ts", 12)).num_frames == 12


def test_sound_that_lasts_longer_does_not_make_frames(tmp_path):
    silence = np.zeros((1, 3 * 8000), np.float32)
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        image, sound = file.add_stream("libx264", rate=24), file.add_stream("aac", rate=8000)
        image.width, image.height, image.pix_fmt = 48, 32, "yuv420p"
        sound.codec_context.layout = "mono"
        for number in range(12):
            file.mux(image.encode(av.VideoFrame.from_ndarray(grey(number), "rgb24")))
        file.mux(image.encode(None))
        frame = av.AudioFrame.from_ndarray(silence, "fltp", "mono")
        frame.sample_rate = 8000
        file.mux(sound.encode(frame))
        file.mux(sound.encode(None))

    info = probe(tmp_path / "a.mkv")
    assert (info.num_frames, info.duration) == (12, 0.5)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_stride_start_duration_and_limit_choose_exact_frames(encode, name):
    path = encode(name, 20)

    assert numbers(read_frames(path)) == list(range(20))
    assert numbers(read_frames(path, stride=3)) == [0, 3, 6, 9, 12, 15, 18]
    assert numbers(read_frames(path, start=7 / 24)) == list(range(7, 20))
    assert numbers(read_frames(path, start=7 / 24, duration=5 / 24)) == [7, 8, 9, 10, 11]
    assert numbers(read_frames(path, stride=2, start=0.25, max_frames=3)) == [6, 8, 10]
    assert numbers(read_frames(path, start=6.9 / 24, duration=1 / 24)) == [7]


def test_an_open_file_reads_like_a_path_however_far_it_was_read(encode):
    data = io.BytesIO(encode("clip.mp4", 10).read_bytes())
    data.read()

    assert probe(data).num_frames == 10
    assert numbers(read_frames(data, start=4 / 24)) == [4, 5, 6, 7, 8, 9]
    assert read_audio(data) is None


def test_frames_that_are_skipped_are_never_converted(encode, monkeypatch):
    converted = []
    convert = container.FrameConverter.__call__
    monkeypatch.setattr(
        container.FrameConverter, "__call__", lambda s, f: converted.append(f.pts) or convert(s, f)
    )

    assert len(list(read_frames(encode("clip.mp4", 20), stride=5))) == 4
    assert len(converted) == 4


@pytest.mark.parametrize("first", [0, 240])  # recordings seldom begin at time 0
def test_a_late_start_decodes_from_the_key_frame_before_it(encode, monkeypatch, first):
    decoded = []
    decode = container.Container._decode

    def counting(self):
        for time, frame in decode(self):
            decoded.append(time)
            yield time, frame

    path = encode("clip.mkv", 24, gop=4, first=first)
    monkeypatch.setattr(container.Container, "_decode", counting)
    frames = list(read_frames(path, start=21 / 24))

    assert numbers(frames) == [21, 22, 23]
    # The first is the probe's; an open group of images costs one key frame more.
    assert min(decoded[1:]) >= 16 / 24 - 1e-6


def test_progress_counts_frames_handed_out_and_may_cancel(encode, monkeypatch):
    heard = []
    path = encode("clip.mp4", 10)
    list(read_frames(path, stride=2, on_frame=lambda *step: heard.append(step)))
    assert heard == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]

    # Where the file was wrong about its length, the total follows.
    monkeypatch.setattr(read, "count_frames", lambda *a: 3)
    heard.clear()
    list(read_frames(path, max_frames=4, on_frame=lambda *step: heard.append(step)))
    assert heard == [(1, 3), (2, 3), (3, 3), (4, 4)]

    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(read_frames(path, on_frame=cancel))


@pytest.mark.parametrize("limit", [None, 2])
def test_a_video_that_was_read_gives_its_memory_back_at_once(encode, limit):
    def held():
        kinds = (av.VideoFrame, av.filter.Graph, av.container.InputContainer)
        return sum(type(thing) in kinds for thing in gc.get_objects())

    path = encode("clip.mp4", 6)
    gc.collect()
    before = held()
    gc.disable()  # as in a program that makes few Python objects
    try:
        assert len(list(read_frames(path, max_frames=limit))) == (limit or 6)
        assert held() == before
    finally:
        gc.enable()


def test_the_frames_of_a_range_are_counted_beforehand():
    info = VideoInfo(48, 32, fps=30, num_frames=90, duration=3.0, has_audio=False)

    assert count_frames(info) == 90
    assert count_frames(info, start=1.0) == 60
    assert count_frames(info, start=1.0, duration=0.5) == 15
    assert count_frames(info, start=2.9, duration=5) == 3
    assert count_frames(info, start=4.0) == 0


# The display matrices of a phone held upright, upside down, the other way, and of a mirror.
@pytest.mark.parametrize(
    ("matrix", "rotation", "shown"),
    [
        ((1, 0, 0, 1), 0, lambda a: a),
        ((0, 1, -1, 0), 90, lambda a: np.rot90(a, -1)),
        ((-1, 0, 0, -1), 180, lambda a: np.rot90(a, 2)),
        ((0, -1, 1, 0), 270, lambda a: np.rot90(a, 1)),
        ((-1, 0, 0, 1), 0, np.fliplr),
    ],
)
def test_frames_come_upright_as_the_display_matrix_says(tmp_path, matrix, rotation, shown):
    corners = np.zeros((32, 48, 3), np.uint8)
    corners[:16, :24], corners[:16, 24:], corners[16:, :24] = 240, 160, 80
    path = tmp_path / "phone.mp4"
    write_video(path, [corners], fps=24, crf=4)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # type, version and flags, then 36 bytes of times and layers
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)

    info, frame = probe(path), next(read_frames(path))
    expected = shown(corners)

    assert info.rotation == rotation
    assert (info.height, info.width) == expected.shape[:2] == frame.shape[:2]
    assert np.abs(frame.astype(int) - expected)[4:12, 4:12].max() < 8
    assert np.abs(frame.astype(int) - expected)[-12:-4, 4:12].max() < 8


def test_a_stream_that_changes_its_size_keeps_the_first(encode):
    path, wider = encode("a.ts", 5), encode("b.ts", 5, width=64)
    path.write_bytes(path.read_bytes() + wider.read_bytes())

    frames = list(read_frames(path))
    assert {frame.shape for frame in frames} == {(32, 48, 3)}
    assert numbers(frames) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_a_one_frame_video_works_and_says_so(encode):
    path = encode("clip.mp4", 1)

    assert "One frame only" in probe(path).notes[-1]
    assert numbers(read_frames(path, stride=2)) == [0]


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(MediaError, match=r"none\.mp4: cannot be opened \(No such file"):
        probe(tmp_path / "none.mp4")


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    (tmp_path / "empty.mp4").touch()

    with pytest.raises(MediaError, match=r"empty\.mp4: the file is empty \(0 bytes\)"):
        probe(tmp_path / "empty.mp4")
    with pytest.raises(MediaError, match="not a video"):
        probe(io.BytesIO())


def test_a_text_file_is_said_to_be_no_video(tmp_path):
    (tmp_path / "notes.mp4").write_text("Remember the milk.\n" * 20)

    with pytest.raises(MediaError, match=r"notes\.mp4: not a video"):
        next(read_frames(tmp_path / "notes.mp4"))


def test_a_file_without_its_index_is_said_to_be_incomplete(encode):
    path = encode("clip.mp4", 12)  # this helper writes the index last
    path.write_bytes(path.read_bytes()[:-400])

    with pytest.raises(MediaError, match="only the beginning of one"):
        probe(path)


def test_a_file_cut_short_gives_the_frames_before_the_cut_and_then_says_where(tmp_path):
    path = tmp_path / "cut.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (24, 32, 48, 3), np.uint8)
    write_video(path, noise, fps=24)  # index first, so that the cut hits images
    whole = list(read_frames(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])

    got = []
    with pytest.raises(MediaError, match=r"cut\.mp4: breaks off after 0\.\d\d s") as error:
        for frame in read_frames(path):
            got.append(frame)
    seconds = float(re.search(r"after (\S+) s", str(error.value))[1])

    assert 6 < len(got) < 20
    assert seconds == pytest.approx(len(got) / 24, abs=0.006)
    assert all((a == b).all() for a, b in zip(got, whole, strict=False))
    # As the message promises: what ends before the damage can be read.
    assert len(list(read_frames(path, duration=6 / 24))) == 6


def test_a_file_with_sound_only_is_refused(tmp_path):
    path = tmp_path / "song.m4a"
    _tone(path, "aac")

    with pytest.raises(MediaError, match=r"song\.m4a: sound only"):
        probe(path)


@pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "disposition"), reason="this PyAV tells no covers"
)
def test_the_cover_of_a_song_is_no_video(tmp_path):
    path = tmp_path / "song.mp3"
    _tone(path, "libmp3lame")
    cover = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(cover, "JPEG")
    frame = b"\0image/jpeg\0\3\0" + cover.getvalue()
    tag = b"APIC" + struct.pack(">I", len(frame)) + b"\0\0" + frame
    size = bytes((len(tag) >> shift) & 127 for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\3\0\0" + size + tag + path.read_bytes())

    with av.open(str(path)) as file:
        assert file.streams.video  # FFmpeg offers the cover as one
    with pytest.raises(MediaError, match="sound only"):
        probe(path)


def _tone(path, codec):
    samples = np.sin(np.arange(4096) / 10).astype(np.float32)[None] / 2
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=44100)
        stream.codec_context.layout = "mono"
        for at in range(0, 4096, 1024):
            frame = av.AudioFrame.from_ndarray(samples[:, at : at + 1024].copy(), "fltp", "mono")
            frame.sample_rate, frame.pts = 44100, at
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def test_a_start_behind_the_end_names_both(encode):
    with pytest.raises(MediaError, match=r"no frame between 2 s and the end; it lasts 0\.50 s"):
        list(read_frames(encode("clip.mp4", 12), start=2))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stride": 0}, "stride is 0; it must be at least 1"),
        ({"start": -1.0}, r"start is -1\.0; it must be at least 0"),
        ({"max_frames": 0}, "max_frames is 0; it must be at least 1"),
        ({"duration": 0}, "duration is 0 s; it must be more than 0"),
    ],
)
def test_numbers_out_of_range_are_named_with_their_limit(encode, wrong, message):
    with pytest.raises(MediaError, match=message):
        next(read_frames(encode("clip.mp4", 2), **wrong))


def test_sound_is_read_for_just_the_frames_asked_for(tmp_path):
    rate = 8000
    clip = np.zeros((1, 2 * rate), np.float32)
    clip[0, rate:] = 0.5 * np.sin(np.arange(rate) * 0.3)
    path = tmp_path / "clip.mp4"
    write_video(path, [grey(0)] * 48, fps=24, audio=(clip, rate))

    whole, got_rate = read_audio(path)
    part, _ = read_audio(path, start=0.75, duration=0.5)

    assert got_rate == rate and whole.dtype == np.float32
    assert whole.shape[1] == pytest.approx(2 * rate, abs=1100)  # AAC fills its last frame
    assert part.shape == (1, rate // 2)
    assert np.flatnonzero(np.abs(whole[0]) > 0.2)[0] == pytest.approx(rate, abs=16)
    assert np.flatnonzero(np.abs(part[0]) > 0.2)[0] == pytest.approx(rate // 4, abs=16)


def test_a_seek_that_lands_too_late_in_the_sound_is_made_up_for(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).normal(0, 0.2, (1, 2 * 8000)).astype(np.float32)
    write_video(tmp_path / "a.mp4", [grey(0)] * 48, fps=24, audio=(noise, 8000))
    expected, _ = read_audio(tmp_path / "a.mp4", start=1.0)

    decode = read._decode_audio
    monkeypatch.setattr(
        read,
        "_decode_audio",
        lambda f, zero, start, end: decode(f, zero, start and start + 0.5, end),
    )
    late, _ = read_audio(tmp_path / "a.mp4", start=1.0)
    assert late.shape == expected.shape and np.abs(late - expected).max() < 1e-3


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts"])
def test_sound_from_the_middle_is_the_sound_that_is_there(tmp_path, name, monkeypatch):
    path = tmp_path / name
    samples = np.random.default_rng(0).normal(0, 0.2, (1, 4 * 8000)).astype(np.float32)
    with av.open(str(path), "w") as file:
        image = file.add_stream("libx264", rate=24)
        image.width, image.height, image.pix_fmt = 48, 32, "yuv420p"
        sound = file.add_stream("aac", rate=8000)
        sound.codec_context.layout = "mono"
        for at in range(0, 96):
            file.mux(image.encode(av.VideoFrame.from_ndarray(grey(0), "rgb24")))
            if at % 3 == 0:
                part = samples[:, at // 3 * 1000 :][:, :1000].copy()
                frame = av.AudioFrame.from_ndarray(part, "fltp", "mono")
                frame.sample_rate, frame.pts = 8000, at // 3 * 1000
                file.mux(sound.encode(frame))
        for stream in (image, sound):
            file.mux(stream.encode(None))
    whole, rate = read_audio(path)

    resampled = []
    resampler = av.AudioResampler

    class Counting:
        def __init__(self, *args):
            self.inner = resampler(*args)

        def resample(self, frame):
            resampled.append(frame)
            return self.inner.resample(frame)

    monkeypatch.setattr(av, "AudioResampler", Counting)
    part, _ = read_audio(path, start=1.5, duration=0.25)

    assert np.abs(part[0] - whole[0, 12000:14000]).max() < 1e-3
    assert len(resampled) * 1024 < 2.1 * rate  # what lies behind the end is not decoded


def test_silence_stands_where_the_sound_begins_after_the_image(tmp_path):
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as file:
        image = file.add_stream("libx264", rate=24)
        image.width, image.height, image.pix_fmt = 48, 32, "yuv420p"
        sound = file.add_stream("pcm_s16le", rate=8000)
        sound.codec_context.layout = "mono"
        for number in range(24):
            file.mux(image.encode(av.VideoFrame.from_ndarray(grey(number), "rgb24")))
        file.mux(image.encode(None))
        frame = av.AudioFrame.from_ndarray(np.full((1, 2000), 16384, np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = 8000, 4000  # half a second late
        file.mux(sound.encode(frame))
        file.mux(sound.encode(None))

    samples, rate = read_audio(path)

    assert (samples.shape, rate) == ((1, 6000), 8000)
    assert np.unique(samples[0, :4000]).tolist() == [0.0]
    assert np.unique(samples[0, 4000:]).tolist() == [0.5]


def test_a_disk_that_fails_on_the_way_is_told_like_a_cut(tmp_path):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > len(self.getvalue()) // 2:
                self.end = self.tell()
                raise OSError("the cable came out")
            return super().read(size)

    noise = np.random.default_rng(0).integers(0, 255, (24, 64, 96, 3), np.uint8)
    write_video(tmp_path / "a.mp4", noise, fps=24)

    got, disk = [], Failing((tmp_path / "a.mp4").read_bytes())
    with pytest.raises(MediaError, match="breaks off after"):
        for frame in read_frames(disk):
            got.append(frame)
    with av.open(str(tmp_path / "a.mp4")) as file:
        whole = [p for p in file.demux(video=0) if p.size and p.pos + p.size <= disk.end]
    assert 6 < len(got) == len(whole) < 24


def test_a_cut_that_strikes_the_sound_is_noticed_too(tmp_path):
    path = tmp_path / "cut.mp4"
    noise = np.random.default_rng(0).normal(0, 0.3, (2, 4 * 48000)).astype(np.float32)
    write_video(path, [grey(0)] * 96, fps=24, audio=(noise, 48000))  # nearly all of it is sound
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(MediaError, match=r"breaks off after [12]\.\d\d s"):
        list(read_frames(path))


def test_what_an_editor_hid_is_neither_read_nor_counted(tmp_path):
    path = tmp_path / "trimmed.mp4"
    write_video(path, (grey(n % 28) for n in range(72)), fps=24)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    assert struct.unpack(">I", data[at : at + 4]) == (3000,)  # milliseconds shown
    data[at : at + 4] = struct.pack(">I", 1000)
    path.write_bytes(data)

    assert probe(path).num_frames == 24
    assert numbers(read_frames(path)) == list(range(24))
