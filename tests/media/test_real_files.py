"""Files as browsers, cameras and old programs write them: clocks, shapes and what is inside."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dispose_core.errors import MediaError
from dispose_core.media.image import read_image
from dispose_core.media.video_read import count_frames, probe, read_audio, read_frames

from .conftest import grey, numbers

# As the recorder of a browser writes: neither duration nor index.
RECORDER = {"live": "1"}


@pytest.mark.parametrize(
    ("name", "codec", "muxer"),
    [
        ("recorded.webm", "libvpx", RECORDER),
        ("recorded.mkv", "libx264", RECORDER),
        ("live.flv", "libx264", {"flvflags": "no_duration_filesize"}),
        ("fragments.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("plain.ivf", "libvpx", {}),
        ("plain.h264", "libx264", {}),
    ],
)
def test_a_length_that_is_not_told_is_counted(encode, name, codec, muxer):
    path = encode(name, 22, codec=codec, muxer=muxer)
    info = probe(path)

    assert (info.num_frames, info.fps) == (22, 24)
    assert info.duration == pytest.approx(22 / 24)
    assert numbers(read_frames(path)) == list(range(22))
    assert count_frames(info, start=0.5) == 10
    assert numbers(read_frames(path, start=0.5)) == list(range(12, 22))


def test_a_length_in_memory_is_counted_too(encode):
    data = io.BytesIO(encode("recorded.webm", 10, codec="libvpx", muxer=RECORDER).read_bytes())

    assert probe(data).num_frames == 10
    assert numbers(read_frames(data)) == list(range(10))


def test_a_recording_of_one_frame_is_one_frame(encode):
    info = probe(encode("recorded.webm", 1, codec="libvpx", muxer=RECORDER))

    assert (info.num_frames, info.notes) == (1, ("One frame only: nothing in it moves.",))


@pytest.mark.parametrize("muxer", [{}, RECORDER])
def test_a_recording_at_uneven_times_lasts_until_its_end(tmp_path, muxer):
    path = tmp_path / "phone.mkv"
    with av.open(str(path), "w", options=muxer) as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate([0, 40, 80, 400, 440, 480]):
            frame = av.VideoFrame.from_ndarray(grey(number), "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    info = probe(path)

    assert info.duration == pytest.approx(0.52, abs=0.04)
    assert numbers(read_frames(path))[-1] == 5
    assert len(list(read_frames(path))) == pytest.approx(info.num_frames, abs=1)


# H.264 starts late in FLV, too, as its first frames are decoded before they are shown.
@pytest.mark.parametrize(
    ("name", "first"),
    [(name, first) for name in ("a.mp4", "a.mkv", "a.ts", "a.flv", "a.nut") for first in (0, 504)]
    + [("a.mkv", -12), ("a.ts", -12)],
)
def test_length_is_end_minus_start(encode, name, first):
    path = encode(name, 24, first=first, b_frames=2)
    info = probe(path)

    assert (info.num_frames, info.duration) == (24, pytest.approx(1.0))
    assert numbers(read_frames(path)) == list(range(24))
    assert numbers(read_frames(path, start=0.5)) == list(range(12, 24))


def test_what_an_edit_list_cuts_off_at_the_start_is_not_counted(encode):
    path = encode("clip.mp4", 24, first=-12, b_frames=2)

    assert probe(path).num_frames == 12
    assert numbers(read_frames(path)) == list(range(12, 24))


def test_sound_that_is_longer_is_no_part_of_a_length_that_is_not_told(tmp_path):
    for name, codec in (("a.flv", "libx264"), ("a.nut", "mpeg4"), ("a.wmv", "wmv2")):
        path = tmp_path / name
        with av.open(str(path), "w") as file:
            image, sound = file.add_stream(codec, rate=24), file.add_stream("aac", rate=44100)
            image.width, image.height, image.pix_fmt = 48, 32, "yuv420p"
            sound.codec_context.layout = "mono"
            for number in range(12):
                file.mux(image.encode(av.VideoFrame.from_ndarray(grey(number), "rgb24")))
            file.mux(image.encode(None))
            for at in range(0, 3 * 44100, 1024):
                silence = np.zeros((1, 1024), np.float32)
                frame = av.AudioFrame.from_ndarray(silence, "fltp", "mono")
                frame.sample_rate, frame.pts = 44100, at
                file.mux(sound.encode(frame))
            file.mux(sound.encode(None))

        assert probe(path).num_frames == 12, name
        assert len(list(read_frames(path))) == 12, name
        assert read_audio(path)[0].shape[1] == pytest.approx(3 * 44100, abs=5000), name


# AVI and ASF store times of decoding only, and bare streams none.
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("clip.avi", "libx264"),
        ("clip.avi", "mpeg4"),
        ("clip.wmv", "libx264"),
        ("clip.asf", "mpeg4"),
        ("clip.h264", "libx264"),
        ("clip.m2v", "mpeg2video"),
    ],
)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_without_times_come_once_each_and_in_order(encode, name, codec, b_frames):
    path = encode(name, 24, gop=12, codec=codec, b_frames=b_frames)
    info = probe(path)

    assert (info.num_frames, info.duration, info.fps) == (24, pytest.approx(1), 24)
    assert numbers(read_frames(path)) == list(range(24))
    assert numbers(read_frames(path, start=0.625)) == list(range(15, 24))
    assert numbers(read_frames(path, stride=5)) == [0, 5, 10, 15, 20]


def test_b_frames_in_avi_come_in_the_order_of_the_decoder():
    """A file of FFmpeg, whose B-frames refer to each other; 24 frames."""
    path = Path(__file__).with_name("files") / "b_frames.avi"
    with av.open(str(path)) as file:
        decoded = [frame.to_ndarray(format="gray").astype(int) for frame in file.decode(video=0)]
    frames = list(read_frames(path))

    assert probe(path).num_frames == len(frames) == len(decoded) == 24
    for frame, expected in zip(frames, decoded, strict=True):
        assert np.abs(frame.mean(2) - (expected - 16) * 255 / 219).mean() < 16
    for one, other in pairwise(frames):
        assert np.abs(one.astype(int) - other).mean() > 0.05  # none twice
    later = list(read_frames(path, start=0.5))
    assert [(a == b).all() for a, b in zip(later, frames[12:], strict=True)] == [True] * 12


def test_a_bare_stream_says_what_its_rate_is_taken_for(encode):
    assert "bare stream without times; 30 fps" in probe(encode("a.h264", 4, fps=30)).notes[0]


def test_motion_jpeg_is_a_video(tmp_path):
    with open(tmp_path / "a.mjpeg", "wb") as file:
        for number in range(6):
            Image.fromarray(grey(number)).save(file, "JPEG", quality=95)

    assert probe(tmp_path / "a.mjpeg").num_frames == 6
    assert numbers(read_frames(tmp_path / "a.mjpeg")) == list(range(6))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.mov", "clip.ts"])
@pytest.mark.parametrize(("aspect", "width"), [((9, 16), 27), ((64, 45), 68)])
def test_pixels_become_square(encode, name, aspect, width):
    path = encode(name, 12, sample_aspect_ratio=Fraction(*aspect))
    info, frame = probe(path), next(read_frames(path))

    assert (info.width, info.height) == (width, 32)
    assert frame.shape == (32, width, 3)
    assert f"stored at 48×32 with pixels of {aspect[0]}:{aspect[1]}: read at {width}×32" in "".join(
        info.notes
    )


def test_a_square_in_narrow_pixels_is_read_as_a_square(tmp_path):
    stored = np.full((64, 64, 3), 20, np.uint8)
    stored[16:48, 0:32] = 220  # 32×32 stored, 18×32 shown
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        stream = file.add_stream("libx264", rate=24, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(9, 16)
        file.mux(stream.encode(av.VideoFrame.from_ndarray(stored, "rgb24")))
        file.mux(stream.encode(None))
    frame = next(read_frames(tmp_path / "a.mkv"))

    assert frame.shape == (64, 36, 3)
    bright = frame[..., 1] > 120
    assert (bright.any(0).sum(), bright.any(1).sum()) == (18, 32)


def test_impossible_pixels_are_told_and_read_as_square(encode):
    info = probe(encode("a.mkv", 2, sample_aspect_ratio=Fraction(1, 20)))

    assert (info.width, info.height) == (48, 32)
    assert "pixels are 1:20: read as square" in info.notes[0]


@pytest.mark.parametrize("second", [(48, 32), (24, 16)])
def test_a_photograph_with_a_second_picture_inside_is_one_picture(tmp_path, second):
    first, other = Image.new("RGB", (48, 32), "red"), Image.new("RGB", second, "blue")
    path = tmp_path / "phone.jpg"
    first.save(path, "MPO", save_all=True, append_images=[other])

    info, frames = probe(path), list(read_frames(path))
    assert (info.num_frames, len(frames)) == (1, 1)
    assert frames[0][16, 24].tolist() == pytest.approx([254, 0, 0], abs=2)
    assert read_image(path)[:, 16, 24].tolist() == pytest.approx([1, 0, 0], abs=0.01)


def test_the_pages_of_a_tiff_are_no_animation(tmp_path):
    first, other = Image.new("RGB", (48, 32), "red"), Image.new("RGB", (48, 32), "blue")
    for name in ("scan.tif", "scan.jpg"):
        first.save(tmp_path / name, "TIFF", save_all=True, append_images=[other])

        assert probe(tmp_path / name).num_frames == 1
        assert [f[0, 0].tolist() for f in read_frames(tmp_path / name)] == [[255, 0, 0]]


def test_animations_stay_animations(tmp_path):
    first, other = Image.new("RGB", (48, 32), "red"), Image.new("RGB", (48, 32), "blue")
    for name in ("a.gif", "a.webp", "a.png"):
        first.save(tmp_path / name, save_all=True, append_images=[other], duration=100)
        assert len(list(read_frames(tmp_path / name))) == 2


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"hevc", b"msf1"])
def test_a_photograph_that_cannot_be_read_is_refused(tmp_path, brand):
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(99))

    for read in (probe, read_image):
        with pytest.raises(MediaError, match=r"a\.jpg: not an image, .* PNG or JPEG"):
            read(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.txt", "a.nfo", "a.mp4", "a.jpg", "a.webm", "a.avi", "a.h264"])
def test_text_under_any_name_is_refused(tmp_path, name):
    (tmp_path / name).write_text("Remember the milk.\n" * 20)

    with pytest.raises(MediaError, match="not a video"):
        list(read_frames(tmp_path / name))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_metadata_in_another_encoding_is_no_obstacle(tmp_path, name):
    path = tmp_path / name
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "Caf_ Paris"
        stream = file.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(grey(0), "rgb24")))
        file.mux(stream.encode(None))
    data = path.read_bytes()
    assert b"Caf_" in data
    path.write_bytes(data.replace(b"Caf_", b"Caf\xe9"))

    assert numbers(read_frames(path)) == [0]


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_told(encode, transfer, name):
    path = encode("a.mkv", 2, codec="ffv1", color_trc=transfer)

    assert f"is HDR ({name}) and is read without tone mapping" in "".join(probe(path).notes)
    assert not probe(encode("b.mkv", 2, color_trc=1)).notes


def test_side_data_that_pyav_does_not_know_is_no_obstacle(tmp_path):
    exif, jpeg = Image.Exif(), io.BytesIO()
    exif[0x010F] = "Camera"
    Image.fromarray(grey(3)).save(jpeg, "JPEG", exif=exif)
    with av.open(str(tmp_path / "camera.avi"), "w") as file:
        stream = file.add_stream("mjpeg", rate=24)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        for number in range(3):
            packet = av.Packet(jpeg.getvalue())
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, 24), True
            file.mux(packet)

    assert probe(tmp_path / "camera.avi").num_frames == 3
    assert numbers(read_frames(tmp_path / "camera.avi")) == [3, 3, 3]


@pytest.mark.parametrize("name", ["a.mkv", "a.flv"])
def test_a_cut_is_noticed_in_formats_that_tell_their_end(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 255, (72, 32, 48, 3), np.uint8)
    path = tmp_path / name
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for image in noise:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(MediaError, match=r"breaks off after [12]\.\d\d s"):
        list(read_frames(path))
    assert len(list(read_frames(path, duration=0.5))) == 12
