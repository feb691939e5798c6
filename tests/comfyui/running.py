"""A real ComfyUI server with this pack in it, and its front end in a real browser.

COMFYUI_PATH      the ComfyUI checkout
COMFYUI_PYTHON    its interpreter; default: venv/bin/python beside the checkout, else this one
COMFYUI_FRONTEND  the static folder of another comfyui-frontend-package to serve
CHROMIUM          the browser; default: the first chromium or chrome on PATH

Models, input, output and settings live in a temporary folder, so nothing of the user's is
touched; the only custom nodes are this pack and the test packs in `packs/` beside this file.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from .client import Prompt

HERE = Path(__file__).parent
PACK = HERE.parents[1]
PACK_NAME = "DisPose-ComfyUI"  # the folder's name in custom_nodes, as a user might have it
OUR_FILES = f"/extensions/{PACK_NAME}/"
# Chromium knows which script asks for a file, but not which one asks for an image.
TELL_IMAGES = f"""(() => {{
    const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, 'src');
    const set = function (address) {{
        if (new Error().stack.includes('{OUR_FILES}')) askedByUs(new URL(address, location).href);
        source.set.call(this, address);
    }};
    Object.defineProperty(HTMLImageElement.prototype, 'src', {{ ...source, set }});
}})()"""
START_SECONDS = 180
# No welcome dialog, no tour and no list of missing models: they would cover the graph.
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.InstalledVersion": "1.27.10",
    "Comfy.Workflow.ShowMissingModelsWarning": False,
}


class NotHere(Exception):
    """What is asked for is not on this machine; the message names it."""


class NotStarted(Exception):
    """The server ended or does not answer; the message has the end of its log."""


@dataclass(frozen=True)
class ComfyServer:
    """A running server: where it answers, and the folder that holds its input and output."""

    url: str
    base: Path
    process: subprocess.Popen[bytes]

    def log(self) -> str:
        return (self.base / "server.log").read_text(errors="replace")


@contextmanager
def running_server(base: Path) -> Iterator[ComfyServer]:
    """Starts ComfyUI and ends it.

    Args:
        base: an empty folder for everything it reads and writes, or that of an earlier server.

    Raises:
        NotHere: COMFYUI_PATH is not set.
        NotStarted: it does not come up, or our nodes do not.
    """
    if not os.environ.get("COMFYUI_PATH"):
        raise NotHere("COMFYUI_PATH is not set: it names a ComfyUI checkout to test in")
    comfyui = Path(os.environ["COMFYUI_PATH"]).resolve()
    _fill(base)
    port = _free_port()
    command = [
        *(_interpreter(comfyui), "main.py", "--cpu", "--disable-auto-launch"),
        *("--disable-api-nodes", "--listen", "127.0.0.1", "--port", str(port)),
        *("--base-directory", str(base), "--database-url", f"sqlite:///{base}/user/comfyui.db"),
    ]
    if front_end := os.environ.get("COMFYUI_FRONTEND"):
        command += ["--front-end-root", front_end]
    with (base / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=comfyui,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
        )
    running = ComfyServer(f"http://127.0.0.1:{port}", base, process)
    try:
        _await_ready(running)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class FrontEnd:
    """ComfyUI's page in a browser, and what it complained about."""

    page: Any  # playwright.sync_api.Page
    console: list[str] = field(default_factory=list)  # errors and warnings, "type: text (where)"
    failed: list[str] = field(default_factory=list)  # addresses the server answered with an error
    outside: list[str] = field(default_factory=list)  # addresses elsewhere, all refused
    asked: set[str] = field(default_factory=set)  # addresses that the pack's own files ask for

    def ours(self) -> list[str]:
        """Complaints about the pack's own files and what they ask for; the stock page has many."""
        ours = (OUR_FILES, *self.asked)
        lines = [*self.console, *self.failed, *self.outside]
        return [line for line in lines if any(part in line for part in ours)]

    def load(self, workflow: dict[str, Any]) -> None:
        """Opens a workflow in the format that the front end saves."""
        self.page.evaluate("workflow => app.loadGraphData(workflow)", workflow)

    def missing_nodes(self) -> list[str]:
        """Types in the open graph and its subgraphs that no installed node provides."""
        return self.page.evaluate(
            """() => [app.graph, ...(app.graph.subgraphs?.values() ?? [])]
                .flatMap(graph => graph.nodes)
                .map(node => node.type)
                .filter(type => !(type in LiteGraph.registered_node_types))"""
        )

    def prompt(self) -> Prompt:
        """The open graph in API format, as the Run button would send it."""
        return self.page.evaluate("() => app.graphToPrompt().then(prompt => prompt.output)")

    def run(self) -> str:
        """Presses Run; returns the id of the queued prompt."""
        button = self.page.get_by_test_id("queue-button")
        with self.page.expect_response(_is_queueing) as response:
            button.click(position={"x": 15, "y": 15})  # its right end opens a menu
        reply = response.value.json()
        assert "prompt_id" in reply, reply
        return reply["prompt_id"]


@contextmanager
def running_browser(*flags: str) -> Iterator[Any]:
    """A Chromium without a window.

    Args:
        flags: of Chromium, beside our own.

    Raises:
        NotHere: there is no Playwright or no Chromium.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as e:
        raise NotHere("playwright is not installed") from e
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        raise NotHere("no chromium on PATH, and CHROMIUM is not set")
    off = ("background-networking", "component-update", "sync", "gpu")
    flags = ("--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in off), *flags)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=list(flags))
        yield browser
        browser.close()


@contextmanager
def opened_page(server: ComfyServer, browser: Any) -> Iterator[FrontEnd]:
    """The front end, loaded and ready, in a fresh browser profile."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    front_end = FrontEnd(page)

    def refuse(route: Any) -> None:
        front_end.outside.append(route.request.url)
        route.abort()

    def on_console(message: Any) -> None:
        if message.type in ("error", "warning"):
            where = message.location["url"]
            front_end.console.append(f"{message.type}: {message.text} ({where})")

    page.route(lambda address: not address.startswith((server.url, "data:", "blob:")), refuse)
    page.on("console", on_console)
    page.on("pageerror", lambda error: front_end.console.append(f"error: {error.stack or error}"))
    page.on("response", lambda r: r.status >= 400 and front_end.failed.append(r.url))
    page.expose_function("askedByUs", lambda address: front_end.asked.add(address))
    page.add_init_script(TELL_IMAGES)
    devtools = page.context.new_cdp_session(page)
    devtools.on(
        "Network.requestWillBeSent",
        lambda sent: _is_ours(sent["initiator"]) and front_end.asked.add(sent["request"]["url"]),
    )
    devtools.send("Network.enable")
    page.goto(server.url)
    page.wait_for_function("() => window.app?.vueAppReady && app.graph?.nodes", timeout=60_000)
    yield front_end
    page.close()


def _is_ours(initiator: dict[str, Any]) -> bool:
    """Whether a request came from a script of the pack, as Chromium tells it."""
    stack = initiator.get("stack")
    while stack:
        if any(OUR_FILES in frame["url"] for frame in stack["callFrames"]):
            return True
        stack = stack.get("parent")
    return False


def _is_queueing(response: Any) -> bool:
    return response.request.method == "POST" and response.url.endswith("/prompt")


def _interpreter(comfyui: Path) -> str:
    beside = comfyui.parent / "venv" / "bin" / "python"
    return os.environ.get("COMFYUI_PYTHON") or str(beside if beside.exists() else sys.executable)


def _fill(base: Path) -> None:
    """The folders of a fresh installation, with our packs and settings, unless they are there."""
    if (base / "custom_nodes").is_dir():
        return
    for name in ("custom_nodes", "input", "output", "temp", "models", "user/default"):
        (base / name).mkdir(parents=True)
    (base / "user" / "default" / "comfy.settings.json").write_text(json.dumps(SETTINGS))
    (base / "custom_nodes" / PACK_NAME).symlink_to(PACK, target_is_directory=True)
    for init in HERE.glob("packs/*/__init__.py"):
        folder = init.parent
        (base / "custom_nodes" / folder.name).symlink_to(folder, target_is_directory=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _await_ready(server: ComfyServer) -> None:
    until = time.monotonic() + START_SECONDS
    problem = f"no answer in {START_SECONDS} s"
    while time.monotonic() < until:
        if (code := server.process.poll()) is not None:
            problem = f"it ended with code {code}"
            break
        try:
            with urlopen(f"{server.url}/system_stats", timeout=5):
                if "(IMPORT FAILED)" not in server.log():
                    return
            problem = "a custom node failed to load"
            break
        except OSError:
            time.sleep(0.3)
    tail = "\n".join(server.log().splitlines()[-40:])
    raise NotStarted(f"ComfyUI did not start: {problem}. The end of its log:\n{tail}")
