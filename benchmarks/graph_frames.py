"""What our nodes cost ComfyUI's page: frames of a full graph, and a drag in the pose editor.

    COMFYUI_PATH=… python -m benchmarks.graph_frames

Starts the real server and a Chromium without a window (`tests/comfyui/running.py` says what they
need), in ComfyUI's environment with Playwright.

- *graph*: 50 of our nodes, every class in turn, panned by a pixel each frame; the time from one
  frame to the next, without the limit of 60 a second. Beside it the same graph with our web folder
  disabled: its files are neither listed nor served. Pages are opened in turn, one at a time.
- *views filled*: the same with the result of a run shown in all of its motion views.
- *drag*: a wrist in the pose editor over 300 frames with hands, face, an image and 600 edits; the
  time from a move of the pointer to the end of the frame that shows it; from letting go to the end
  of the frame after the edit was made; and from undo, which works all edits out again.

Prints a Markdown table; all times in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses
from tests.comfyui.client import ComfyClient
from tests.comfyui.running import (
    PACK,
    PACK_NAME,
    ComfyServer,
    NotHere,
    NotStarted,
    opened_page,
    running_browser,
    running_server,
)
from tests.web.page import has_vue_nodes, open_editor, place_of, reopen, use_vue_nodes

NODES, COLUMNS = 50, 10
FRAMES, ROUNDS = 200, 5
LONG, RWRIST = 300, 4
UNCAPPED = ("--disable-gpu-vsync", "--disable-frame-rate-limit")
OURS = "() => app.extensions.filter(e => e.name.startsWith('DisPose')).length"
BUILD = """([kinds, columns]) => {
    app.graph.clear();
    kinds.forEach((kind, i) => {
        const node = LiteGraph.createNode(kind);
        node.pos = [(i % columns) * 420, Math.floor(i / columns) * 420];
        app.graph.add(node);
    });
    app.canvas.ds.scale = 0.5;
    app.canvas.ds.offset = [40, 40];
}"""
FILL = """told => {
    for (const node of app.graph.nodes) {
        if (told[node.comfyClass]) node.onExecuted?.(told[node.comfyClass]);
    }
}"""
PAN = """frames => new Promise(done => {
    const times = [];
    let before;
    const step = now => {
        if (before !== undefined) times.push(now - before);
        before = now;
        app.canvas.ds.offset[0] += times.length % 2 ? 1 : -1;
        app.canvas.setDirty(true, true);
        if (times.length < frames) requestAnimationFrame(step);
        else done(times);
    };
    requestAnimationFrame(step);
})"""
# A message that is posted in a frame's callbacks arrives after the frame has been drawn.
DRAG = """async ([x, y, moves]) => {
    const canvas = document.querySelector('.dispose-editor .dp-stage canvas');
    const drawn = () => new Promise(done => requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => done(performance.now());
        port2.postMessage(0);
    }));
    const send = async event => {
        const start = performance.now();
        canvas.dispatchEvent(event);
        return await drawn() - start;
    };
    const pointer = (type, dx) => send(
        new PointerEvent(type, { clientX: x + dx, clientY: y - dx, button: 0, bubbles: true })
    );
    const undo = () => send(
        new KeyboardEvent('keydown', { key: 'z', ctrlKey: true, bubbles: true })
    );
    await pointer('pointerdown', 0);
    const times = [];
    for (let i = 1; i <= moves; i++) times.push(await pointer('pointermove', i));
    return [times, await pointer('pointerup', moves), await undo()];
}"""


@contextmanager
def page_of(server: ComfyServer, browser: Any, web: bool) -> Iterator[Any]:
    """The front end with our web folder, or as if the pack had none."""
    with opened_page(server, browser) as front:
        if not web:

            def without_ours(route: Any) -> None:
                listed = route.fetch().json()
                route.fulfill(json=[name for name in listed if f"/{PACK_NAME}/" not in name])

            front.page.route(lambda url: url.endswith("/extensions"), without_ours)
            front.page.route(f"**/extensions/{PACK_NAME}/**", lambda route: route.abort())
        reopen(front)  # both are a page's second load
        registered = front.page.evaluate(OURS)
        assert bool(registered) == web, f"{registered} of our extensions, with web folder: {web}"
        yield front


def measure_graph(
    server: ComfyServer, browser: Any, kinds: list[str], told: dict[str, Any], vue: bool
) -> dict[str, list[float]]:
    """Median frame time of each round: without our web folder, with it, with its views filled."""
    rounds: dict[str, list[float]] = {"without": [], "with": [], "filled": []}
    for _ in range(ROUNDS):
        for name, medians in rounds.items():
            with page_of(server, browser, name != "without") as front:
                use_vue_nodes(front, vue)
                front.page.evaluate(BUILD, [kinds, COLUMNS])
                if name == "filled":
                    front.page.evaluate(FILL, told)
                front.page.wait_for_timeout(1500)
                front.page.evaluate(PAN, FRAMES // 4)
                medians.append(statistics.median(front.page.evaluate(PAN, FRAMES)))
                use_vue_nodes(front, False)
    return rounds


def results_of_a_run(comfy: ComfyClient) -> dict[str, Any]:
    """What Motion Field and Motion Preview tell their views, by class."""
    path = PACK / "workflows" / "api" / "motion_preview.json"
    job = json.loads(path.read_text(encoding="utf-8"))
    result = comfy.run(job, timeout=600)
    outputs = {job[node]["class_type"]: ui for node, ui in result["outputs"].items()}
    return {kind: ui for kind, ui in outputs.items() if "dispose_motion" in ui}


def measure_drag(
    server: ComfyServer, browser: Any, folder: Path
) -> tuple[list[float], float, float]:
    """Milliseconds of each move, of letting go, and of undo."""
    comfy = ComfyClient(server.url)
    ((pose,), _) = load_poses(PACK / "assets" / "poses" / "driving.json")
    long = pose[np.arange(LONG) % len(pose)]
    save_openpose(folder / "long.json", [long])
    edits = [
        {"do": "move", "frames": frame, "points": name, "to": [0.5, 0.5]}
        for frame in range(LONG)
        for name in ("left_hand.4", "face.30")
    ]
    inputs = {
        "poses": ["load", 0],
        "pictures": ["media", 0],
        "edits": json.dumps({"version": 1, "edits": edits}),
    }
    file = comfy.upload(folder / "long.json")
    job = {
        "load": {"class_type": "DisPoseLoadPoses", "inputs": {"file": file}},
        "media": {"class_type": "DisPoseSampleMedia", "inputs": {}},
        "editor": {"class_type": "DisPosePoseEditor", "inputs": inputs},
    }
    with page_of(server, browser, web=True) as front:
        front.page.evaluate("job => app.loadApiJson(job, 'drag')", job)
        comfy.wait(front.run(), timeout=600)
        front.page.evaluate("() => app.canvas.centerOnNode(app.graph.nodes.at(-1))")
        dialog = open_editor(front)
        front.page.wait_for_timeout(1000)
        return tuple(front.page.evaluate(DRAG, [*place_of(dialog, long, 0, RWRIST), 120]))


def main() -> None:
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            running_server(Path(folder) / "comfyui") as server,
            running_browser(*UNCAPPED) as browser,
        ):
            report(server, browser, Path(folder))
    except (NotHere, NotStarted) as reason:
        sys.exit(str(reason))


def report(server: ComfyServer, browser: Any, folder: Path) -> None:
    comfy = ComfyClient(server.url)
    classes = sorted(name for name in comfy.object_info() if name.startswith("DisPose"))
    kinds = [classes[i % len(classes)] for i in range(NODES)]
    told = results_of_a_run(comfy)
    with opened_page(server, browser) as front:
        version = front.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__")
        renderings = (False, True) if has_vue_nodes(front) else (False,)
    print(
        "| front end | rendering | web folder disabled | enabled | ratio | views filled | ratio |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for vue in renderings:
        rounds = measure_graph(server, browser, kinds, told, vue)
        median = {name: statistics.median(times) for name, times in rounds.items()}
        shown = {
            name: f"{median[name]:.1f} ({min(times):.1f}–{max(times):.1f})"
            for name, times in rounds.items()
        }
        ratio = {name: f"{median[name] / median['without']:.2f}×" for name in rounds}
        name = "Nodes 2.0" if vue else "classic"
        print(
            f"| {version} | {name} | {shown['without']} | {shown['with']} | {ratio['with']} | "
            f"{shown['filled']} | {ratio['filled']} |",
            flush=True,
        )
    moves, drop, undo = measure_drag(server, browser, folder)
    print(
        f"\nDrag over {LONG} frames, 600 edits, front end {version}: {len(moves)} moves, median "
        f"{statistics.median(moves):.1f} ms, slowest {max(moves):.1f} ms; "
        f"letting go {drop:.1f} ms, undo {undo:.1f} ms."
    )


if __name__ == "__main__":
    main()
