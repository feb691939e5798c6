"""What the tests do in ComfyUI's page with a user's hands, and what they count there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

READY = "() => window.app?.vueAppReady && app.graph?.nodes"

SET = "([id, value]) => app.extensionManager.setting.set(id, value)"

# Every listener that our own files add, until the signal it came with ends it.
COUNT_LISTENERS = """(() => {
    const held = window.__held = new Set();
    const { addEventListener } = EventTarget.prototype;
    EventTarget.prototype.addEventListener = function (type, listener, options) {
        const caller = new Error().stack.split('\\n')[2] ?? '';
        if (/DisPose-ComfyUI\\/js\\/(editor\\/|views\\/|\\w+\\.js)/.test(caller)) {
            const entry = { type, caller };
            held.add(entry);
            const { signal } = options ?? {};
            if (signal) addEventListener.call(signal, 'abort', () => held.delete(entry));
        }
        return addEventListener.apply(this, arguments);
    };
})()"""
# Animation frames that our views ask for.
COUNT_FRAMES = """(() => {
    const ask = window.requestAnimationFrame;
    window.__asked = 0;
    window.requestAnimationFrame = callback => {
        if (new Error().stack.includes('/js/views/')) window.__asked += 1;
        return ask.call(window, callback);
    };
})()"""
# How much of the image on a view's canvas differs from the corner's colour.
INK = """canvas => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += Math.abs(data[i] - data[0]) * (1 + i % 7);
    return sum;
}"""


def reopen(front: Any) -> None:
    """Reloads the page as F5 does."""
    front.page.reload()
    front.page.wait_for_function(READY, timeout=60_000)


@contextmanager
def settings(page: Any, **values: Any) -> Iterator[None]:
    """Settings (Comfy_Locale for Comfy.Locale) as a user would leave them, put back afterwards."""
    names = {key.replace("_", "."): value for key, value in values.items()}
    before = {name: page.evaluate("id => app.extensionManager.setting.get(id)", name)
              for name in names}  # fmt: skip
    for item in names.items():
        page.evaluate(SET, list(item))
    try:
        yield
    finally:
        for item in before.items():
            page.evaluate(SET, list(item))


def front_end_version(front: Any) -> tuple[int, int]:
    version = front.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '0.0'")
    major, minor, *_ = map(int, version.split("."))
    return major, minor


def has_vue_nodes(front: Any) -> bool:
    """Whether this front end's Nodes 2.0 shows the widgets of packs; its first ones did not."""
    return front_end_version(front) >= (1, 30)


def command(front: Any, name: str) -> None:
    """Chooses an entry of the menu."""
    front.page.evaluate("name => { app.extensionManager.command.execute(name) }", name)


def use_vue_nodes(front: Any, on: bool) -> None:
    front.page.evaluate("on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)", on)


def bring_into_sight(front: Any, kind: str) -> None:
    """Puts the node of a class, of the graph that is open, into the middle of the page."""
    front.page.evaluate(
        """type => {
            app.canvas.ds.scale = 1;
            app.canvas.centerOnNode(app.canvas.graph.nodes.find(n => n.comfyClass === type));
            app.canvas.setDirty(true, true);
        }""",
        kind,
    )


def view_of(front: Any, kind: str) -> Any:
    """The view of the node of a class, brought into sight."""
    front.page.wait_for_function(
        """type => {
            const node = app.canvas.graph.nodes.find(n => n.comfyClass === type);
            const view = node?.widgets?.find(w => /^dispose_(motion|points|tracks)$/.test(w.name));
            if (view) view.element.id = `view-of-${type}`;
            return view;
        }""",
        arg=kind,
        timeout=30_000,
    )
    bring_into_sight(front, kind)
    view = front.page.locator(f"#view-of-{kind}")
    view.wait_for(timeout=30_000)
    return view


def await_image(view: Any) -> float:
    canvas = view.locator("canvas").last
    handle = canvas.element_handle()
    view.page.wait_for_function(f"canvas => ({INK})(canvas) > 0", arg=handle, timeout=30_000)
    return canvas.evaluate(INK)


def remove(front: Any, kind: str) -> None:
    """Removes the node of a class from the graph."""
    front.page.evaluate(
        "type => app.graph.remove(app.graph.nodes.find(n => n.comfyClass === type))", kind
    )


def listeners(front: Any, folder: str = "/js/") -> int:
    """Listeners of ours that are held, of one folder."""
    return front.page.evaluate(
        "folder => [...window.__held].filter(e => e.caller.includes(folder)).length", folder
    )


def open_editor(front: Any) -> Any:
    """Presses the button on the node; returns the editor's window."""
    front.page.get_by_role("button", name="Open pose editor").click()
    dialog = front.page.locator("dialog.dispose-editor")
    dialog.wait_for()
    return dialog


def edits_text(front: Any) -> str:
    """What the Pose Editor node in the graph holds."""
    return front.page.evaluate(
        "() => app.graph.nodes.find(n => n.type === 'DisPosePoseEditor')"
        ".widgets.find(w => w.name === 'edits').value"
    )


def place_of(dialog: Any, pose: Any, frame: int, point: int) -> tuple[float, float]:
    """Where a point is on the page, when the whole image is shown."""
    box = dialog.locator(".dp-stage canvas").bounding_box()
    height, width = pose.canvas
    scale = min((box["width"] - 48) / width, (box["height"] - 48) / height)
    x, y = pose.points[frame, point] * (width, height) * scale
    left = box["x"] + (box["width"] - width * scale) / 2
    return left + x, box["y"] + (box["height"] - height * scale) / 2 + y


def drag(front: Any, start: tuple[float, float], by: tuple[float, float]) -> None:
    mouse = front.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2)
    mouse.move(start[0] + by[0], start[1] + by[1])
    mouse.up()


def frame_to(front: Any, frame: int) -> None:
    """Goes to a frame by the keyboard."""
    front.page.keyboard.press("Home")
    for _ in range(frame // 10):
        front.page.keyboard.press("Shift+ArrowRight")
    for _ in range(frame % 10):
        front.page.keyboard.press("ArrowRight")
