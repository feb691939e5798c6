"""What a user sees first of a template: its note, the files it lacks, and the same as an app."""

from __future__ import annotations

import pytest

from dispose_core.checkpoints.catalog import MODELS
from tests.comfyui.tiny_workflow import WORKFLOWS, saved

from .page import command, front_end_version, settings

TEMPLATES = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
# Whether the whole note can be seen: nothing of the page lies on its corners.
NOTE_IN_VIEW = """() => {
    const { canvas, ds } = app.canvas;
    const note = app.graph.nodes.find(node => node.type === 'MarkdownNote');
    const { left, top } = canvas.getBoundingClientRect();
    const [x0, y0, width, height] = note.boundingRect ?? note.getBounding();
    const inset = 6;
    return [inset, width - inset].every(x => [inset, height - inset].every(y => {
        const place = [left + (x0 + x + ds.offset[0]) * ds.scale,
                       top + (y0 + y + ds.offset[1]) * ds.scale];
        const there = document.elementFromPoint(...place);
        return there === canvas || Boolean(there?.closest('.dom-widget, [data-node-id]'));
    }));
}"""


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_opens_with_its_note_in_view(front, name, size):
    front.page.set_viewport_size({"width": size[0], "height": size[1]})
    front.load(saved(name))
    front.page.wait_for_timeout(500)  # the view is set after the first drawing
    assert front.page.evaluate(NOTE_IN_VIEW)


def test_missing_files_are_listed_each_with_a_download(front):
    wanted = {
        model["name"]: model["directory"]
        for node in saved("animate")["nodes"]
        for model in node["properties"].get("models", ())
        if node["mode"] == 0  # the CMP Loader is bypassed
    }
    assert len(wanted) == 6 and wanted.keys() <= {model.name for model in MODELS}
    page = front.page
    if front_end_version(front) >= (1, 40):
        front.load(saved("animate"))
        page.get_by_role("button", name="View details").click()
        rows = page.get_by_test_id("missing-model-importable-rows")
        rows.wait_for()
        text = rows.inner_text()
        for name, directory in wanted.items():
            assert f"{name}\n{directory}\nDownload" in text
        assert rows.get_by_test_id("missing-model-download").count() == len(wanted)
    else:
        with settings(page, Comfy_Workflow_ShowMissingModelsWarning=True):
            front.load(saved("animate"))
            listed = page.locator(".comfy-missing-models")
            listed.wait_for()
            text = listed.inner_text()
            assert all(f"{directory} / {name}" in text for name, directory in wanted.items())
    assert front.ours() == []


def test_the_short_workflow_is_an_app_too(front):
    if front_end_version(front) < (1, 45):
        pytest.skip("this front end has no App mode")
    front.load(saved("animate_simple"))
    command(front, "Comfy.ToggleLinear")
    page = front.page
    page.get_by_role("button", name="Skip").click()  # the tour of App mode
    items = page.get_by_test_id("app-mode-widget-item")
    items.first.wait_for()
    labels = [text.split("\n")[0] for text in items.all_inner_texts()]
    assert labels == ["image", "file", "resolution", "max_frames", "seed"]
    page.get_by_role("button", name="Run", exact=True).wait_for()
    assert not any("[appModeStore]" in line for line in front.console)  # of entries it dropped


def test_a_template_has_an_image_of_its_own():
    assert sorted(path.stem for path in WORKFLOWS.glob("*.jpg")) == TEMPLATES
