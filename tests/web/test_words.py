"""The editor and the views in Chinese."""

from __future__ import annotations

import re
from pathlib import Path

from .page import reopen, settings

WORDS = Path(__file__).parents[2] / "web" / "js" / "words_zh.js"


def chinese(english: str, **values: object) -> str:
    """The translation that the page's own table has."""
    text = WORDS.read_text(encoding="utf-8")
    (found,) = re.findall(rf'^  "{re.escape(english)}":\s*"(.+)",$', text, re.MULTILINE)
    assert not found.isascii()
    return found.format(**values)


def test_a_chinese_user_finds_the_editor_in_chinese(front, comfy):
    job = {
        "load": {"class_type": "DisPoseLoadPoses", "inputs": {"file": "driving.json [sample]"}},
        "editor": {
            "class_type": "DisPosePoseEditor",
            "inputs": {"poses": ["load", 0], "edits": ""},
        },
    }
    page = front.page
    with settings(page, Comfy_Locale="zh"):
        reopen(front)
        page.evaluate("job => app.loadApiJson(job, 'words')", job)
        comfy.wait(front.run())
        page.evaluate("() => app.canvas.centerOnNode(app.graph.nodes.at(-1))")
        page.get_by_role("button", name=chinese("Open pose editor")).click()
        dialog = page.locator("dialog.dispose-editor")
        dialog.wait_for()
        for name in ("Done", "Mark range", "Interpolate", "Undo", "Swap sides"):
            assert dialog.get_by_role("button", name=chinese(name), exact=True).is_visible()
        dialog.get_by_role("button", name=chinese("Hide"), exact=True).click()
        assert dialog.locator(".dp-notice").text_content() == chinese("1 edit")
        assert chinese("whole figure") in dialog.locator(".dp-status").text_content()
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("b")
        page.keyboard.press("ArrowRight")
        legend = chinese("red: missing · orange: doubtful · blue: edited · \u25c6 key")
        assert dialog.locator(".dp-legend").text_content() == chinese(
            "{legend} · changes apply to frames {first}–{last}", legend=legend, first=10, last=11
        )
        page.keyboard.press("?")
        assert (
            chinese("Mirror the figure horizontally") in dialog.locator(".dp-help").text_content()
        )
        labels = dialog.locator("aside .dp-buttons input, header input")
        assert not any(label.isascii() for label in labels.evaluate_all("a => a.map(b => b.value)"))
