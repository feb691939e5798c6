"""API workflows of the version at e19476a: every node takes what they give it, on any ComfyUI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

WORKFLOWS = sorted((Path(__file__).parents[1] / "workflows_e19476a").glob("*.json"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_an_old_workflow_fits_the_nodes(pack, path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    ours = {key: node for key, node in graph.items() if node["class_type"] in pack}
    assert ours and all(
        node["class_type"] in pack
        for node in graph.values()
        if node["class_type"].startswith("DisPose")
    )
    for key, node in ours.items():
        schema = pack[node["class_type"]].GET_SCHEMA()
        parts = {part.id: part for part in schema.inputs}
        assert set(node["inputs"]) <= set(parts), key
        needed = {name for name, part in parts.items() if not part.optional}
        assert needed <= set(node["inputs"]), key
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in ours:  # a link between two of our nodes
                source = pack[graph[value[0]]["class_type"]].GET_SCHEMA()
                assert source.outputs[value[1]].io_type == parts[name].io_type, (key, name)


def test_all_four_are_there():
    assert [path.stem for path in WORKFLOWS] == [
        "animate", "animate_simple", "compare_branches", "motion_preview",
    ]  # fmt: skip
