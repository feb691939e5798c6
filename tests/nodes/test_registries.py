"""What is registered is in the nodes' combos, and runs there."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from tests.test_registries import DENSIFIER, DETECTOR


@pytest.fixture
def toys(pack, tmp_path, monkeypatch):
    """The registries of the pack as ComfyUI loads it, with a toy each."""
    core = "dispose_pack.dispose_core."
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "toy_detector.py").write_text(DETECTOR)
    (tmp_path / "toy_densifier.py").write_text(DENSIFIER)
    detectors = sys.modules[core + "pose.detectors.registry"]
    densifiers = sys.modules[core + "motion.densifiers.registry"]
    role = sys.modules[core + "checkpoints.file_roles"].FileRole(
        "network", ("toy.onnx",), "detection", "toy.onnx is at https://toys.example."
    )
    detectors.DETECTORS.register(
        detectors.DetectorSpec("toy", "finds toys.", "toy_detector:ToyDetector", (role,))
    )
    densifiers.DENSIFIERS.register(densifiers.DensifierSpec("toy", "moves toys.", "toy_densifier"))
    yield tmp_path
    detectors.DETECTORS.unregister("toy")
    densifiers.DENSIFIERS.unregister("toy")
    for name in ("toy_detector", "toy_densifier"):
        sys.modules.pop(name, None)


@pytest.fixture
def detection(toys, monkeypatch):
    import folder_paths

    monkeypatch.setitem(folder_paths.folder_names_and_paths, "detection", ([str(toys)], set()))
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})


def test_a_registered_detector_is_offered_and_made(pack, run, toys, detection):
    node = pack["DisPosePoseDetectorLoader"]
    assert "toy" in node.GET_SCHEMA().inputs[0].options
    assert "toy.onnx is at https://toys.example." in node.validate_inputs(backend="toy")
    (toys / "toy.onnx").touch()
    assert node.validate_inputs(backend="toy") is True
    (detector,) = run("DisPosePoseDetectorLoader", backend="toy")
    assert detector.network == toys / "toy.onnx"


def test_a_file_role_with_an_input_is_chosen_in_the_node(pack, run, toys, detection):
    core = "dispose_pack.dispose_core."
    detectors = sys.modules[core + "pose.detectors.registry"]
    (role,) = detectors.DETECTORS["toy"].files
    role = replace(role, node_input="toy_file", summary="Toy network")
    detectors.DETECTORS.register(replace(detectors.DETECTORS["toy"], files=(role,)))
    (toys / "renamed.onnx").touch()

    node = pack["DisPosePoseDetectorLoader"]
    (offered,) = [part for part in node.GET_SCHEMA().inputs if part.id == "toy_file"]
    assert offered.options == ["renamed.onnx"] and "Toy network for toy" in offered.tooltip
    assert node.validate_inputs(backend="toy") is True
    (detector,) = run("DisPosePoseDetectorLoader", backend="toy", toy_file="renamed.onnx")
    assert detector.network == toys / "renamed.onnx"


def test_a_registered_densifier_is_offered_and_makes_a_field(pack, run, toys, poses, reference):
    assert "toy" in pack["DisPoseDensifierLoader"].GET_SCHEMA().inputs[0].options
    (densifier,) = run("DisPoseDensifierLoader", densifier="toy")
    reference_pose, aligned = poses
    field, _, report = run(
        "DisPoseMotionField",
        reference=reference,
        reference_pose=reference_pose,
        driving_pose=aligned[:1],
        cmp=densifier,
    )
    assert len(field) == 2 and "skinning: the person covers" in report
