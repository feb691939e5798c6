"""The subgraph blueprints: found in the search over the graph, and run with tiny networks."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from .client import NodeError
from .tiny_workflow import SUBGRAPHS, make_tiny, write_files

NAMES = sorted(path.stem for path in SUBGRAPHS.glob("*.json"))
# Media to the inputs of the subgraph, and a node that shows each output.
CONNECT = """sinks => {
    const host = app.graph.nodes.find(node => node.subgraph);
    const add = type => {
        const node = LiteGraph.createNode(type);
        app.graph.add(node);
        return node;
    };
    for (const [type, widget, file, input] of [
        ['LoadImage', 'image', 'reference.png', 'reference'],
        ['LoadVideo', 'file', 'driving.mp4', 'driving_video'],
    ]) {
        const node = add(type);
        node.widgets.find(w => w.name === widget).value = file;
        node.connect(0, host, host.findInputSlot(input));
    }
    for (const [output, type] of sinks) {
        host.connect(host.findOutputSlot(output), add(type), 0);
    }
}"""
SINKS = {
    "Animate": {"video": "SaveVideo", "images": "PreviewImage"},
    "Motion": {"json": "PreviewAny", "motion": "PreviewImage"},
    "Pose": {"pose_video": "PreviewImage", "length": "PreviewAny"},
    "Wan-Animate": {"pose_video": "PreviewImage", "face_video": "PreviewImage"},
    "Poses": {"poses": "DisPoseSavePoses", "skeletons": "PreviewImage"},
}


@pytest.fixture(scope="module", autouse=True)
def files(server, assets):
    write_files(server.base, assets)


def tiny_blueprint(name: str) -> dict[str, Any]:
    graph = json.loads((SUBGRAPHS / f"{name}.json").read_text(encoding="utf-8"))
    (subgraph,) = graph["definitions"]["subgraphs"]
    make_tiny(subgraph["nodes"])
    return graph


def outputs_of(entry: dict[str, Any], key: str) -> list[Any]:
    return [item for output in entry["outputs"].values() for item in output.get(key, ())]


@pytest.mark.parametrize("name", NAMES)
def test_a_blueprint_runs(browser_page, comfy, server, name):
    browser_page.load(tiny_blueprint(name))
    assert browser_page.missing_nodes() == []
    kind = name.split()[0]
    browser_page.page.evaluate(CONNECT, list(SINKS[kind].items()))

    if kind == "Wan-Animate":  # the stand-in finds no faces
        with pytest.raises(NodeError, match="face"):
            comfy.wait(browser_page.run(), timeout=300)
        return
    entry = comfy.wait(browser_page.run(), timeout=300)

    assert entry["status"]["status_str"] == "success"
    if kind == "Motion":
        (text,) = outputs_of(entry, "text")
        tracks = json.loads(text)
        (length,) = {len(track) for track in tracks}
        assert (length - 1) % 4 == 0  # Wan-Move
        assert len(tracks) > 30  # a grid of about 64 points
    else:
        # Three frames are one of 4n + 1.
        assert len(outputs_of(entry, "images")) >= (1 if kind == "Pose" else 3)
    if kind == "Animate":
        assert any(file["filename"].endswith(".mp4") for file in comfy.files(entry))
    if kind == "Poses":
        (saved,) = (server.base / "output").rglob("*.json")
        assert len(json.loads(saved.read_text(encoding="utf-8"))) == 3
    assert browser_page.ours() == []


@pytest.mark.parametrize("name", NAMES)
def test_a_blueprint_is_found_and_placed(browser_page, comfy, name):
    answer = requests.get(f"{comfy.url}/global_subgraphs", timeout=30)
    if answer.status_code == 404:
        pytest.skip("this ComfyUI has no subgraph blueprints")
    assert set(NAMES) <= {entry["name"] for entry in answer.json().values()}
    page = browser_page.page
    page.wait_for_load_state("networkidle")  # the page asks for one blueprint after the other
    page.evaluate("() => app.graph.clear()")
    page.mouse.dblclick(800, 600)
    page.locator("input:focus").wait_for()
    page.keyboard.type(name.partition(" (")[0][:24])  # the search gives up on long texts
    page.get_by_role("option").get_by_text(name).first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_function("() => app.graph.nodes.length === 1")
    title, widgets = page.evaluate(
        "() => [app.graph.nodes[0].title, app.graph.nodes[0].widgets.map(w => [w.name, w.value])]"
    )
    assert title == name
    assert dict(widgets)["pose_network"] == "dw-ll_ucoco_384_bs5.torchscript.pt"
    assert browser_page.missing_nodes() == [] and browser_page.ours() == []
