"""The shipped workflows as files: settings, notes, and room for every node."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from dispose_core.checkpoints.catalog import MODELS

from .comfyui.tiny_workflow import NAMES, SUBGRAPHS, WORKFLOWS, api, saved

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


ROOT = Path(__file__).parents[1]
FILES = sorted([*WORKFLOWS.glob("*.json"), *SUBGRAPHS.glob("*.json")])
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def nodes_of(path: Path) -> list[dict[str, Any]]:
    """Nodes of a saved workflow and of its subgraphs, without the subgraphs themselves."""
    graph = json.loads(path.read_text(encoding="utf-8"))
    subgraphs = graph.get("definitions", {}).get("subgraphs", [])
    inside = [node for subgraph in subgraphs for node in subgraph["nodes"]]
    ids = {subgraph["id"] for subgraph in subgraphs}
    return [node for node in graph["nodes"] + inside if node["type"] not in ids]


def test_the_template_that_needs_no_model_comes_first():
    # The template browser keeps the server's order, which is the folder's: by name on Windows. Its
    # "A to Z" sorts by name everywhere.
    assert min(WORKFLOWS.glob("*.json")).stem == "1_motion_preview"


@each_file
def test_each_node_names_its_pack(path):
    # "Install missing nodes" finds the pack by it. The front end's own notes have no pack.
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    oldest_comfyui = settings["tool"]["comfy"]["requires-comfyui"].removeprefix(">=")
    for node in nodes_of(path):
        if node["type"] == "MarkdownNote":
            continue
        pack = (node["properties"].get("cnr_id"), node["properties"].get("ver"))
        if node["type"].startswith("DisPose"):
            assert pack == (project["name"], project["version"]), node["type"]
        else:
            assert pack == ("comfy-core", oldest_comfyui), node["type"]


@each_file
def test_each_published_file_has_its_download(path):
    catalog = {model.name: model for model in MODELS}
    for node in nodes_of(path):
        values = [v for v in node.get("widgets_values") or () if isinstance(v, str)]
        wanted = [
            {"name": name, "url": catalog[name].url, "directory": catalog[name].folder}
            for name in values
            if name in catalog
        ]
        named = node["properties"].get("models", [])
        assert [model for model in named if model["name"] in catalog] == wanted, node["type"]
        for model in named:
            # Files of other makers' models, which the catalogue does not know.
            assert model["name"] in values and model["url"].endswith(model["name"])
            assert model["directory"], node["type"]
            # What the front end lets a workflow download.
            offered = model["name"].endswith((".safetensors", ".pth", ".pt"))
            assert offered or model["name"] == "ckpt_iter_42000.pth.tar"
            assert model["url"].startswith("https://huggingface.co/")


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


@each_file
def test_nothing_lies_on_anything_else(path):
    title, taller = 30, 56  # Nodes 2.0 draws bodies up to that much taller
    boxes = {}
    for n in nodes_of(path):
        (x, y), (width, height) = n["pos"], n["size"]
        boxes[n["id"]] = (x, y - title, x + width, y + height + taller)
    for first in boxes:
        for second in boxes:
            if first < second:
                a, b = boxes[first], boxes[second]
                apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
                assert apart, (first, second)
