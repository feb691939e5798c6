"""The views as users see them, in the dark and the light theme, and their images in the help.

UPDATE_PICTURES=1 writes the images of the help pages anew (`web/docs/<NodeId>/view_dark.webp` …).
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dispose_core.features.browser_view import PointView, point_view
from dispose_core.features.keypoint_features import keypoint_features
from dispose_core.pose.openpose_json import save_openpose
from dispose_core.pose.pose_files import load_poses

from .page import await_image, bring_into_sight, frame_to, open_editor, settings, view_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "web" / "docs"
LEGIBLE = 4.5  # contrast of small text, WCAG 2.2 AA
# Contrast of each button's text with what is behind it.
CONTRASTS = """root => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = colour => {
        const [r, g, b] = numbers(colour).map(c => {
            const share = c / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const inside = root.shadowRoot ?? root;
    return [...inside.querySelectorAll('button, select, input[type=button]')].map(button => {
        const { color, backgroundColor } = getComputedStyle(button);
        const both = [color, backgroundColor].map(luminance);
        return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    });
}"""


@pytest.fixture(params=["dark", "light"])
def theme(request, front) -> Iterator[str]:
    with settings(front.page, Comfy_ColorPalette=request.param):
        yield request.param


@pytest.fixture(scope="module")
def motion_run(server) -> dict[str, Any]:
    """What the views are told by a run of the template's job."""
    from tests.comfyui.client import ComfyClient

    path = ROOT / "workflows" / "api" / "motion_preview.json"
    job = json.loads(path.read_text(encoding="utf-8"))
    entry = ComfyClient(server.url).run(job, timeout=600)
    return {job[node]["class_type"]: ui for node, ui in entry["outputs"].items()}


def show(front: Any, kind: str, told: dict[str, Any]) -> Any:
    """A node of a class, alone in the graph, with a result; returns its view."""
    front.page.evaluate(
        """([kind, told]) => {
            app.graph.clear();
            const node = LiteGraph.createNode(kind);
            app.graph.add(node);
            node.onExecuted(told);
        }""",
        [kind, told],
    )
    view = view_of(front, kind)
    await_image(view)
    return view


def node_image(front: Any, kind: str) -> Image.Image:
    """The node as the page shows it, without the tools over a selected one."""
    front.page.evaluate("() => app.canvas.deselectAllNodes()")
    bring_into_sight(front, kind)
    front.page.wait_for_timeout(500)
    x, y, width, height = front.page.evaluate(
        """type => {
            const node = app.graph.nodes.find(n => n.comfyClass === type);
            const [x, y] = app.canvas.ds.convertOffsetToCanvas(node.pos);
            const { left, top } = app.canvas.canvas.getBoundingClientRect();
            const title = LiteGraph.NODE_TITLE_HEIGHT;
            return [x + left, y + top - title, node.size[0], node.size[1] + title];
        }""",
        kind,
    )
    margin, badge = 10, 32  # above the node stands the name of its pack
    clip = {
        "x": x - margin,
        "y": y - badge,
        "width": width + 2 * margin,
        "height": height + badge + margin,
    }
    return opened(front.page.screenshot(clip=clip))


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def let_go(part: Any) -> None:
    """Takes the focus from what a test has set."""
    part.evaluate("root => (root.shadowRoot ?? document).activeElement?.blur()")


def check_and_keep(part: Any, image: Image.Image, theme: str, path: Path) -> None:
    """The theme shows, the buttons can be read; the image of the help when it is asked for."""
    corner = np.asarray(image.crop((0, 0, 8, 8)))
    assert (corner.mean() < 90) == (theme == "dark") and not 90 < corner.mean() < 160
    contrasts = part.evaluate(CONTRASTS)
    assert contrasts and min(contrasts) >= LEGIBLE, sorted(contrasts)[:3]
    assert path.exists() or os.environ.get("UPDATE_PICTURES")
    if os.environ.get("UPDATE_PICTURES"):
        image.save(path, quality=80, method=6)


@pytest.mark.parametrize("kind", ["DisPoseMotionField", "DisPoseMotionPreview"])
def test_the_motion_view(front, motion_run, theme, kind):
    view = show(front, kind, motion_run[kind])
    view.locator("input[type=range]").fill("39")
    assert view.get_attribute("data-frame") == "39"
    let_go(view)
    image = node_image(front, kind)
    check_and_keep(view, image, theme, DOCS / kind / f"view_{theme}.webp")


def patch_features(image: Tensor) -> Tensor:
    """(3, H, W) -> (20, H/8, W/8): colours and their changes around each place, at five scales.

    They stand in for the features of Stable Diffusion, whose weights are not at hand.
    """
    lab = cv2.cvtColor(image.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2LAB) / 50
    maps = []
    for scale, weight in ((1.5, 1.0), (3.0, 1.0), (6.0, 1.0), (12.0, 0.7), (20.0, 0.7)):
        blurred = cv2.GaussianBlur(lab, (0, 0), scale, borderType=cv2.BORDER_REPLICATE)
        change = np.stack(np.gradient(blurred, axis=(0, 1)))
        maps += [weight * blurred, scale * np.sqrt((change**2).sum((0, 3)))[..., None]]
    stacked = torch.from_numpy(np.concatenate(maps, -1).astype(np.float32)).permute(2, 0, 1)
    return F.avg_pool2d(stacked[None], 4)[0]


@pytest.fixture(scope="module")
def moved_person(server, motion_run) -> PointView:
    """Joints of the sample person found again in a frame of its preview."""
    told = motion_run["DisPoseMotionPreview"]["dispose_motion"][0]
    strips, frame = told["modes"]["person"], 16
    width, height = strips["size"]
    sheet, place = divmod(frame, strips["columns"] * strips["rows"])
    row, column = divmod(place, strips["columns"])
    left, top = column * strips["step"][0], row * strips["step"][1]
    file = server.base / "temp" / told["subfolder"] / strips["files"][sheet]
    target = Image.open(file).crop((left, top, left + width, top + height))
    reference = Image.open(ROOT / "assets" / "reference.png").convert("RGB")
    images = [
        torch.from_numpy(np.asarray(p.resize((width, height)), np.float32) / 255).permute(2, 0, 1)
        for p in (reference, target)
    ]
    maps = [patch_features(image) for image in images]
    mean, spread = (getattr(maps[0].flatten(1), name)(1)[:, None, None] for name in ("mean", "std"))
    first, second = ((features - mean) / spread for features in maps)
    (pose,) = load_poses(ROOT / "assets" / "poses" / "reference.json")[0]
    features = keypoint_features(first, pose, (height, width))
    return point_view(images[0], pose, images[1], features, second)


def test_the_point_view(front, server, moved_person, theme):
    view = moved_person
    wrist = next(joint for joint in view.joints if joint["name"] == "LWrist")
    assert wrist["at"] == pytest.approx([0.78, 0.54], abs=0.01)
    assert 0.6 < wrist["match"][0] < 0.95 and wrist["match"][1] < 0.45  # raised, on its own side
    folder = server.base / "temp" / "dispose"
    files = {"reference": view.reference, "target": view.target, "maps": view.maps}
    for name, data in files.items():
        (folder / f"point_{name}").write_bytes(data)
    told = {
        "subfolder": "dispose",
        "files": {name: f"point_{name}" for name in files},
        **view.describe(),
    }
    shown = show(front, "DisPoseKeypointFeatures", {"dispose_points": [told]})
    shown.locator("select").select_option(label="LWrist")
    assert shown.get_attribute("data-joint") == "LWrist"
    let_go(shown)
    image = node_image(front, "DisPoseKeypointFeatures")
    path = DOCS / "DisPoseKeypointFeatures" / f"view_{theme}.webp"
    check_and_keep(shown, image, theme, path)


def test_the_editor(front, comfy, tmp_path, theme):
    """A clip in which a wrist was lost, and found in a wrong place where one edit puts it right."""
    (pose,) = load_poses(ROOT / "assets" / "poses" / "driving.json")[0]
    points, scores = pose.points.copy(), pose.scores.copy()
    lost, doubtful = slice(20, 27), slice(27, 31)
    points[lost, 4], scores[lost, 4] = np.nan, 0
    scores[doubtful, 4] = 0.4
    points[12, 4] += (0.08, -0.06)
    save_openpose(tmp_path / "lost.json", [pose.with_points(points, scores)])
    move = {"do": "move", "frames": 12, "points": "RWrist", "to": pose.points[12, 4].tolist()}
    media, editor = ["media", 0], ["prepare", 1]
    prepared = {
        **{"reference": media, "driving_video": ["media", 1], "driving_fps": 24.0},
        **{"resolution": 576, "stride": 1, "max_frames": 0, "start": 0.0, "duration": 0.0},
    }
    edited = {
        "poses": ["load", 0],
        "pictures": editor,
        "edits": json.dumps({"version": 1, "edits": [move]}),
    }
    file = comfy.upload(tmp_path / "lost.json")
    job = {
        "media": {"class_type": "DisPoseSampleMedia", "inputs": {}},
        "prepare": {"class_type": "DisPosePrepare", "inputs": prepared},
        "load": {"class_type": "DisPoseLoadPoses", "inputs": {"file": file}},
        "editor": {"class_type": "DisPosePoseEditor", "inputs": edited},
    }
    front.page.evaluate("job => app.loadApiJson(job, 'editor')", job)
    comfy.wait(front.run(), timeout=300)
    bring_into_sight(front, "DisPosePoseEditor")
    dialog = open_editor(front)
    front.page.set_viewport_size({"width": 1120, "height": 704})
    for _ in range(5):
        front.page.keyboard.press("n")  # the nose, …, the right wrist
    frame_to(front, 12)
    front.page.keyboard.press("b")
    frame_to(front, 16)
    front.page.wait_for_load_state("networkidle")
    front.page.wait_for_timeout(500)
    assert dialog.locator(".dp-status").text_content().startswith("RWrist")
    image = opened(dialog.screenshot())
    path = DOCS / "DisPosePoseEditor" / f"editor_{theme}.webp"
    check_and_keep(dialog, image, theme, path)
