from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dispose_core.errors import MediaError
from dispose_core.media.image import write_image
from dispose_core.media.video_read import probe, read_audio, read_frames

from .conftest import grey, numbers


def test_a_folder_of_images_plays_in_natural_order(tmp_path):
    for number, name in enumerate(["walk 1.png", "walk 2.png", "walk 10.png"]):
        write_image(tmp_path / name, grey(number))
    (tmp_path / "._walk 1.png").write_bytes(b"what macOS leaves on foreign disks")
    (tmp_path / "notes.txt").touch()

    info = probe(tmp_path)

    assert (info.width, info.height, info.num_frames, info.fps) == (48, 32, 3, 24)
    assert "24 fps assumed" in info.notes[0]
    assert numbers(read_frames(tmp_path)) == [0, 1, 2]
    assert numbers(read_frames(tmp_path, stride=2)) == [0, 2]
    assert numbers(read_frames(tmp_path, start=1 / 24, duration=1 / 24)) == [1]
    assert read_audio(tmp_path) is None


def test_images_of_two_sizes_are_named(tmp_path):
    write_image(tmp_path / "1.png", grey(0))
    write_image(tmp_path / "2.png", grey(0)[:16])

    with pytest.raises(MediaError, match=r"2\.png: 48×16, but 1\.png is 48×32"):
        list(read_frames(tmp_path))


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(MediaError, match="holds no images"):
        probe(tmp_path)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animated_image_plays_at_its_own_rate(tmp_path, kind):
    path = tmp_path / f"loop.{kind.lower()}"
    first, *others = (Image.fromarray(grey(number)) for number in range(5))
    options = {"lossless": True} if kind == "WEBP" else {}
    first.save(path, kind, save_all=True, append_images=others, duration=100, **options)

    assert (probe(path).fps, probe(path).num_frames) == (10, 5)
    assert numbers(read_frames(path)) == [0, 1, 2, 3, 4]
    assert numbers(read_frames(io.BytesIO(path.read_bytes()), stride=2, start=0.1)) == [1, 3]
    assert read_audio(path) is None


def test_what_is_transparent_in_an_animation_is_white(tmp_path):
    clear = Image.new("RGBA", (48, 32), (0, 0, 0, 0))
    solid = Image.new("RGBA", (48, 32), (0, 0, 0, 255))
    clear.save(tmp_path / "a.webp", save_all=True, append_images=[solid], lossless=True)

    assert [int(frame.mean()) for frame in read_frames(tmp_path / "a.webp")] == [255, 0]


def test_a_single_image_is_a_one_frame_video(tmp_path):
    write_image(tmp_path / "still.jpg", grey(3))

    assert "One frame only" in probe(tmp_path / "still.jpg").notes[-1]
    assert numbers(read_frames(tmp_path / "still.jpg")) == [3]


def test_sixteen_bit_frames_become_eight(tmp_path):
    Image.fromarray(np.full((32, 48), 65535, np.uint16)).save(tmp_path / "1.png")

    assert np.unique(next(read_frames(tmp_path))).tolist() == [255]
