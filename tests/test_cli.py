"""The command line as a user meets it: files out, summaries, exit codes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pytest import approx

from dispose_core.cli import main
from dispose_core.media.image import read_image, write_image
from dispose_core.media.resize import resize_crop
from dispose_core.media.video_read import probe, read_frames
from dispose_core.media.video_write import write_video
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses


@pytest.fixture
def files(assets, tmp_path):
    """Small copies of the sample: reference.png, its pose, three driving poses."""
    image = resize_crop(read_image(assets / "reference.png"), (256, 144))
    write_image(tmp_path / "reference.png", image)
    (pose,) = load_poses(assets / "poses" / "driving.json")[0]
    save_openpose(tmp_path / "driving.json", [pose[[0, 24, 48]]])
    (pose,) = load_poses(assets / "poses" / "reference.json")[0]
    save_openpose(tmp_path / "reference.json", [pose])
    return tmp_path


def motion(files, *more):
    return main([
        "motion", "--json", "-o", str(files / "field.npz"),
        "--reference", str(files / "reference.png"),
        "--reference-pose", str(files / "reference.json"),
        "--poses", str(files / "driving.json"), *more,
    ])  # fmt: skip


def test_motion_writes_the_field_at_the_size_asked_for(files, capsys):
    assert motion(files, "--size", "72x128") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["frames"] == summary["valid"] == 3 and summary["size"] == [72, 128]
    with np.load(files / "field.npz", allow_pickle=False) as field:
        assert field["flow"].shape == field["trajectory"].shape == (4, 2, 128, 72)
        assert field["valid"].tolist() == [True] * 4 and field["size"].tolist() == [128, 72]
        assert np.abs(field["flow"][0]).max() == 0 < np.abs(field["flow"][1:]).max()


def test_poses_in_place_move_each_joint_where_they_say(files):
    """Entry n+1 belongs to pose n of the list: the wrist goes from the reference's to pose n's."""
    (driving,) = load_poses(files / "driving.json")[0]
    (reference,) = load_poses(files / "reference.json")[0]
    assert motion(files, "--method", "none", "--size", "144x256") == 0
    with np.load(files / "field.npz", allow_pickle=False) as field:
        flow = field["flow"]
    knee = 9
    x, y = (reference.body[0, knee] * (144, 256)).astype(int)
    for n in range(3):
        expected = (driving.body[n, knee] - reference.body[0, knee]) * (144, 256)
        assert flow[n + 1, :, y, x] == approx(expected, abs=2.0)


def test_a_cropped_reference_takes_its_pose_along(files, capsys):
    """144×256 to 128×128: scaled by 128/144 and cropped by 50 rows at the top."""
    assert motion(files, "--size", "128x128", "-o", str(files / "field.safetensors")) == 0
    assert main([
        "preview", "--reference", str(files / "reference.png"),
        "--field", str(files / "field.safetensors"), "-o", str(files / "out.mp4"), "--fps", "12",
    ]) == 0  # fmt: skip
    info = probe(files / "out.mp4")
    assert (info.width, info.height, info.num_frames, info.fps) == (128, 128, 3, 12)
    assert "px cropped at the top and at the bottom" in capsys.readouterr().out


def test_the_demo_writes_every_stage(files, capsys, assets, mediapipe_models):
    driver = read_frames(assets / "driving.mp4", stride=24)
    small = (np.ascontiguousarray(frame[::2, ::2]) for frame in driver)
    write_video(files / "driving.mp4", small, 24)
    assert main([
        "demo", "--reference", str(files / "reference.png"), "--driving",
        str(files / "driving.mp4"), "--output", str(files / "demo"), "--resolution", "128",
        "--models", str(mediapipe_models),
    ]) == 0  # fmt: skip
    made = {path.name for path in (files / "demo").iterdir()}
    assert made == {"poses.json", "poses.mp4", "motion.mp4", "preview.mp4", "sheet.png"}
    assert probe(files / "demo" / "preview.mp4").num_frames == 3
    out = capsys.readouterr()
    assert "motion_preview" in out.out and "100%" in out.err


def test_pose_reads_an_image_and_a_video(files, assets, capsys, mediapipe_models):
    models = ["--models", str(mediapipe_models)]
    assert main(["pose", str(files / "reference.png"), "-o", str(files / "one.json"), *models]) == 0
    assert len(load_poses(files / "one.json")[0][0]) == 1
    arguments = ["pose", str(assets / "driving.mp4"), "-o", str(files / "many.json")]
    assert main([*arguments, "--stride", "30", *models]) == 0
    assert len(load_poses(files / "many.json")[0][0]) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--reference", "missing.png"], "missing.png"),
        (["--poses", "missing.json"], "missing.json: cannot be read"),
        (["--reference-pose", "{driving}"], "driving.json: 3 poses, needed 1"),
        (["-o", "{reference}/field.npz"], "cannot be written"),
    ],
)
def test_unusable_input_ends_with_code_3_and_says_what_to_do(files, capsys, change, message):
    names = {"driving": files / "driving.json", "reference": files / "reference.png"}
    assert motion(files, "--size", "72x128", *(part.format(**names) for part in change)) == 3
    out = capsys.readouterr()
    assert message in out.err and message in json.loads(out.out)["error"]
    assert not (files / "field.npz").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--size", "0x9"], "'0x9' is not a size"),
        (["--size", "big"], "'big' is not a size"),
        (["--stride", "0"], "'0': Input should be greater than or equal to 1"),
    ],
)
def test_wrong_arguments_end_with_code_2(files, capsys, wrong, message):
    with pytest.raises(SystemExit) as stop:
        motion(files, *wrong)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_ctrl_c_leaves_no_file(files, capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("dispose_core.motion.flow_npz.save_flow", stop)
    assert motion(files, "--size", "72x128") == 130
    assert not (files / "field.npz").exists()


@pytest.mark.parametrize(
    "command", [[], ["pose"], ["motion"], ["preview"], ["demo"], ["animate"], ["features"]]
)
def test_help_shows_examples_and_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0 and "exit codes:" in out
    assert not command or "examples:" in out


def test_a_field_of_another_name_is_refused_before_the_work(files, capsys):
    assert motion(files, "-o", "field.pt") == 2
    assert "name it .safetensors" in json.loads(capsys.readouterr().out)["error"]
