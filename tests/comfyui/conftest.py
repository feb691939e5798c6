"""The real ComfyUI for tests, once for all of them; without it everything here is skipped.

`running.py` says what the environment has to name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .client import ComfyClient
from .running import (
    ComfyServer,
    FrontEnd,
    NotHere,
    NotStarted,
    opened_page,
    running_browser,
    running_server,
)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """Starts ComfyUI once for all tests and ends it after the last."""
    try:
        with running_server(tmp_path_factory.mktemp("comfyui")) as running:
            yield running
    except NotHere as reason:
        pytest.skip(str(reason))
    except NotStarted as reason:
        pytest.fail(str(reason), pytrace=False)


@pytest.fixture
def comfy(server: ComfyServer) -> ComfyClient:
    """The HTTP API of the server."""
    return ComfyClient(server.url)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium without a window."""
    try:
        with running_browser() as browser:
            yield browser
    except NotHere as reason:
        pytest.skip(str(reason))


@pytest.fixture
def browser_page(server: ComfyServer, browser: Any) -> Iterator[FrontEnd]:
    """The front end, loaded and ready, in a fresh browser profile."""
    with opened_page(server, browser) as page:
        yield page
