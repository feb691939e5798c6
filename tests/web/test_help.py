"""Help, translations and settings in the real front end: what a user sees who asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .page import READY, settings

ROOT = Path(__file__).parents[2]
ADD_NODE = """([type, x]) => {
    const node = LiteGraph.createNode(type);
    node.pos = [x, 300];
    app.graph.add(node);
    app.canvas.selectNode(node);
    return node.id;
}"""
WIDGET = "([id, name]) => app.graph.getNodeById(id).widgets.find(w => w.name === name).value"


def reload(page: Any) -> None:
    page.reload()
    page.wait_for_function(READY, timeout=60_000)
    page.evaluate("() => app.graph.clear()")


def open_help(page: Any, node_id: str) -> Any:
    """The help page of a new node, opened by its own button."""
    page.evaluate("() => app.graph.clear()")
    page.evaluate(ADD_NODE, [node_id, 300])
    # Not a click of the mouse: the toolbox of a node near the top lies under the menu.
    page.get_by_test_id("info-button").evaluate("button => button.click()")
    help_page = page.locator(".node-help-content")
    help_page.locator("h1").wait_for()
    return help_page


def image_is_shown(help_page: Any) -> bool:
    image = help_page.locator("img").first
    image.wait_for(state="attached")
    return image.evaluate("img => img.decode().then(() => img.naturalWidth > 100)")


def title(node_id: str, language: str) -> str:
    names = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))
    return names[node_id]["display_name"]


def test_the_server_hands_out_both_languages(comfy):
    served = comfy._get("/i18n").json()
    ours = {name for name in comfy.object_info() if name.startswith("DisPose")}
    for language in ("en", "zh"):
        assert ours <= set(served[language]["nodeDefs"])
        assert "DisPose_Detector_Backend" in served[language]["settings"]
        assert "pose" in served[language]["nodeCategories"]


def test_every_template_has_an_image(comfy):
    (ours,) = {k: v for k, v in comfy._get("/workflow_templates").json().items() if "DisPose" in k}
    names = comfy._get("/workflow_templates").json()[ours]
    assert set(names) == {path.stem for path in (ROOT / "workflows").glob("*.json")}
    for name in names:
        image = comfy._get(f"/api/workflow_templates/{ours}/{name}.jpg")
        assert image.headers["Content-Type"] == "image/jpeg"


def test_the_help_button_opens_a_page_with_its_image(browser_page):
    page = browser_page.page
    for node_id in ("DisPoseMotionField", "DisPosePoseEditor"):
        help_page = open_help(page, node_id)
        assert help_page.locator("h1").inner_text() == title(node_id, "en")
        assert image_is_shown(help_page)
        assert help_page.locator("li").count() > 4
    assert browser_page.ours() == []
    assert not any("DisPose" in address for address in browser_page.outside)


def test_in_chinese_names_and_help_are_chinese(browser_page):
    page = browser_page.page
    with settings(page, Comfy_Locale="zh"):
        reload(page)
        help_page = open_help(page, "DisPoseMotionField")
        assert help_page.locator("h1").inner_text() == title("DisPoseMotionField", "zh")
        assert image_is_shown(help_page)
        names = page.evaluate(
            """() => {
                const node = app.graph.nodes[0];
                const slots = [...node.inputs, ...node.outputs];
                const labels = slots.map(slot => slot.label ?? slot.localized_name);
                return [node.title, ...labels];
            }"""
        )
        words = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
        words = words["DisPoseMotionField"]
        assert names[:2] == [words["display_name"], words["inputs"]["reference"]["name"]]
        assert names[-1] == list(words["outputs"].values())[-1]["name"]
        assert not any(name.isascii() for name in (*names[:2], names[-1]))
        assert browser_page.ours() == []


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "nodes 2.0"])
def test_the_default_detector_is_what_new_nodes_start_with(browser_page, vue):
    page = browser_page.page
    page.evaluate("() => app.graph.clear()")
    first = page.evaluate(ADD_NODE, ["DisPosePoseDetectorLoader", 100])
    assert page.evaluate(WIDGET, [first, "backend"]) == "dwpose"
    saved = page.evaluate("() => JSON.stringify(app.graph.serialize())")
    with settings(page, DisPose_Detector_Backend="mediapipe", Comfy_VueNodes_Enabled=vue):
        second = page.evaluate(ADD_NODE, ["DisPosePoseDetectorLoader", 600])
        assert page.evaluate(WIDGET, [first, "backend"]) == "dwpose"
        assert page.evaluate(WIDGET, [second, "backend"]) == "mediapipe"
        prompt = browser_page.prompt()
        assert prompt[str(second)]["inputs"]["backend"] == "mediapipe"
        browser_page.load(json.loads(saved))
        (loaded,) = page.evaluate("() => app.graph.nodes.map(node => node.id)")
        assert page.evaluate(WIDGET, [loaded, "backend"]) == "dwpose"
    assert browser_page.ours() == []


def test_views_are_as_high_and_as_fast_as_the_settings_say(browser_page):
    page = browser_page.page
    chosen = page.evaluate(
        """async rates => {
            const preferences = await import("/extensions/DisPose-ComfyUI/js/preferences.js");
            const said = () => [preferences.previewSize(), preferences.previewRate()];
            const { set } = app.extensionManager.setting;
            const before = said();
            await set(preferences.PREVIEW_SIZE, 480);
            await set(preferences.PREVIEW_RATE, 30);
            const after = said();
            await set(preferences.PREVIEW_SIZE, before[0]);
            await set(preferences.PREVIEW_RATE, before[1]);
            return [before, after];
        }"""
    )
    assert chosen == [[320, 12], [480, 30]]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_settings_dialog_shows_our_settings(browser_page, language):
    page = browser_page.page
    texts = json.loads((ROOT / "locales" / language / "settings.json").read_text(encoding="utf-8"))
    with settings(page, Comfy_Locale=language):
        reload(page)
        page.evaluate("() => app.extensionManager.command.execute('Comfy.ShowSettingsDialog')")
        dialog = page.locator(".p-dialog, [role=dialog]").last
        dialog.get_by_text("DisPose", exact=True).first.click()
        for entry in texts.values():
            dialog.get_by_text(entry["name"], exact=True).first.wait_for()
    assert browser_page.ours() == []
