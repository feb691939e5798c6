"""The real server and the browser of `tests/comfyui`, for the tests of what runs in the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.comfyui.conftest import browser, browser_page, comfy, server

from .page import COUNT_FRAMES, COUNT_LISTENERS, reopen

__all__ = ["browser", "browser_page", "comfy", "front", "server"]


@pytest.fixture
def front(browser_page) -> Iterator[Any]:
    """The page with what we leave in it counted from its start; complaints of ours fail."""
    browser_page.page.add_init_script(COUNT_LISTENERS)
    browser_page.page.add_init_script(COUNT_FRAMES)
    reopen(browser_page)
    yield browser_page
    assert browser_page.ours() == []
