from __future__ import annotations

import errno
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from dispose_core.errors import MediaError
from dispose_core.media.image import read_image, write_image


def save(path, pixels, mode=None, **options):
    pil_image = Image.fromarray(np.asarray(pixels, np.uint8))
    (pil_image.convert(mode) if mode else pil_image).save(path, **options)
    return path


def colour(image, row=0, column=0):
    return [round(value * 255) for value in image[:, row, column].tolist()]


@pytest.fixture
def red(tmp_path):
    def make(name, mode=None, **options):
        return save(tmp_path / name, np.full((8, 12, 3), (200, 40, 0)), mode, **options)

    return make


def test_an_image_is_rgb_from_zero_to_one_rows_first(tmp_path):
    image = read_image(save(tmp_path / "a.png", [[[255, 0, 51], [0, 102, 0]]]))

    assert (image.shape, image.dtype) == ((3, 1, 2), torch.float32)
    assert image[:, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.2])
    assert image[:, 0, 1].tolist() == pytest.approx([0.0, 0.4, 0.0])
    assert image.is_contiguous()


@pytest.mark.parametrize("tag", [2, 3, 6, 8])
def test_exif_rotation_is_applied(tmp_path, tag):
    stored = np.kron([[10, 20, 30], [40, 50, 60]], np.ones((16, 16)))  # 2×3 blocks
    exif = Image.Exif()
    exif[0x0112] = tag
    path = save(tmp_path / "a.png", np.repeat(stored[..., None], 3, 2), exif=exif)
    upright = {
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        6: lambda a: np.rot90(a, -1),
        8: lambda a: np.rot90(a, 1),
    }[tag](stored)

    assert (read_image(path)[0] * 255).round().tolist() == upright.tolist()


def test_transparency_is_shown_over_white(tmp_path):
    pixels = np.array([[[255, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 128]]])
    image = read_image(save(tmp_path / "a.png", pixels))

    assert [colour(image, 0, x) for x in range(3)] == [[255, 0, 0], [255] * 3, [127] * 3]


def test_a_palette_with_a_transparent_colour_is_shown_over_white(tmp_path):
    pil_image = Image.fromarray(np.array([[0, 1]], np.uint8))
    pil_image.putpalette([200, 0, 0, 0, 0, 90])
    pil_image.save(tmp_path / "a.gif", transparency=1)

    image = read_image(tmp_path / "a.gif")
    assert [colour(image, 0, x) for x in range(2)] == [[200, 0, 0], [255, 255, 255]]


def test_cmyk_palette_and_grey_become_rgb(red):
    assert colour(read_image(red("a.jpg", "CMYK", quality=100))) == pytest.approx(
        [200, 40, 0], abs=3
    )
    assert colour(read_image(red("a.png", "P"))) == pytest.approx([200, 40, 0], abs=30)
    grey = round(0.299 * 200 + 0.587 * 40)
    assert colour(read_image(red("b.png", "L"))) == [grey] * 3
    assert colour(read_image(red("c.png", "1"))) in ([0] * 3, [255] * 3)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_grey_keeps_its_steps(tmp_path, name):
    Image.fromarray(np.array([[0, 1000, 65535]], np.uint16)).save(tmp_path / name)

    image = read_image(tmp_path / name)
    assert image[0, 0].tolist() == pytest.approx([0, 1000 / 65535, 1])
    assert image.shape == (3, 1, 3)


def test_sixteen_bit_colour_is_read(tmp_path):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">2I5B", 1, 1, 16, 2, 0, 0, 0)  # 1×1, 16 bits, RGB
    pixel = zlib.compress(b"\0" + struct.pack(">3H", 65535, 128 * 257, 0))
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    )

    assert colour(read_image(tmp_path / "a.png")) == [255, 128, 0]


def test_values_without_an_agreed_white_are_refused(tmp_path):
    Image.fromarray(np.array([[0.5]], np.float32)).save(tmp_path / "f.tif")
    Image.fromarray(np.array([[100_000]], np.int32)).save(tmp_path / "i.tif")

    with pytest.raises(MediaError, match=r"f\.tif: floating-point pixels .* 16-bit PNG"):
        read_image(tmp_path / "f.tif")
    with pytest.raises(MediaError, match=r"i\.tif: 32-bit values \(100000…100000\)"):
        read_image(tmp_path / "i.tif")


def test_of_an_animation_the_first_frame_counts(tmp_path):
    first, second = (Image.new("RGB", (4, 4), name) for name in ("black", "white"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])

    assert colour(read_image(tmp_path / "a.gif")) == [0, 0, 0]


@pytest.mark.parametrize("keep", [0.3, 0.8])
def test_an_image_cut_short_is_said_to_be_damaged(tmp_path, keep):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3))
    for name in ("a.png", "a.jpg", "a.webp"):
        path = save(tmp_path / name, noise)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
        with pytest.raises(MediaError, match=rf"{name}: (damaged or cut short|not an image)"):
            read_image(path)


def test_what_is_no_image_is_said_to_be_none(tmp_path):
    (tmp_path / "a.png").write_text("Remember the milk.")
    (tmp_path / "b.png").touch()

    for name in ("a.png", "b.png"):
        with pytest.raises(MediaError, match=rf"{name}: not an image.* PNG or JPEG"):
            read_image(tmp_path / name)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(MediaError, match=r"none\.png: cannot be opened \(No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(MediaError, match="cannot be opened"):
        read_image(tmp_path)


def test_an_image_too_large_to_be_meant_is_refused(red, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # Pillow refuses twice that: 8·12 > 80

    with pytest.raises(MediaError, match=r"a\.png: too large to open safely .* Scale it down"):
        read_image(red("a.png"))


def test_a_tensor_and_an_array_write_the_same_image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    for name, image in (("a", pixels), ("b", tensor), ("c", tensor / 255), ("d", pixels / 255.0)):
        write_image(tmp_path / "new" / f"{name}.png", image)
        assert (read_image(tmp_path / "new" / f"{name}.png") * 255).round().equal(tensor.float())


def test_what_leaves_the_range_is_clipped(tmp_path):
    write_image(tmp_path / "a.png", torch.tensor([-0.5, 1.5, 0.5]).view(3, 1, 1))

    assert colour(read_image(tmp_path / "a.png")) == [0, 255, 128]


def test_an_unknown_extension_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"no image format is called '.txt'. Use .png or .jpg"):
        write_image(tmp_path / "a.txt", torch.zeros(3, 2, 2))


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    write_image(tmp_path / "a.png", torch.zeros(3, 2, 2))
    before = (tmp_path / "a.png").read_bytes()

    def full(pil_image, path, **options):
        path.write_bytes(b"half a pic")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(MediaError, match=r"a\.png: cannot be written \(No space left"):
        write_image(tmp_path / "a.png", torch.ones(3, 2, 2))
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [before]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(MediaError, match="cannot be written"):
        write_image(tmp_path / "file" / "a.png", torch.zeros(3, 2, 2))
