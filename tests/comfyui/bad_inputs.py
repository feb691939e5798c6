"""Bad inputs for every node of the pack in the real ComfyUI, and who answers them.

    COMFYUI_PATH=… python -m tests.comfyui.bad_inputs --count 600 --seed 0

Nodes, inputs and ranges come from the server, so that new nodes are covered. Each case is a graph
that runs, with one bad input. An answer is good if it is a message of this pack or of ComfyUI's
check of workflows. Faults are an error of a library, a server that ended, and memory that is not
free again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from .client import PATIENCE, ComfyClient, Prompt
from .packs.bad_values import KINDS
from .running import PACK, PACK_NAME, ComfyServer, running_server
from .tiny_graph import CONTROLNET, MODEL, node
from .tiny_workflow import write_files

OURS = "DisPose"
SPARE = 200e6  # bytes that may stay allocated
SLOW = 10  # seconds of an answer from which it is shown
NAN, INF = float("nan"), float("inf")
LONG = "x" * 5000

# Bad values of a widget by type; a `range` is asked from the node's own limits.
WIDGETS: dict[str, dict[str, Any]] = {
    "INT": {
        **{"nan": NAN, "infinite": INF, "text": "many", "null": None, "object": {"a": 1}},
        **{"three": [1, 2, 3], "huge": 10**30, "minus huge": -(10**30), "fraction": 2.5},
        **{"true": True, "text number": "3"},
    },
    "FLOAT": {
        **{"nan": NAN, "infinite": INF, "minus infinite": -INF, "text": "much", "null": None},
        **{"object": {}, "three": [1, 2, 3], "huge": 1e308, "text nan": "nan"},
    },
    "STRING": {
        **{"null": None, "number": 5, "object": {"a": [1]}, "empty": "", "long": LONG},
        **{"nul": "a\0b", "parent": "../../x", "absolute": "/etc/passwd", "device": "poses/NUL"},
        **{"drive": "C:\\x", "hidden": ".x", "surrogate": "\ud800", "line": "a\nb", "dots": ".."},
        **{"percent": "%width%/%date:yyyy%", "json": '{"version": 1, "edits": 3}'},
    },
    "BOOLEAN": {"null": None, "text": "maybe", "object": {}, "number": 7, "nan": NAN},
    "COMBO": {
        **{"unknown": "none of these", "empty": "", "null": None, "number": 3, "object": {"a": 1}},
        **{"long": LONG, "nul": "a\0b", "parent": "../../../etc/passwd", "absolute": "/etc/passwd"},
        **{"surrogate": "\ud800", "three": ["a", "b", "c"], "true": True, "nan": NAN},
    },
}
# Bad connections of any input.
LINKS = {"nowhere": ["gone", 0], "no slot": ["image", 99], "slot text": ["image", "a"]}
# Nodes that output what an input needs, by its type.
SOURCES: Prompt = {
    "image": node("EmptyImage", width=72, height=128, batch_size=1, color=0x808080),
    "mask": node("SolidMask", value=1.0, width=72, height=128),
    "poses": node("DisPoseLoadPoses", file="reference.json [sample]"),
    "media": node("DisPoseSampleMedia"),
    "detector": node("TinyDetectorLoader", backend="", smoothing=True),
    "densifier": node("DisPoseDensifierLoader", densifier="skinning"),
    "field": node(
        "DisPoseMotionField",
        **{"reference": ["image", 0], "reference_pose": ["poses", 0], "driving_pose": ["poses", 0]},
    ),
    "features": node("BadValue", value="features"),
    "conditioning": node("BadValue", value="conditioning"),
    "mimicmotion": node("TinyMimicMotion", file=MODEL, delay=0.0),
    "sd15": node("TinyCheckpointLoader", ckpt_name=""),
    "controlnet": node("TinyControlNet", file=CONTROLNET, dtype="default", low_vram=False),
    "vae": node("TinyVae"),
    "clip_vision": node("TinyClipVision", config="tiny_clip.json", file="tiny_clip.safetensors"),
    "latent": node("EmptyLatentImage", width=64, height=64, batch_size=3),
}
LINKED = {
    **{"IMAGE": ["image", 0], "MASK": ["mask", 0], "POSE_KEYPOINT": ["poses", 0]},
    **{"VIDEO": ["media", 1], "DISPOSE_POSE_DETECTOR": ["detector", 0]},
    **{"DISPOSE_DENSIFIER": ["densifier", 0], "DISPOSE_MOTION_FIELD": ["field", 0]},
    **{"DISPOSE_KEYPOINT_FEATURES": ["features", 0], "CONDITIONING": ["conditioning", 0]},
    **{"MODEL": ["mimicmotion", 0], "DISPOSE_POSE_NET": ["mimicmotion", 1]},
    **{"CONTROL_NET": ["controlnet", 0], "VAE": ["vae", 0], "CLIP_VISION": ["clip_vision", 0]},
    "LATENT": ["latent", 0],
}
# Where the general choice does not run: inputs by node.
GIVEN: dict[str, dict[str, Any]] = {
    "DisPoseKeypointFeatures": {"model": ["sd15", 0], "prompt": ["conditioning", 0]},
    "DisPosePrepare": {"driving_images": None},
    "DisPosePoseDetectorLoader": {"backend": "mediapipe"},
    "DisPoseConditioning": {"width": 64, "height": 64, "frames": 3},
    "DisPoseMotionExport": {"width": 64, "height": 64},
}
# Widgets that together ask for a result of no machine's size.
ABSURD: dict[str, list[dict[str, Any]]] = {
    "DisPosePoseRender": [
        {"width": 8192, "height": 1, "poses": ["many", 0]},
        {"width": 1, "height": 8192, "poses": ["many", 0]},
        {"width": 8192, "height": 8192, "poses": ["long", 0]},
    ],
    "DisPoseMotionExport": [
        {"width": 8192, "height": 1},
        {"width": 8192, "height": 8192, "motion_field": ["long_field", 0]},
    ],
    "DisPoseConditioning": [
        {"width": 8192, "height": 8192},
        {"frames": 100_000, "width": 8192, "height": 8192},
        {"width": 8192, "height": 64},
    ],
    "DisPosePrepare": [{"driving_video": ["media", 1], "stride": 1, "start": 86_400.0}],
    "DisPosePoseExtract": [{"images": ["many_images", 0]}],
    "DisPosePersonMask": [{"images": ["many_images", 0]}],
}
LARGE: Prompt = {
    "many": node("DisPoseLoadPoses", file="driving.json [sample]"),
    "long": node("DisPoseLoadPoses", file="driving.json [sample]"),
    "long_field": node(
        "DisPoseMotionField",
        **{"reference": ["image", 0], "reference_pose": ["poses", 0], "driving_pose": ["long", 0]},
    ),
    "many_images": node("EmptyImage", width=512, height=512, batch_size=64, color=0),
}


@dataclass(frozen=True)
class Case:
    """A graph with one bad input, and where it is bad."""

    node: str
    input: str
    kind: str
    prompt: Prompt

    def __str__(self) -> str:
        return f"{self.node}.{self.input}: {self.kind}"


@dataclass(frozen=True)
class Answer:
    """Who answered, one of `CLASSES`, and the message."""

    by: str
    text: str


CLASSES = ("ours", "ComfyUI", "ran", "library", "slow", "ended")
FAULTS = ("library", "slow", "ended")


def cases(info: dict[str, Any]) -> Iterator[Case]:
    """All cases for the nodes of a server.

    Args:
        info: of /object_info.
    """
    for kind in sorted(name for name in info if name.startswith(OURS)):
        inputs = _inputs_of(info[kind])
        good = {name: _good(name, *spec) for name, spec in inputs.items()}
        good = {name: value for name, value in good.items() if value is not None}
        good |= GIVEN.get(kind, {})
        good = {name: value for name, value in good.items() if value is not None}
        for name, (what, options) in inputs.items():
            for label, value in _bad_values(what, options):
                yield Case(kind, name, label, _graph(kind, {**good, name: value}))
            yield Case(kind, name, "left out", _graph(kind, _without(good, name)))
            for label, link in LINKS.items():
                yield Case(kind, name, f"linked {label}", _graph(kind, {**good, name: link}))
            for value in KINDS.get(what, KINDS["*"]):
                bad = {"bad": node("BadValue", value=value)}
                graph = _graph(kind, {**good, name: ["bad", 0]}) | bad
                yield Case(kind, name, f"linked {value}", graph)
        for number, absurd in enumerate(ABSURD.get(kind, ())):
            yield Case(kind, "*", f"absurd {number}", _graph(kind, {**good, **absurd}))
        yield Case(kind, "other", "unknown input", _graph(kind, {**good, "other": ["image", 0]}))


def choose(info: dict[str, Any], count: int, seed: int) -> list[Case]:
    """`count` random cases, of every kind about as many.

    Those of a node follow each other, so that ComfyUI keeps what its other inputs come from.
    """
    groups: dict[str, list[Case]] = {}
    found = list(cases(info))
    random.Random(seed).shuffle(found)
    for case in found:
        groups.setdefault(case.kind, []).append(case)
    chosen: list[Case] = []
    while len(chosen) < count and any(groups.values()):
        for group in groups.values():
            if group and len(chosen) < count:
                chosen.append(group.pop())
    return sorted(chosen, key=lambda case: case.node)


def ask(comfy: ComfyClient, case: Case, timeout: float = 60) -> Answer:
    """Queue a case and tell who answered."""
    body = json.dumps({"prompt": case.prompt, "client_id": comfy.id})  # with NaN
    try:
        reply = requests.post(f"{comfy.url}/prompt", data=body.encode(), timeout=PATIENCE)
        if reply.status_code >= 500:
            return Answer("ComfyUI", f"status {reply.status_code}")
        told = reply.json()
        if told.get("node_errors") or "prompt_id" not in told:
            return _of_validation(told)
        return _of_run(comfy, told["prompt_id"], timeout)
    except requests.ConnectionError as e:
        return Answer("ended", str(e))


def _of_validation(told: dict[str, Any]) -> Answer:
    errors = [error for found in told["node_errors"].values() for error in found["errors"]]
    for error in errors:
        if "exception" in error["type"] and PACK_NAME in str(error.get("extra_info")):
            trace = error["extra_info"].get("traceback", [])
            if any(PACK_NAME in line for line in trace[-3:]):
                return Answer("library", f"{error['details']}\n{''.join(trace)}")
    own = next((e for e in errors if e["type"] == "custom_validation_failed"), None)
    if own:
        return Answer("ours", own["details"])
    return Answer("ComfyUI", errors[0]["message"] if errors else told["error"]["message"])


def _of_run(comfy: ComfyClient, prompt_id: str, timeout: float) -> Answer:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        frame = comfy._get(f"/history/{prompt_id}").json().get(prompt_id)
        if frame is None:
            time.sleep(0.05)
            continue
        for event, data in frame["status"]["messages"]:
            if event == "execution_error":
                text = f"{data['exception_type']}: {data['exception_message'].strip()}"
                if ".dispose_core.errors." in data["exception_type"]:
                    return Answer("ours", data["exception_message"].strip())
                return Answer("library", f"{text}\n{''.join(data['traceback'])}")
        return Answer("ran", "")
    comfy.interrupt()
    return Answer("slow", f"not done in {timeout:g} s")


def memory_of(pid: int) -> int:
    """Resident bytes of a process (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def freed_memory(comfy: ComfyClient, server: ComfyServer) -> int:
    """Resident bytes of the server after it was asked to free what it can."""
    # The last graph stays in the cache until another runs.
    comfy.run({"1": node("TakeAnything", value=["2", 0]), "2": node("BadValue", value="none")})
    # The history keeps the inputs of a failed node as text: 15 MB of one list of a million points.
    comfy._post("/history", json={"clear": True})
    comfy._post("/free", json={"unload_models": True, "free_memory": True})
    time.sleep(3)
    comfy.run({"1": node("ReturnMemory", number=random.getrandbits(32))})
    return memory_of(server.process.pid)


def prepare(server: ComfyServer) -> None:
    """Files of the tiny networks."""
    write_files(server.base, PACK / "assets")


def warm_up(comfy: ComfyClient) -> None:
    """Run the good graph of every node once: what is loaded once is no leak."""
    info = comfy.object_info()
    for kind in sorted(name for name in info if name.startswith(OURS)):
        good = {name: _good(name, *spec) for name, spec in _inputs_of(info[kind]).items()}
        good |= GIVEN.get(kind, {})
        good = {name: value for name, value in good.items() if value is not None}
        answer = ask(comfy, Case(kind, "*", "good", _graph(kind, good)))
        if answer.by not in ("ran", "ours", "ComfyUI"):
            print(f"good {kind}: {answer.by}: {answer.text}", file=sys.stderr)
        elif answer.by != "ran":
            print(f"good {kind}: {answer.by}: {answer.text[:200]}", file=sys.stderr)


def _inputs_of(described: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Type and options of each input, required and optional."""
    found = {}
    for group in ("required", "optional"):
        for name, spec in described["input"].get(group, {}).items():
            what, options = spec[0], spec[1] if len(spec) > 1 else {}
            if isinstance(what, list):
                what, options = "COMBO", {**options, "options": what}
            found[name] = (what, options)
    return found


def _good(name: str, what: str, options: dict[str, Any]) -> Any:
    if what in WIDGETS:
        fallback = next(iter(options.get("options") or ["reference.json [sample]"]))
        if name == "file" and "reference.json [sample]" in options.get("options", ()):
            return "reference.json [sample]"
        return options.get("default", fallback if what == "COMBO" else "")
    return LINKED.get(what)


def _bad_values(what: str, options: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if what not in WIDGETS:
        yield from {"widget number": 5, "widget text": "x", "widget object": {"a": 1}}.items()
        return
    yield from WIDGETS[what].items()
    step = 1 if what == "INT" else 0.5
    if "min" in options:
        yield "below", options["min"] - step
    if "max" in options:
        yield "above", options["max"] + step


def _without(inputs: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key != name}


def _graph(kind: str, inputs: dict[str, Any]) -> Prompt:
    """The node, what its inputs need, and an end."""
    prompt: Prompt = {"node": node(kind, **inputs)}
    prompt["end"] = node("TakeAnything", value=["node", 0])
    waiting = [prompt["node"]]
    while waiting:
        for value in waiting.pop()["inputs"].values():
            source = value[0] if isinstance(value, list) and len(value) == 2 else None
            known = {**SOURCES, **LARGE}
            if isinstance(source, str) and source in known and source not in prompt:
                prompt[source] = known[source]
                waiting.append(known[source])
    return prompt


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", choices=CLASSES, help="print all answers of a class")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "base") as server:
        prepare(server)
        comfy = ComfyClient(server.url)
        warm_up(comfy)
        before = freed_memory(comfy, server)
        chosen, counts = choose(comfy.object_info(), options.count, options.seed), Counter()
        for number, case in enumerate(chosen):
            began = time.monotonic()
            answer = ask(comfy, case)
            counts[answer.by] += 1
            if time.monotonic() - began > SLOW:
                seconds = time.monotonic() - began
                print(f"{number} {case}: {answer.by} after {seconds:.0f} s", flush=True)
            if answer.by in FAULTS or answer.by == options.show:
                print(f"{number} {case}: {answer.by}: {answer.text}\n", flush=True)
            if answer.by == "ended":
                print(server.log()[-3000:])
                break
        ended = server.process.poll() is not None
        after = 0 if ended else freed_memory(comfy, server)
        distinct = len({json.dumps(case.prompt) for case in chosen})
        print("| inputs | " + " | ".join(CLASSES) + " | memory after, MB |")
        print("| --- |" + " --- |" * (len(CLASSES) + 1))
        numbers = " | ".join(str(counts[name]) for name in CLASSES)
        print(f"| {distinct} | {numbers} | {(after - before) / 1e6:+.0f} |")
        faults = sum(counts[name] for name in FAULTS) + (after - before > SPARE)
    sys.exit(1 if faults or ended else 0)


if __name__ == "__main__":
    main()
