"""Our widgets where the front end shows nodes in other ways: side panel, subgraphs, App mode."""

from __future__ import annotations

from typing import Any

import pytest

from .page import (
    await_image,
    bring_into_sight,
    command,
    front_end_version,
    open_editor,
    settings,
    view_of,
)

# Whether the middle of the page and its corners belong to an element.
COVERS = """dialog => {
    const [w, h] = [innerWidth, innerHeight];
    const places = [[2, 2], [w - 3, 2], [2, h - 3], [w - 3, h - 3], [w / 2, h / 2]];
    return places.every(([x, y]) => dialog.contains(document.elementFromPoint(x, y)));
}"""
CONVERT = """kinds => {
    app.canvas.selectItems(app.graph.nodes.filter(n => kinds.includes(n.type)));
    return app.extensionManager.command.execute('Comfy.Graph.ConvertToSubgraph');
}"""
ENTER = """() => {
    const host = app.graph.nodes.find(n => n.subgraph);
    app.canvas.openSubgraph(host.subgraph, host);
}"""


def needs(front: Any, version: tuple[int, int], what: str) -> None:
    if front_end_version(front) < version:
        pytest.skip(f"this front end has no {what}")


def in_its_node(widget: Any) -> bool:
    """Whether an element is inside the node on the canvas."""
    return widget.evaluate("e => Boolean(e.closest('.dom-widget, [data-node-id]'))")


def test_the_editor_covers_the_page(front, comfy, small, rendering):
    front.load(small)
    comfy.wait(front.run(), timeout=300)
    front.page.evaluate("() => { app.canvas.ds.scale = 0.5; app.canvas.setDirty(true, true); }")
    bring_into_sight(front, "DisPosePoseEditor")
    dialog = open_editor(front)
    assert dialog.bounding_box() == {"x": 0, "y": 0, "width": 1600, "height": 1000}
    assert dialog.evaluate(COVERS)
    assert in_its_node(dialog)  # and not in the body of the page, which is everybody's
    camera = "() => [app.canvas.selectedItems.size, app.canvas.ds.scale, ...app.canvas.ds.offset]"
    before = front.page.evaluate(camera)
    stage = dialog.locator(".dp-stage canvas")
    stage.click(button="right", position={"x": 200, "y": 200})
    stage.dblclick(position={"x": 40, "y": 40})
    mouse = front.page.mouse
    mouse.wheel(0, 200)
    front.page.keyboard.down("Control")
    mouse.wheel(0, 200)
    front.page.keyboard.up("Control")
    mouse.down(button="middle")
    mouse.move(300, 300)
    mouse.up(button="middle")
    dialog.locator("aside").hover()
    mouse.wheel(0, 200)
    front.page.wait_for_timeout(200)
    assert dialog.evaluate(COVERS)  # no menu and no search came up
    assert front.page.evaluate(camera) == before
    dialog.get_by_role("button", name="Done").click()
    dialog.wait_for(state="detached")


def test_the_side_panel_leaves_our_widgets_in_their_nodes(front, comfy, small, rendering):
    needs(front, (1, 40), "side panel with the widgets of a node")
    front.load(small)
    comfy.wait(front.run(), timeout=300)
    view = view_of(front, "DisPoseMotionField")
    with settings(front.page, Comfy_RightSidePanel_IsOpen=True):
        for kind in ("DisPoseMotionField", "DisPosePoseEditor"):
            front.page.evaluate(
                "k => app.canvas.selectItems(app.graph.nodes.filter(n => n.type === k))", kind
            )
            panel = front.page.get_by_test_id("properties-panel")
            panel.wait_for()
            front.page.wait_for_timeout(500)
            rows = panel.inner_text()
            assert "open_editor" not in rows and "dispose_motion" not in rows
        assert in_its_node(view)
        assert in_its_node(front.page.get_by_role("button", name="Open pose editor"))
    await_image(view)


def test_a_view_inside_a_subgraph_follows_its_runs(front, comfy, small, rendering):
    front.load(small)
    front.page.evaluate(CONVERT, ["DisPosePoseAlign", "DisPoseMotionField"])
    assert front.missing_nodes() == []
    assert comfy.wait(front.run(), timeout=300)["status"]["status_str"] == "success"
    front.page.evaluate(ENTER)
    view = view_of(front, "DisPoseMotionField")
    await_image(view)
    command(front, "Comfy.Graph.ExitSubgraph")
    front.page.wait_for_function("() => app.canvas.graph === app.graph")
    await_image(view_of(front, "DisPoseMotionPreview"))
    front.page.evaluate(ENTER)
    await_image(view_of(front, "DisPoseMotionField"))


def test_a_view_that_is_promoted_stays_in_its_node(front, comfy, small, rendering):
    needs(front, (1, 40), "promotion of widgets that are no inputs")
    front.load(small)
    front.page.evaluate(CONVERT, ["DisPosePoseAlign", "DisPoseMotionField"])
    comfy.wait(front.run(), timeout=300)
    saved = front.page.evaluate("() => JSON.parse(JSON.stringify(app.graph.serialize()))")
    subgraph = saved["definitions"]["subgraphs"][0]
    (host,) = (node for node in saved["nodes"] if node["type"] == subgraph["id"])
    inside = {node["type"]: str(node["id"]) for node in subgraph["nodes"]}
    host["properties"]["proxyWidgets"] = [
        [inside["DisPoseMotionField"], "dispose_motion"],
        [inside["DisPosePoseAlign"], "method"],
    ]
    front.load(saved)
    names = front.page.evaluate(
        "() => app.graph.nodes.find(n => n.subgraph).widgets.map(w => w.name)"
    )
    assert "method" in names  # the combo is promoted
    front.page.evaluate(
        """() => {
            const host = app.graph.nodes.find(n => n.subgraph);
            host.widgets.find(w => w.name === 'method').value = 'none';
        }"""
    )
    job = front.prompt()
    (align,) = (node for node in job.values() if node["class_type"] == "DisPosePoseAlign")
    assert align["inputs"]["method"] == "none"
    assert comfy.wait(front.run(), timeout=300)["status"]["status_str"] == "success"
    front.page.evaluate(ENTER)
    view = view_of(front, "DisPoseMotionField")
    await_image(view)
    assert in_its_node(view)


def test_app_mode_shows_the_editor_and_gives_the_views_back(front, comfy, small):
    needs(front, (1, 45), "App mode")
    editor = next(node["id"] for node in small["nodes"] if node["type"] == "DisPosePoseEditor")
    video = next(node["id"] for node in small["nodes"] if node["type"] == "SaveVideo")
    prepare = next(node["id"] for node in small["nodes"] if node["type"] == "DisPosePrepare")
    small["extra"] |= {
        "linearMode": True,
        "linearData": {
            "inputs": [[prepare, "resolution"], [editor, "open_editor"]],
            "outputs": [video],
        },
    }
    front.load(small)
    front.page.get_by_role("button", name="Skip").click()  # the tour of App mode
    with front.page.expect_response("**/prompt") as queued:
        front.page.get_by_role("button", name="Run", exact=True).click()
    comfy.wait(queued.value.json()["prompt_id"], timeout=300)
    dialog = open_editor(front)
    assert dialog.evaluate(COVERS)
    dialog.get_by_role("button", name="Done").click()
    dialog.wait_for(state="detached")
    front.page.get_by_test_id("linear-run-button").wait_for()
    command(front, "Comfy.ToggleLinear")
    await_image(view_of(front, "DisPoseMotionPreview"))
    assert in_its_node(front.page.get_by_role("button", name="Open pose editor"))
