"""Finding the nodes and the templates in the real front end: search words, the template browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .page import has_vue_nodes, reopen

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def words() -> dict[str, list[str]]:
    """The search words of every node, as its source gives them."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "nodes").glob("*.py"))
    found = re.findall(r'node_id="(\w+)".*?search_words\((.*?)\)', source, re.DOTALL)
    return {node: re.findall(r'"(.+?)"', listed) for node, listed in found}


def search(front: Any, text: str) -> str:
    """What the search over the graph offers for some words."""
    keys = front.page.keyboard
    keys.press("Control+a")
    keys.type(text)
    front.page.wait_for_timeout(600)  # it waits for the end of the typing
    return "\n".join(front.page.locator("[role=option]").all_inner_texts())


def open_search(front: Any) -> None:
    front.page.evaluate("() => app.graph.clear()")
    front.page.mouse.dblclick(800, 600)
    front.page.locator("input:focus").wait_for()


def test_nodes_are_found_by_the_words_of_their_names(front, comfy):
    open_search(front)
    assert "Pose Editor" in search(front, "pose editor")
    names = {info["display_name"] for key, info in comfy.object_info().items() if "DisPose" in key}
    offered = search(front, "dispose")
    assert sum(name in offered for name in names) > 10


def test_nodes_are_found_by_words_that_are_not_in_their_names(front, comfy, words):
    """ComfyUI sends these words from 0.11 on; here they are put in on the way."""
    if not has_vue_nodes(front):
        pytest.skip("this front end searches names only")
    ours = {key: info for key, info in comfy.object_info().items() if key.startswith("DisPose")}
    assert set(words) == set(ours)

    def with_words(route: Any) -> None:
        told = route.fetch().json()
        for node in ours:
            told[node]["search_aliases"] = words[node]
        route.fulfill(json=told)

    front.page.route(re.compile(r"/object_info$"), with_words)
    reopen(front)
    open_search(front)
    for node, listed in words.items():
        assert ours[node]["display_name"] in search(front, listed[0]), (node, listed[0])


def test_the_template_browser_shows_every_workflow_with_its_image(front):
    front.page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    dialog = front.page.locator("[role=dialog], .p-dialog").last
    dialog.get_by_text("DisPose-ComfyUI", exact=True).first.click()
    for path in (ROOT / "workflows").glob("*.json"):
        card = dialog.get_by_test_id(f"template-workflow-{path.stem}")
        image = card.locator("img").first
        image.wait_for(state="attached")
        assert image.evaluate("img => img.decode().then(() => img.naturalWidth)") > 300, path
