"""The editor and the views in Chinese."""

from __future__ import annotations

from .page import reopen, settings


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
        page.get_by_role("button", name="打开姿态编辑器").click()
        dialog = page.locator("dialog.dispose-editor")
        dialog.wait_for()
        for name in ("完成", "标记范围", "插值", "撤销", "左右互换"):
            assert dialog.get_by_role("button", name=name, exact=True).is_visible()
        dialog.get_by_role("button", name="隐藏", exact=True).click()
        assert dialog.locator(".dp-notice").text_content() == "1 条修改"
        assert "整个人物" in dialog.locator(".dp-status").text_content()
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("b")
        page.keyboard.press("ArrowRight")
        assert "修改作用于第 10–11 帧" in dialog.locator(".dp-legend").text_content()
        page.keyboard.press("?")
        assert "左右镜像翻转人物" in dialog.locator(".dp-help").text_content()
        labels = dialog.locator("aside .dp-buttons input, header input")
        assert not any(label.isascii() for label in labels.evaluate_all("a => a.map(b => b.value)"))
