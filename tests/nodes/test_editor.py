"""The Pose Editor node: edits made on every run, and what it keeps for the editor to open."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

MOVE = (
    '{"version": 1, "edits": [{"do": "move", "frames": 1, "points": "RWrist", "to": [0.25, 0.5]}]}'
)


@pytest.fixture
def temp(pack, tmp_path):
    """ComfyUI's temp folder, in a place of the test's own."""
    import folder_paths

    before = folder_paths.get_temp_directory()
    folder_paths.set_temp_directory(str(tmp_path))
    yield tmp_path
    folder_paths.set_temp_directory(before)


@pytest.fixture
def wire(standing):
    """Three frames of a person on 100×200 pixels."""
    from dispose_core.pose.openpose_json import write_openpose

    return write_openpose([standing(3)])


@pytest.fixture
def standing():
    from dispose_core.pose.sequence import PoseSequence
    from tests.pose.conftest import STANDING

    def make(frames):
        body = np.broadcast_to(STANDING, (frames, 18, 2))
        return PoseSequence.from_parts((200, 100), body, np.full((frames, 18), 0.9))

    return make


@pytest.fixture
def edit(pack, temp):
    """edit(poses, text, images) -> poses, report, folder of the run."""

    def execute(poses, text="", images=None, reference=None):
        done = pack["DisPosePoseEditor"].execute(
            poses=poses, edits=text, pictures=images, reference=reference
        )
        (run,) = done.ui["dispose_pose_editor"]
        assert run["type"] == "temp"
        return *done.result, temp / run["subfolder"]

    return execute


def wrist(frame: dict) -> list[float]:
    return frame["people"][0]["pose_keypoints_2d"][12:15]


def test_the_poses_come_out_with_the_edits_made(edit, wire):
    poses, report, _ = edit(wire, MOVE)
    assert wrist(poses[1]) == [25.0, 100.0, 1.0]
    assert poses[0] == wire[0] and poses[2] == wire[2]
    assert report == "1 edit: 1 applied"


def test_edits_survive_fewer_frames_and_say_what_is_lost(edit, wire):
    poses, report, _ = edit(wire[:1], MOVE)
    assert poses == wire[:1]
    assert report.splitlines() == [
        "1 edit: 0 applied, 1 no longer applies",
        "edit 1 (move RWrist, frame 1) not applied: the clip ends at frame 0",
    ]


def test_the_editor_finds_the_poses_as_they_came(edit, wire):
    *_, folder = edit(wire, MOVE)
    told = json.loads((folder / "poses.json").read_text("utf-8"))
    assert (told["width"], told["height"], told["frames"], told["images"]) == (100, 200, 3, 0)
    (values,) = told["people"]
    assert np.reshape(values, (3, 134, 3))[1, 4].tolist() == [0.34, 0.54, 0.9]
    assert np.reshape(values, (3, 134, 3))[1, 20].tolist() == [0, 0, 0]  # no hand was found


def test_images_are_kept_small_and_told_apart(edit, wire):
    images = torch.zeros(3, 2000, 1000, 3)
    images[1, ..., 0] = 1.0
    *_, folder = edit(wire, images=images)
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["00000.jpg", "00001.jpg", "00002.jpg", "poses.json"]
    red = cv2.imread(str(folder / "00001.jpg"))
    assert red.shape == (960, 480, 3) and red[480, 240].tolist() == pytest.approx(
        [0, 0, 254], abs=3
    )
    assert cv2.imread(str(folder / "00000.jpg")).max() < 3


def test_other_edits_write_nothing_anew_and_other_poses_do(edit, wire):
    images = torch.rand(1, 32, 16, 3)
    *_, first = edit(wire, images=images)
    written = (first / "00000.jpg").stat().st_mtime_ns
    *_, again = edit(wire, MOVE, images)
    assert again == first and (first / "00000.jpg").stat().st_mtime_ns == written
    *_, other = edit(wire, images=1 - images)
    *_, fewer = edit(wire[:2], images=images)
    assert len({first, other, fewer}) == 3
    assert {path.name[0] for path in first.parent.iterdir()}.isdisjoint(".")  # no half runs


def test_old_runs_are_forgotten(edit, wire, pack, monkeypatch):
    from dispose_pack.nodes.comfy_adapters import editor_files

    monkeypatch.setattr(editor_files, "KEPT_RUNS", 2)
    runs = [edit(wire[:n], images=torch.rand(1, 8, 8, 3))[2] for n in (1, 2, 3)]
    assert [run.is_dir() for run in runs] == [False, True, True]


def test_long_clips_are_kept_in_fewer_pixels(edit, wire, monkeypatch):
    from dispose_pack.nodes.comfy_adapters import editor_files

    monkeypatch.setattr(editor_files, "MOST_PIXELS", 3 * 20 * 10)
    *_, folder = edit(wire, images=torch.rand(3, 200, 100, 3))
    assert cv2.imread(str(folder / "00002.jpg")).shape == (20, 10, 3)


@pytest.mark.parametrize(("count", "more"), [(4, ", without the reference"), (2, "")])
def test_images_that_do_not_go_with_the_poses_are_left_out_and_said(edit, wire, count, more):
    poses, report, folder = edit(wire, MOVE, torch.rand(count, 8, 8, 3))
    assert wrist(poses[1]) == [25.0, 100.0, 1.0]
    applied, images = report.splitlines()
    assert applied == "1 edit: 1 applied"
    assert images == (
        f"pictures: got {count} images for 3 poses, so the editor shows none. Connect the images "
        f"the poses were found in, one per pose{more}, or a single image for all poses."
    )
    assert [path.name for path in folder.iterdir()] == ["poses.json"]


def test_of_a_crowd_the_first_are_shown_and_everybody_is_edited(edit, standing, monkeypatch):
    from dispose_pack.nodes.comfy_adapters import editor_files

    from dispose_core.pose.openpose_json import write_openpose

    monkeypatch.setattr(editor_files, "MOST_POSES", 3)
    crowd = write_openpose([standing(3), standing(3)])
    second = MOVE.replace('"frames": 1', '"frames": 1, "person": 1')
    poses, report, folder = edit(crowd, second)
    assert poses[1]["people"][1]["pose_keypoints_2d"][12:15] == [25.0, 100.0, 1.0]
    assert "the editor shows the first 1 of 2 people: it holds at most 3 poses." in report
    told = json.loads((folder / "poses.json").read_text("utf-8"))
    assert (len(told["people"]), told["crowd"]) == (1, 2)


def test_a_disk_that_takes_nothing_is_said(edit, wire, temp):
    (temp / "dispose_pose_editor").write_text("a file where the folder belongs")
    with pytest.raises(Exception, match="cannot be written"):
        edit(wire)


def test_a_damaged_text_is_refused_before_the_run(pack):
    check = pack["DisPosePoseEditor"].validate_inputs
    assert check(edits="") is True and check(edits=None) is True and check(edits=MOVE) is True
    assert check(edits=MOVE[:-5]).startswith("edits: not valid JSON")


def test_the_web_folder_of_the_pack_is_served():
    root = Path(__file__).parents[2]
    assert 'WEB_DIRECTORY = "./web"' in (root / "__init__.py").read_text("utf-8")
    assert (root / "web" / "js" / "pose_editor.js").is_file()


def test_the_reference_is_kept_for_the_editor_and_changes_nothing(edit, wire, standing):
    from dispose_core.pose.openpose_json import write_openpose

    other = standing(2)
    other = other.with_points(other.points + 0.1)
    poses, _, folder = edit(wire, MOVE, reference=write_openpose([other, standing(2)]))
    assert wrist(poses[1]) == [25.0, 100.0, 1.0] and poses[0] == wire[0]
    kept = json.loads((folder / "poses.json").read_text())
    assert len(kept["reference"]) == 134 * 3  # its first frame
    assert kept["reference"][12:14] == pytest.approx(other.points[0, 4], abs=1e-6)
    _, _, without = edit(wire, MOVE)
    assert without != folder
    assert json.loads((without / "poses.json").read_text())["reference"] is None
