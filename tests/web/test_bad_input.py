"""The pose editor with what does not fit: other clips and people, markup, thousands of frames."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dispose_core.pose.openpose_json import save_openpose, write_openpose
from dispose_core.pose.pose_files import load_poses

from .page import edits_text, open_editor, place_of

MARKUP = "<img src=x onerror='window.__owned = 1'>"
STATUS = "() => app.graph.nodes.find(n => n.type === 'DisPosePoseEditor').widgets.at(-1).element"


@pytest.fixture
def given(assets) -> Any:
    """Twelve frames of the sample driver."""
    (pose,) = load_poses(assets / "poses" / "driving.json")[0]
    return pose[:12]


@pytest.fixture
def run(front, comfy, tmp_path):
    """run(people, edits, name): poses from a file to Pose Editor, run from the button."""

    def go(people: Any, edits: str = "", name: str = "poses.json", title: str = "") -> list[str]:
        path = tmp_path / "uploaded.json"
        if isinstance(people, str):
            path.write_text(people, encoding="utf-8")
        else:
            save_openpose(path, people)
        file = comfy.upload(path.rename(tmp_path / name))
        load, editor = {"file": file}, {"poses": ["load", 0], "edits": edits}
        job = {
            "load": {"class_type": "DisPoseLoadPoses", "inputs": load},
            "editor": {"class_type": "DisPosePoseEditor", "inputs": editor},
        }
        front.page.evaluate("job => app.loadApiJson(job, 'bad input')", job)
        front.page.evaluate(
            """title => {
                const node = app.graph.nodes.find(n => n.type === 'DisPosePoseEditor');
                if (title) node.title = title;
                app.canvas.ds.scale = 1;
                app.canvas.centerOnNode(node);
            }""",
            title,
        )
        entry = comfy.wait(front.run(), timeout=300)
        (report,) = [out["dispose_report"] for out in entry["outputs"].values()]
        return report

    return go


def edits_of(*edits: dict, **made_for: int) -> str:
    return json.dumps({"version": 1, "made_for": made_for, "edits": list(edits)})


def notice(dialog: Any) -> Any:
    return dialog.locator(".dp-notice")


def test_edits_of_a_longer_clip_are_kept_and_the_lost_ones_named(front, run, given):
    text = edits_of(
        {"do": "hide", "frames": 3, "points": "RWrist"},
        {"do": "move", "frames": 40, "points": "RWrist", "to": [0.5, 0.5]},
        frames=72, people=1, width=576, height=1024,
    )  # fmt: skip
    report = run([given], text)
    assert any("move RWrist, frame 40" in line and "ends at frame 11" in line for line in report)
    dialog = open_editor(front)
    assert "2 edits · 1 no longer apply: edit 2: the clip ends" in notice(dialog).text_content()
    front.page.keyboard.press("h")
    kept = json.loads(edits_text(front))["edits"]
    assert [edit["do"] for edit in kept] == ["hide", "move", "hide"]
    assert kept[1]["frames"] == 40


def test_edits_of_a_person_who_is_gone_are_kept_and_named(front, run, given):
    report = run([given], edits_of({"do": "hide", "frames": 0, "points": "all", "person": 1}))
    assert any("there is 1 person, counted from 0" in line for line in report)
    dialog = open_editor(front)
    assert "there is 1 person" in notice(dialog).text_content()
    front.page.keyboard.press("p")  # nobody else to go to
    dialog.get_by_role("button", name="Done").click()
    assert json.loads(edits_text(front))["edits"][0]["person"] == 1


def test_each_of_two_people_is_edited_by_itself(front, run, given):
    other = given[::-1]
    run([given, other])
    dialog = open_editor(front)
    assert "person 0 of 2" in dialog.locator(".dp-status").text_content()
    front.page.keyboard.press("p")
    assert "person 1 of 2" in dialog.locator(".dp-status").text_content()
    front.page.keyboard.press("h")
    assert json.loads(edits_text(front))["edits"] == [
        {"do": "hide", "frames": 0, "points": "all", "person": 1}
    ]


def test_edits_written_by_hand_are_read_and_go_on(front, run, given):
    text = (
        '{"version": 1, "edits": [\n{"do": "move", "frames": 2, "points": 4, "to": [0.25, 0.5]}]}'
    )
    assert run([given], text)[0] == "1 edit: 1 applied"
    dialog = open_editor(front)
    front.page.keyboard.press("n")
    front.page.keyboard.press("h")
    kept = json.loads(edits_text(front))["edits"]
    assert kept[0] == {"do": "move", "frames": 2, "points": 4, "to": [0.25, 0.5]}
    assert kept[1] == {"do": "hide", "frames": 0, "points": "Nose"}
    dialog.get_by_role("button", name="Discard").click()
    assert json.loads(edits_text(front)) == json.loads(text) | {
        "made_for": {"frames": 12, "people": 1, "width": 576, "height": 1024}
    }


def test_markup_in_files_names_and_titles_is_only_text(front, run, given):
    told = write_openpose([given])
    told[0]["people"][0]["person_id"] = [MARKUP]
    told[0][MARKUP] = MARKUP
    edits = edits_of({"do": "hide", "frames": 99, "points": "RWrist"})
    run(json.dumps(told), edits, name=f"{MARKUP.replace('/', '')}.json", title=MARKUP)
    dialog = open_editor(front)
    assert dialog.locator("h2").text_content() == MARKUP
    assert dialog.locator("img").count() == 0
    status = front.page.evaluate_handle(STATUS).as_element()
    assert status.query_selector("img") is None
    assert front.page.evaluate("() => window.__owned") is None


def test_a_clip_of_thousands_of_frames_opens_and_follows_the_pointer(front, run, given):
    long = given[np.arange(4000) % 12]
    run([long])
    dialog = open_editor(front)
    front.page.keyboard.press("End")
    assert dialog.locator(".dp-frame").text_content() == "3999 / 3999"
    x, y = place_of(dialog, long, 3999, 4)
    front.page.mouse.move(x, y)
    front.page.mouse.down()
    front.page.mouse.move(x - 30, y - 30)
    front.page.mouse.up()
    (edit,) = json.loads(edits_text(front))["edits"]
    assert (edit["do"], edit["frames"], edit["points"]) == ("move", 3999, "RWrist")
