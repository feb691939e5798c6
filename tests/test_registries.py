"""A detector and a densifier of one file each are found everywhere once they are registered."""

from __future__ import annotations

import sys

import pytest

from dispose_core.checkpoints.file_roles import FileRole
from dispose_core.cli import build_parser, main
from dispose_core.motion.densifiers.registry import DENSIFIERS, DensifierSpec
from dispose_core.pose.detectors.registry import DETECTORS, DetectorSpec, create_detector

ROLE = FileRole("network", ("toy.onnx",), "detection", "toy.onnx is at https://toys.example.")

DETECTOR = """
class ToyDetector:
    name = "toy"

    def __init__(self, network, device):
        self.network, self.device = network, device
"""

DENSIFIER = """
from dispose_core.motion.densifiers.skinning.densifier import SkinningDensifier

WORKING_MEMORY = 0


def load_network(files):
    return None


def build(network, subject, device=None, dtype=None, official=False):
    return SkinningDensifier(subject)
"""


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """The registries with a toy each, whose code is one file each."""
    (tmp_path / "toy_detector.py").write_text(DETECTOR)
    (tmp_path / "toy_densifier.py").write_text(DENSIFIER)
    monkeypatch.syspath_prepend(str(tmp_path))
    detector = DetectorSpec("toy", "finds toys.", "toy_detector:ToyDetector", (ROLE,))
    DETECTORS.register(detector)
    DENSIFIERS.register(DensifierSpec("toy", "moves toys.", "toy_densifier"))
    yield tmp_path
    DETECTORS.unregister("toy")
    DENSIFIERS.unregister("toy")
    for name in ("toy_detector", "toy_densifier"):
        sys.modules.pop(name, None)


def test_the_command_line_offers_them(toys, capsys):
    options = build_parser().parse_args(
        [
            *("motion", "--reference", "a.png", "--driving", "b.mp4", "-o", "c.npz"),
            *("--detector", "toy", "--densifier", "toy"),
        ]
    )
    assert (options.detector, options.densifier) == ("toy", "toy")
    with pytest.raises(SystemExit):
        main(["motion", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "toy: finds toys." in told and "toy: moves toys." in told


def test_a_missing_file_is_told_with_its_folder_and_source(toys, assets, tmp_path, capsys):
    arguments = ["pose", str(assets / "reference.png"), "-o", str(tmp_path / "poses.json")]
    assert main([*arguments, "--detector", "toy"]) == 3
    said = capsys.readouterr().err
    assert "detector toy needs 1 file" in said
    assert "toy.onnx (models/detection). toy.onnx is at https://toys.example." in said


def test_a_detector_gets_the_files_of_its_roles(toys):
    (toys / "toy.onnx").touch()
    files = DETECTORS["toy"].locate(toys, None)
    detector = create_detector("toy", files, "meta")
    assert (detector.network, detector.device) == (toys / "toy.onnx", "meta")


def test_a_densifier_moves_the_reference_from_the_command_line(toys, assets, tmp_path, capsys):
    poses = assets / "poses"
    assert main([
        "motion", "--reference", str(assets / "reference.png"), "--resolution", "64",
        "--reference-pose", str(poses / "reference.json"), "--poses", str(poses / "reference.json"),
        "--densifier", "toy", "-o", str(tmp_path / "field.safetensors"),
    ]) == 0  # fmt: skip
    assert "skinning: the person covers" in capsys.readouterr().out
