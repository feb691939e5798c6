"""The real server and the browser of `tests/comfyui`, for the tests of what runs in the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses
from tests.comfyui.conftest import browser, browser_page, comfy, server

from .page import COUNT_FRAMES, COUNT_LISTENERS, has_vue_nodes, reopen, use_vue_nodes

ROOT = Path(__file__).parents[2]

__all__ = ["browser", "browser_page", "comfy", "front", "server"]


@pytest.fixture
def front(browser_page) -> Iterator[Any]:
    """The page with what we leave in it counted from its start; complaints of ours fail."""
    browser_page.page.add_init_script(COUNT_LISTENERS)
    browser_page.page.add_init_script(COUNT_FRAMES)
    reopen(browser_page)
    yield browser_page
    assert browser_page.ours() == []


@pytest.fixture(params=["classic", "nodes 2.0"])
def rendering(request, front) -> Iterator[None]:
    """Both ways in which the front end draws nodes."""
    vue = request.param == "nodes 2.0"
    if vue and not has_vue_nodes(front):
        pytest.skip("this front end's first Vue rendering shows no pack's own widgets")
    use_vue_nodes(front, vue)
    yield
    use_vue_nodes(front, False)


@pytest.fixture
def small(comfy, assets, tmp_path) -> dict[str, Any]:
    """The template on a small image and every sixth of the driver's poses."""
    template = json.loads(
        (ROOT / "workflows" / "1_motion_preview.json").read_text(encoding="utf-8")
    )
    prepare = next(node for node in template["nodes"] if node["type"] == "DisPosePrepare")
    prepare["widgets_values"][0] = 128
    (poses,) = load_poses(assets / "poses" / "driving.json")[0]
    save_openpose(tmp_path / "few.json", [poses[::6]])
    few = comfy.upload(tmp_path / "few.json")
    for load in (node for node in template["nodes"] if node["type"] == "DisPoseLoadPoses"):
        if load["widgets_values"][0].startswith("driving"):
            load["widgets_values"][0] = few
    return template
