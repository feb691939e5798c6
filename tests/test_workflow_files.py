"""The shipped workflows as files: settings, notes, and room for every node."""

from __future__ import annotations

import json
import re

import pytest

from dispose_core.checkpoints.catalog import MODELS

from .comfyui.tiny_workflow import NAMES, WORKFLOWS, api, saved


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_opens_with_the_papers_settings(name):
    prompt = api(name)
    values = {
        key: value
        for node in prompt.values()
        for key, value in node["inputs"].items()
        if not isinstance(value, list)
    }
    wanted = {"resolution": 576, "stride": 2, "steps": 25, "cfg": 2.0, "scheduler": "karras"}
    wanted |= {"sampler_name": "euler", "length": 16, "overlap": 6, "fps": 7, "motion_bucket": 127}
    wanted |= {"strength": 1.0, "motion_strength": 1.0, "points_strength": 1.0, "augmentation": 0.0}
    assert {key: values[key] for key in wanted} == wanted
    seeds = [n["inputs"]["seed"] for n in prompt.values() if "seed" in n["inputs"]]
    assert 42 in seeds
    if "timestep" in values:
        assert (values["timestep"], values["ensemble"]) == (261, 8)
    titles = [node["_meta"]["title"] for node in prompt.values()]
    assert titles.count("Reference image") == titles.count("Driving video") == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_note_names_every_file_its_folder_and_the_memory(name):
    (note,) = (n for n in saved(name)["nodes"] if n["type"] == "MarkdownNote")
    text = note["widgets_values"][0]
    used = json.dumps([n for n in saved(name)["nodes"] if n is not note])
    for model in MODELS:
        if f'"{model.name}"' in used:
            (row,) = (line for line in text.splitlines() if line.startswith(f"| `{model.name}`")
                      or (f"`{model.name}`" in line and line.startswith("|")))  # fmt: skip
            assert f"`{model.folder}`" in row, model.name
            assert f"{model.size / 1e9:.1f}" in row or "0.35" in row  # both detectors in a row
    assert re.search(r"\*\*Memory\*\* \((estimated, not )?measured\)", text)


@pytest.mark.parametrize("name", sorted(path.stem for path in WORKFLOWS.glob("*.json")))
def test_nothing_lies_on_anything_else(name):
    graph = saved(name)
    title, taller = 30, 56  # Nodes 2.0 draws bodies up to that much taller
    boxes = {}
    for n in graph["nodes"]:
        (x, y), (width, height) = n["pos"], n["size"]
        boxes[n["id"]] = (x, y - title, x + width, y + height + taller)
    for first in boxes:
        for second in boxes:
            if first < second:
                a, b = boxes[first], boxes[second]
                apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
                assert apart, (name, first, second)
