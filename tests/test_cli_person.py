"""`--person` of the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dispose_core.cli import build_parser, main
from dispose_core.media.image import read_image, write_image
from dispose_core.media.resize import resize_crop
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses
from dispose_core.pose.sequence import PoseSequence
from dispose_core.pose.tracking.person_selection import PersonChoice


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("largest", PersonChoice("largest")),
        ("index:2", PersonChoice("index", 2)),
        ("track:1", PersonChoice("tracked", 1)),
        ("track:1@30", PersonChoice("tracked", 1, frame=30)),
        ("0.3,.5", PersonChoice("nearest", point=(0.3, 0.5))),
        ("1,0@7", PersonChoice("nearest", point=(1.0, 0.0), frame=7)),
    ],
)
def test_a_person_is_named_in_one_word(text, choice):
    parser = build_parser()
    options = parser.parse_args(["pose", "in.mp4", "-o", "out.json", f"--person={text}"])
    assert options.person == choice


@pytest.mark.parametrize("text", ["tallest", "index:-1", "index:", "1.5,0", "0.5", "0.5,0.5@x"])
def test_what_names_no_person_ends_with_code_2(text, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["pose", "in.mp4", "-o", "out.json", f"--person={text}"])
    assert stop.value.code == 2
    assert f"{text!r} is not a person: largest, index:N" in capsys.readouterr().err


@pytest.fixture
def couple(assets, tmp_path):
    """couple("--person", …) -> exit code of `motion` on a small person listed before a large."""
    image = resize_crop(read_image(assets / "reference.png"), (256, 144))
    write_image(tmp_path / "reference.png", image)
    (pose,) = load_poses(assets / "poses" / "driving.json")[0]
    large = pose[[0, 24]]
    small = PoseSequence(large.points * 0.5 + (0.0, 0.4), large.scores, large.canvas)
    save_openpose(tmp_path / "poses.json", [small, large])

    def run(*more: str) -> int:
        return main([
            "motion", "--json", "-o", str(tmp_path / "field.npz"), "--size", "72x128",
            "--method", "none", "--reference", str(tmp_path / "reference.png"),
            "--reference-pose", str(assets / "poses" / "reference.json"),
            "--poses", str(tmp_path / "poses.json"), *more,
        ])  # fmt: skip

    return run


def test_the_motion_is_that_of_the_chosen_person(couple, tmp_path, capsys):
    flows = []
    for more in ((), ("--person", "track:1"), ("--person", "index:0")):
        assert couple(*more) == 0
        with np.load(tmp_path / "field.npz", allow_pickle=False) as field:
            flows.append(field["flow"])
    assert np.array_equal(flows[0], flows[1]) and not np.array_equal(flows[0], flows[2])
    largest, _, first = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert "person: the largest, of 2 people; there in 2 of 2 frames" in largest["report"]
    assert any("number 0 of each frame as listed" in line for line in first["report"])


def test_a_person_who_is_not_in_the_poses_ends_with_code_3(couple, capsys):
    assert couple("--person", "index:2") == 3
    assert "poses.json: there is no person 2; frames hold at most 2" in capsys.readouterr().err
