"""A small client of ComfyUI's HTTP API: queue API workflows, wait for them, read what they wrote.

Node errors come back as exceptions that carry the node's message.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import requests

Prompt = dict[str, dict[str, Any]]  # node id -> {"class_type": …, "inputs": …}
PATIENCE = 30  # seconds for one answer; a job is waited for by `wait`


class PromptRejected(Exception):
    """The server refused a workflow before running it."""


class PromptInterrupted(Exception):
    """Somebody cancelled the run."""


class NodeError(Exception):
    """A node raised while it ran."""

    def __init__(self, event: dict[str, Any]):
        self.node_id: str = event["node_id"]
        self.node_type: str = event["node_type"]
        self.exception_type: str = event["exception_type"].rpartition(".")[2]
        self.message: str = event["exception_message"].strip()
        super().__init__(
            f"{self.node_type} (node {self.node_id}): {self.exception_type}: {self.message}\n"
            + "".join(event["traceback"])
        )


class ComfyClient:
    """Speaks to one server."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self.id = uuid.uuid4().hex

    def object_info(self, node: str = "") -> dict[str, Any]:
        """What the server says about all nodes, or about one (empty when it has none such)."""
        return self._get(f"/object_info/{node}" if node else "/object_info").json()

    def upload(self, path: Path, subfolder: str = "") -> str:
        """Puts a file into the input folder; returns the name that a loader's combo takes."""
        fields = {"type": "input", "subfolder": subfolder, "overwrite": "true"}
        with path.open("rb") as file:
            saved = self._post("/upload/image", data=fields, files={"image": file}).json()
        return "/".join(filter(None, [saved["subfolder"], saved["name"]]))

    def queue(self, prompt: Prompt) -> str:
        """Queues an API workflow; returns its id.

        Raises:
            PromptRejected: some node's inputs do not pass; the message lists every complaint.
        """
        body = {"prompt": prompt, "client_id": self.id}
        reply = requests.post(f"{self.url}/prompt", json=body, timeout=PATIENCE).json()
        if reply.get("node_errors") or "prompt_id" not in reply:
            raise PromptRejected(_complaints(reply))
        return reply["prompt_id"]

    def wait(self, prompt_id: str, timeout: float = 120) -> dict[str, Any]:
        """The history frame of a finished run.

        Raises:
            NodeError: a node failed.
            PromptInterrupted: the run was cancelled.
            TimeoutError: it was not finished within `timeout` seconds.
        """
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            frame = self._get(f"/history/{prompt_id}").json().get(prompt_id)
            if frame is None:
                time.sleep(0.1)
                continue
            for event, data in frame["status"]["messages"]:
                if event == "execution_error":
                    raise NodeError(data)
                if event == "execution_interrupted":
                    raise PromptInterrupted(f"{data['node_type']} (node {data['node_id']})")
            return frame
        running, pending = self.queue_state()
        raise TimeoutError(f"{prompt_id}: {timeout:g} s; running {running}, waiting {pending}")

    def run(self, prompt: Prompt, timeout: float = 120) -> dict[str, Any]:
        """Queues and waits."""
        return self.wait(self.queue(prompt), timeout)

    def files(self, frame: dict[str, Any], node_id: str = "") -> list[dict[str, str]]:
        """The files a run showed or saved, in order; of one node where `node_id` is given."""
        outputs = frame["outputs"]
        chosen = [outputs.get(node_id, {})] if node_id else outputs.values()
        items = (item for ui in chosen for values in ui.values() for item in values)
        return [item for item in items if isinstance(item, dict) and "filename" in item]

    def download(self, file: dict[str, str], folder: Path) -> Path:
        """Writes a file that `files` named into a local folder."""
        place = {key: file.get(key, "") for key in ("filename", "subfolder", "type")}
        path = folder / file["filename"]
        path.write_bytes(self._get("/view", params=place).content)
        return path

    def interrupt(self) -> None:
        """Cancels the running prompt."""
        self._post("/interrupt", json={})

    def queue_state(self) -> tuple[list[str], list[str]]:
        """Ids of the running and of the waiting prompts."""
        queue = self._get("/queue").json()
        return tuple([item[1] for item in queue[f"queue_{s}"]] for s in ("running", "pending"))

    def _get(self, path: str, **options: Any) -> requests.Response:
        reply = requests.get(self.url + path, timeout=PATIENCE, **options)
        reply.raise_for_status()
        return reply

    def _post(self, path: str, **options: Any) -> requests.Response:
        reply = requests.post(self.url + path, timeout=PATIENCE, **options)
        reply.raise_for_status()
        return reply


def _complaints(reply: dict[str, Any]) -> str:
    lines = [f"{reply['error']['message']} {reply['error']['details']}"] if "error" in reply else []
    for node_id, node in reply["node_errors"].items():
        for error in node["errors"]:
            where = f"{node['class_type']} (node {node_id})"
            lines.append(f"{where}: {error['message']}: {error['details']}")
    return "\n".join(lines)
