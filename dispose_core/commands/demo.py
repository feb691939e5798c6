"""The main job, with a file of every stage."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

from ..media.contact_sheet import contact_sheet
from ..media.image import write_picture
from ..media.prepare import frame_stride
from ..media.video_read import probe, read_frames
from ..media.video_write import write_video
from ..motion.visualize import motion_pictures
from ..pose.openpose_json import save_openpose
from ..pose.render import render_poses
from .clip import load_reference, make_field, write_preview
from .console import Bar, summary, ticking

ASSETS = Path(__file__).parents[2] / "assets"
SHEET_MOMENTS = 6


def run(options: Namespace) -> dict:
    """Writes the five files of the demo. Returns the summary for `--json`."""
    started = time.monotonic()
    options.reference = options.reference or ASSETS / "reference.png"
    options.driving = options.driving or ASSETS / "driving.mp4"
    options.poses = options.reference_pose = None
    folder = options.output
    reference = load_reference(options)
    field, aligned, report, fps = make_field(options, reference)
    size, fps = field.size, fps or Fraction(24)

    save_openpose(folder / "poses.json", aligned)
    with Bar("poses.mp4") as bar:
        write_video(folder / "poses.mp4", render_poses(aligned, size, on_frame=bar), fps)
    with Bar("motion.mp4", len(field) - 1) as bar:
        pictures = motion_pictures(reference.picture, field, range(1, len(field)))
        write_video(folder / "motion.mp4", ticking(pictures, bar), fps)
    report += write_preview(folder / "preview.mp4", reference.picture, field, None, fps)
    _write_sheet(folder, reference.picture, options, len(field) - 1)

    names = ("poses.json", "poses.mp4", "motion.mp4", "preview.mp4", "sheet.png")
    report += [
        f"done in {time.monotonic() - started:.0f} s:",
        *(f"  {folder / name}" for name in names),
        "Open sheet.png first. To go on in ComfyUI: put this folder into custom_nodes, start "
        "ComfyUI, and choose DisPose > motion_preview under Workflow > Browse Templates.",
    ]
    files = [str(folder / name) for name in names]
    return summary(options, started, report, frames=len(field) - 1, files=files)


def _write_sheet(folder: Path, picture: Tensor, options: Namespace, frames: int) -> None:
    """Driver, skeleton, motion and preview at a few moments, read back from the files."""
    moments = np.unique(np.linspace(0, frames - 1, SHEET_MOMENTS).round().astype(int)).tolist()
    info = probe(options.driving)
    stride = frame_stride(info.fps, options.stride)
    driver = read_frames(
        options.driving, stride, options.start, options.duration, options.max_frames
    )
    rows = {"driver": _pick(driver, moments)}
    for name in ("poses", "motion", "preview"):
        rows[name] = _pick(read_frames(folder / f"{name}.mp4"), moments)
    still = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
    write_picture(folder / "sheet.png", contact_sheet(still, rows, moments))


def _pick(frames: Iterable[np.ndarray], wanted: list[int]) -> list[np.ndarray]:
    return [frame for i, frame in enumerate(frames) if i in wanted]
