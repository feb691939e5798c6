"""The real server and the browser of `tests/comfyui`, for the tests of what runs in the page."""

from tests.comfyui.conftest import browser, browser_page, comfy, server

__all__ = ["browser", "browser_page", "comfy", "server"]
