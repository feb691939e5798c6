"""A detector, a densifier and an architecture, of one file each, are found once registered."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch
from safetensors.torch import save_file

from dispose_core.checkpoints.file_roles import FileRole
from dispose_core.checkpoints.inspect import inspect_file
from dispose_core.checkpoints.registry import ARCHITECTURES, require_role
from dispose_core.cli import build_parser, main
from dispose_core.errors import CheckpointError
from dispose_core.motion.densifiers.registry import DENSIFIERS, DensifierSpec
from dispose_core.pipeline.config import RunConfig
from dispose_core.pipeline.model_files import find_model_files
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

ARCHITECTURE = """
from dispose_core.checkpoints.registry import Architecture
from dispose_core.checkpoints.state_dict_diff import compare


def diff(weights):
    return compare(weights.shapes, {"toy.weight": (2, 3)})


TOY = Architecture(
    "toy",
    "a toy UNet",
    lambda shapes: any(key.startswith("toy.") for key in shapes),
    folder="diffusion_models",
    use="the video model of toys",
    roles=("unet",),
    example="toy.safetensors",
    networks={"UNet": ("",)},
    diff=diff,
)
"""


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """The registries with a toy each, whose code is one file each."""
    (tmp_path / "toy_detector.py").write_text(DETECTOR)
    (tmp_path / "toy_densifier.py").write_text(DENSIFIER)
    (tmp_path / "toy_architecture.py").write_text(ARCHITECTURE)
    monkeypatch.syspath_prepend(str(tmp_path))
    detector = DetectorSpec("toy", "finds toys.", "toy_detector:ToyDetector", (ROLE,))
    DETECTORS.register(detector)
    DENSIFIERS.register(DensifierSpec("toy", "moves toys.", "toy_densifier"))
    ARCHITECTURES.register(importlib.import_module("toy_architecture").TOY)
    yield tmp_path
    ARCHITECTURES.unregister("toy")
    DETECTORS.unregister("toy")
    DENSIFIERS.unregister("toy")
    for name in ("toy_detector", "toy_densifier", "toy_architecture"):
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


def test_inspect_names_an_architecture_and_says_what_a_file_lacks(toys, capsys):
    save_file({"toy.weight": torch.zeros(2, 3)}, toys / "whole.safetensors")
    save_file({"toy.bias": torch.zeros(2)}, toys / "part.safetensors")

    found = inspect_file(toys / "whole.safetensors")
    assert (found.architecture.name, found.complete) == ("toy", True)
    assert main(["inspect", str(toys / "part.safetensors")]) == 0
    text = capsys.readouterr().out
    assert "part.safetensors: a toy UNet" in text and "belongs into models/diffusion_models" in text
    assert "used for: the video model of toys" in text
    assert "NOT complete: 1 missing: toy.weight; 1 unexpected: toy.bias" in text


def test_a_wrong_file_is_told_that_a_toy_would_do(toys):
    with pytest.raises(CheckpointError, match=r"Needed is .*, or a toy UNet: toy\.safetensors"):
        require_role({"other.weight": (1,)}, "x.safetensors", "unet")


def test_a_run_finds_a_toy_among_the_models(toys, tmp_path):
    folder = tmp_path / "models" / "diffusion_models"
    folder.mkdir(parents=True)
    save_file({"toy.weight": torch.zeros(2, 3)}, folder / "renamed.safetensors")

    files = find_model_files(RunConfig(models=tmp_path / "models"), ["unet"])

    assert files.paths == {"unet": folder / "renamed.safetensors"}
    assert files.parameters == {"UNet": 6}
