"""The real ComfyUI for tests, once for all of them; without it everything here is skipped.

`running.py` says what the environment has to name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

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
from .tiny_graph import Sampled, golden_tiny_clip, write_clip, write_models


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


@pytest.fixture(scope="module")
def arrays(golden):
    return golden("own_context/23_e2e_tiny")


@pytest.fixture(scope="module")
def clip(server, arrays):
    """The clip of golden 23, and the tiny networks' files where the server finds them."""
    write_models(server.base)
    made = golden_tiny_clip(arrays)
    write_clip(server.base / "input", made)
    return made


@pytest.fixture
def sample(comfy, server) -> Callable[[dict], Sampled]:
    def run(prompt: dict) -> Sampled:
        frame = comfy.run(prompt)
        (file,) = comfy.files(frame, "record")
        found = np.load(server.base / "output" / file["filename"])
        steps = [torch.from_numpy(found[f"step{i}"]) for i in range(len(found.files) - 1)]
        calls: dict[str, list] = {}
        for name, shape in json.loads(frame["outputs"]["record"]["calls"][0]):
            calls.setdefault(name, []).append(shape)
        cached = [data for event, data in frame["status"]["messages"] if event.endswith("cached")]
        return Sampled(steps, calls, set(cached[0]["nodes"]))

    return run
