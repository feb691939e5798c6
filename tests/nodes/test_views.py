"""What the nodes hand to the views in the browser: small files in the temp folder."""

from __future__ import annotations

import io
import json
import os
import sys
from itertools import chain

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture
def temp(pack, tmp_path):
    """ComfyUI's temp folder, in a place of the test's own, not there yet."""
    import folder_paths

    before = folder_paths.get_temp_directory()
    folder_paths.set_temp_directory(str(tmp_path / "temp"))
    yield tmp_path / "temp"
    folder_paths.set_temp_directory(before)


@pytest.fixture
def temp_files(pack):
    return sys.modules["dispose_pack.nodes.comfy_adapters.temp_files"]


def files_of(told: dict) -> list[str]:
    return list(chain.from_iterable(mode["files"] for mode in told["modes"].values()))


def test_motion_preview_hands_over_four_modes_as_small_files(pack, temp, moving_square):
    output = pack["DisPoseMotionPreview"].execute(torch.zeros(1, 24, 32, 3), moving_square)

    (told,) = output.ui["dispose_motion"]
    assert list(told["modes"]) == ["person", "onion", "flow", "arrows"]
    assert (told["subfolder"], told["first"], told["stride"]) == ("dispose", 0, 1)
    assert told["modes"]["flow"] | {"files": []} == {
        **{"frames": 2, "size": [32, 24], "step": [32, 32], "columns": 4, "rows": 4},
        "files": [],
    }
    assert {path.name for path in (temp / "dispose").iterdir()} == set(files_of(told))
    assert len(json.dumps(output.ui)) < 2000  # what ComfyUI keeps in its history


def test_motion_field_shows_the_driven_frames_of_its_images(pack, temp, reference, poses):
    reference_pose, driving_pose = poses
    output = pack["DisPoseMotionField"].execute(reference, reference_pose, driving_pose)

    _, images, _ = output.result
    (told,) = output.ui["dispose_motion"]
    assert list(told["modes"]) == ["flow", "arrows", "person", "onion"]
    assert {mode["frames"] for mode in told["modes"].values()} == {len(images) - 1} == {3}
    (file,) = told["modes"]["arrows"]["files"]
    sheet = np.array(Image.open(temp / "dispose" / file)).astype(float)
    width, height = told["modes"]["arrows"]["size"]
    step = told["modes"]["arrows"]["step"][0]
    second = sheet[:height, step : step + width]
    expected = images[2, :, images.shape[2] // 2 :].numpy() * 255
    assert np.abs(second - expected).mean() < 6


def test_the_same_content_is_written_once_and_never_half(temp, temp_files, monkeypatch):
    name = temp_files.write_temp(b"picture", ".jpg")
    assert (temp / "dispose" / name).read_bytes() == b"picture"
    assert temp_files.write_temp(b"picture", ".jpg") == name

    monkeypatch.setattr(os, "replace", _no_space)
    errors = sys.modules["dispose_pack.dispose_core.errors"]
    with pytest.raises(errors.MediaError, match="cannot be written"):
        temp_files.write_temp(b"another", ".jpg")
    assert [path.name for path in (temp / "dispose").iterdir()] == [name]


def test_the_files_unused_for_longest_make_room(temp, temp_files, monkeypatch):
    monkeypatch.setattr(temp_files, "MOST_BYTES", 25)
    names = []
    for i in range(3):
        names.append(temp_files.write_temp(bytes([i]) * 10, ".jpg"))
        os.utime(temp / "dispose" / names[-1], ns=(i, i))
        temp_files.write_temp(bytes([0]) * 10, ".jpg")  # the first one stays in use
    assert {path.name for path in (temp / "dispose").iterdir()} == {names[0], names[2]}


def test_without_a_writable_temp_folder_the_node_works_all_the_same(
    pack, temp, moving_square, caplog
):
    temp.write_text("a file where the folder should be")
    output = pack["DisPoseMotionPreview"].execute(torch.zeros(1, 24, 32, 3), moving_square)
    assert output.ui is None and len(output.result[0]) == 2
    assert "no view in the browser" in caplog.text


def test_keypoint_features_hand_over_two_images_and_the_maps(pack, temp):
    views = sys.modules["dispose_pack.nodes.views"]
    room = sys.modules["dispose_pack.dispose_core.features.browser_view"]
    png = io.BytesIO()
    Image.new("L", (6, 4)).save(png, "png")
    joint = {"name": "Nose", "at": [0, 0], "match": [0, 0], "similarity": 1.0, "lowest": 0.0}

    ui = views.points_ui(room.PointView(b"left", b"right", png.getvalue(), (6, 4), [joint]))

    (told,) = ui["dispose_points"]
    assert (told["map_size"], told["joints"], told["columns"]) == ([6, 4], [joint], 6)
    assert (temp / "dispose" / told["files"]["target"]).read_bytes() == b"right"
    assert views.points_ui(None) is None


def _no_space(*_):
    raise OSError(28, "No space left on device")
