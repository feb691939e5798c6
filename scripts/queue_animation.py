"""Animate an image on a running ComfyUI, from the command line.

    python scripts/queue_animation.py --reference portrait.png --driving dance.mp4 -o out.mp4

Uploads both files, fills them into an API workflow, queues it, shows the progress, and downloads
the result. Ctrl-C cancels the job on the server. The program stands alone: it runs on any machine
with `pip install requests websocket-client tqdm`, ComfyUI on another.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
import websocket
from tqdm import tqdm

WORKFLOW = Path(__file__).parents[1] / "workflows" / "api" / "animate.json"
PATIENCE = 60  # seconds the server may take for one answer
LISTEN = 1  # seconds of silence after which the history is asked whether the job is over
VIDEO = (".mp4", ".webm", ".mkv", ".mov", ".gif", ".webp")

DONE, FAILED, USAGE, UNREACHABLE, CANCELLED = 0, 1, 2, 3, 130

Prompt = dict[str, dict[str, Any]]  # node id -> {"class_type", "inputs", "_meta": {"title"}}


class JobError(Exception):
    """The job cannot be queued, or failed; the message is for people."""


class Server:
    """ComfyUI's HTTP API."""

    def __init__(self, url: str):
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        self.client = uuid.uuid4().hex

    def upload(self, path: Path) -> str:
        """Puts a file into the input folder; returns the name loaders take."""
        if not path.is_file():
            raise JobError(f"{path}: there is no such file.")
        # A name of its own: two clients may upload images of the same name at a time.
        name = f"{path.stem}-{self.client[:8]}{path.suffix}"
        with path.open("rb") as file:
            saved = self._post("/upload/image", files={"image": (name, file)}).json()
        return "/".join(filter(None, [saved.get("subfolder"), saved["name"]]))

    def queue(self, prompt: Prompt) -> str:
        """Queues a workflow; returns the job's id."""
        body = {"prompt": prompt, "client_id": self.client}
        # A refusal is an answer too: its body says why.
        answer = requests.post(f"{self.url}/prompt", json=body, timeout=PATIENCE).json()
        if answer.get("node_errors") or "prompt_id" not in answer:
            raise JobError("\n".join(complaints(answer, prompt)))
        return answer["prompt_id"]

    def listen(self) -> websocket.WebSocket:
        """The stream of events about this client's jobs."""
        scheme, rest = self.url.split("://", 1)
        address = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws?clientId={self.client}"
        return websocket.create_connection(address, timeout=LISTEN)

    def history(self, job: str) -> dict[str, Any] | None:
        """What became of a job; None while it waits or runs."""
        return self._get(f"/history/{job}").json().get(job)

    def cancel(self, job: str) -> None:
        """Takes a job from the queue, or interrupts it. Other clients' jobs go on."""
        self._post("/queue", json={"delete": [job]})
        running = self._get("/queue").json()["queue_running"]
        if any(item[1] == job for item in running):
            self._post("/interrupt", json={"prompt_id": job})

    def download(self, file: dict[str, str], path: Path) -> None:
        """Writes a file of the server; a file of that name is replaced when all has arrived."""
        place = {key: file.get(key, "") for key in ("filename", "subfolder", "type")}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{self.client[:8]}.part")
        try:
            reply = self._get(f"/view?{urlencode(place)}", stream=True)
            with reply, part.open("wb") as out:
                for block in reply.iter_content(1 << 20):
                    out.write(block)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _get(self, path: str, **options: Any) -> requests.Response:
        reply = requests.get(self.url + path, timeout=PATIENCE, **options)
        reply.raise_for_status()
        return reply

    def _post(self, path: str, **options: Any) -> requests.Response:
        reply = requests.post(self.url + path, timeout=PATIENCE, **options)
        reply.raise_for_status()
        return reply


def complaints(answer: dict[str, Any], prompt: Prompt) -> Iterator[str]:
    """Why the server refused a workflow, a line each, nodes by their titles."""
    if error := answer.get("error"):
        yield f"{error['message']} {error.get('details', '')}".strip()
    for node, found in answer.get("node_errors", {}).items():
        for error in found["errors"]:
            yield f"{title(prompt, node)}: {error['message']}: {error.get('details', '')}"


def title(prompt: Prompt, node: str) -> str:
    """A node as people know it. Nodes that a node expands into are named after that one."""
    entry = prompt.get(node) or prompt.get(node.split(".")[0]) or {}
    name = entry.get("_meta", {}).get("title") or entry.get("class_type", "node")
    return f"{name} ({node})"


def find_node(prompt: Prompt, wanted: str, classes: tuple[str, ...] = ()) -> str:
    """The id of a node by its id, or by a word of its title or its class.

    Args:
        wanted: id or word.
        classes: when given, only nodes of these classes; then a single one needs no word.
    """
    if wanted in prompt:
        return wanted
    nodes = {n: v for n, v in prompt.items() if not classes or v["class_type"] in classes}
    named = [
        n
        for n, v in nodes.items()
        if wanted.lower() in v.get("_meta", {}).get("title", "").lower()
        or wanted.lower() == v["class_type"].lower()
    ]
    found = named or (list(nodes) if classes else [])
    if len(found) == 1:
        return found[0]
    known = ", ".join(title(prompt, n) for n in (found or prompt))
    raise JobError(
        f"{'several nodes are' if found else 'no node is'} '{wanted}': {known}. "
        "Name one by its number, as in --set 12.image=@portrait.png."
    )


def fill(prompt: Prompt, settings: list[str], server: Server) -> None:
    """Applies `--set NODE.INPUT=VALUE`; a value @FILE is uploaded."""
    for setting in settings:
        place, equals, text = setting.partition("=")
        node, dot, name = place.rpartition(".")
        if not equals or not dot:
            raise JobError(f"--set {setting}: needed NODE.INPUT=VALUE, as in 12.seed=7.")
        inputs = prompt[find_node(prompt, node)]["inputs"]
        if name not in inputs:
            raise JobError(f"--set {setting}: the node has no input {name}: {', '.join(inputs)}.")
        if text.startswith("@"):
            inputs[name] = server.upload(Path(text[1:]))
            continue
        try:
            inputs[name] = json.loads(text)
        except json.JSONDecodeError:
            inputs[name] = text


def follow(server: Server, events: websocket.WebSocket, job: str, prompt: Prompt) -> dict[str, Any]:
    """Shows a job's progress until it is over; returns its history."""
    with tqdm(desc="waiting", dynamic_ncols=True) as bar:
        while True:
            try:
                message = events.recv()
            except websocket.WebSocketTimeoutException:
                message = ""
            except (websocket.WebSocketException, OSError):
                # The stream broke off: go on with what the history says.
                events = server.listen()
                message = ""
            # Images come as bytes; events of this job are what counts.
            event = json.loads(message) if isinstance(message, str) and message else {}
            data = event.get("data", {})
            if data.get("prompt_id") == job:
                show(bar, event["type"], data, prompt)
            over = event.get("type") in (
                "execution_success",
                "execution_error",
                "execution_interrupted",
            )
            if (over and data.get("prompt_id") == job) or not message:
                entry = server.history(job)
                if entry is not None:
                    return entry


def show(bar: tqdm, kind: str, data: dict[str, Any], prompt: Prompt) -> None:
    """An event on the bar: which node works, and how far it is."""
    if kind == "executing" and data.get("node"):
        bar.reset()
        bar.set_description(title(prompt, data["node"]))
    elif kind == "progress":
        bar.total = data["max"]
        bar.update(data["value"] - bar.n)


def results(entry: dict[str, Any], prompt: Prompt) -> list[dict[str, str]]:
    """The files that a finished job saved.

    Raises:
        JobError: it failed or was interrupted; the message names the node.
    """
    for kind, data in entry["status"]["messages"]:
        if kind == "execution_error":
            raise JobError(f"{title(prompt, data['node_id'])}: {data['exception_message'].strip()}")
        if kind == "execution_interrupted":
            raise JobError("the job was interrupted on the server.")
    values = (value for ui in entry["outputs"].values() for value in ui.values())
    files = (item for items in values for item in items if isinstance(item, dict))
    return [file for file in files if file.get("type") == "output" and "filename" in file]


def run(options: argparse.Namespace) -> list[Path]:
    """Queues one job and waits for it; returns the files that were written."""
    server = Server(options.server)
    try:
        prompt: Prompt = json.loads(options.workflow.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise JobError(f"{options.workflow}: cannot be read as a workflow: {e}.") from e
    if not all(isinstance(node, dict) and "class_type" in node for node in prompt.values()):
        raise JobError(
            f"{options.workflow}: not in API format. Use 'Export (API)' in ComfyUI's menu."
        )
    if options.reference:
        node = find_node(prompt, "reference", ("LoadImage",))
        prompt[node]["inputs"]["image"] = server.upload(options.reference)
    if options.driving:
        node = find_node(prompt, "driving", ("LoadVideo",))
        prompt[node]["inputs"]["file"] = server.upload(options.driving)
    fill(prompt, options.set, server)

    events = server.listen()  # before the job starts, so that no event is missed
    job = server.queue(prompt)
    try:
        files = results(follow(server, events, job, prompt), prompt)
    except KeyboardInterrupt:
        server.cancel(job)
        raise
    finally:
        events.close()
    if not files:
        raise JobError("the job saved no file. Add a Save Video node to the workflow.")
    if options.output is not None:
        videos = [f for f in files if f["filename"].lower().endswith(VIDEO)]
        files = (videos or files)[:1]
    written = []
    for file in files:
        path = options.output or Path(Path(file["filename"]).name)
        server.download(file, path)
        written.append(path)
    return written


def main(arguments: list[str] | None = None) -> int:
    """Runs the program; returns its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="exit codes: 0 done, 1 the job failed, 2 wrong arguments, "
        "3 the server does not answer, 130 cancelled with Ctrl-C",
    )
    parser.add_argument("--reference", type=Path, help="image to animate")
    parser.add_argument("--driving", type=Path, help="video whose motion is used")
    parser.add_argument(
        "-o", "--output", type=Path, help="file for the video; default: all files, server's names"
    )
    parser.add_argument(
        "--server", default="http://127.0.0.1:8188", help="ComfyUI; default: %(default)s"
    )
    parser.add_argument(
        "--workflow", type=Path, default=WORKFLOW, help="API workflow; default: the pack's animate"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        help="change an input; the node by number or a word of its title; @FILE uploads a file",
    )
    options = parser.parse_args(arguments)
    try:
        for path in run(options):
            print(path)
    except JobError as e:
        print(f"queue_animation: {e}", file=sys.stderr)
        return FAILED
    except (requests.RequestException, websocket.WebSocketException, OSError) as e:
        host = urlsplit(Server(options.server).url).netloc
        print(f"queue_animation: {host} does not answer as ComfyUI does: {e}", file=sys.stderr)
        return UNREACHABLE
    except KeyboardInterrupt:
        print("\ncancelled on the server too", file=sys.stderr)
        return CANCELLED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
