"""`demo`: all stages up to the preview, writing one file per stage."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from .console import Bar, Summary, summary, ticking
from .options import MOTION, add_command, add_config, config_of

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..pipeline.config import RunConfig
    from .options import Subparsers

ASSETS = Path(__file__).parents[2] / "assets"
SHEET_MOMENTS = 6


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "demo",
        "run poses, motion, preview and contact sheet on the sample files or your own",
        run,
        "demo",
        "demo --reference portrait.jpg --driving dance.mp4 --output output/mine",
    )
    for name, file in (("reference", "reference.png"), ("driving", "driving.mp4")):
        parser.add_argument(
            f"--{name}",
            type=Path,
            default=ASSETS / file,
            help="default: the included sample",
        )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/demo"),
        help="folder for the results; default: %(default)s",
    )
    add_config(parser, "resolution", *MOTION, "models", "device", defaults={"stride": 1})


def run(options: Namespace) -> Summary:
    """Write the five files of the demo."""
    from ..media.video_write import write_video
    from ..motion.visualize import motion_images
    from ..pose.openpose_json import save_openpose
    from ..pose.render import render_poses
    from .moved_reference import move_reference, write_preview

    started = time.monotonic()
    folder: Path = options.output
    del options.output  # a folder here, but a video in the configuration
    config = config_of(options)
    options.output = folder
    moved = move_reference(config)
    image, field, fps = moved.reference.image, moved.field, moved.fps or Fraction(24)
    report = moved.report

    save_openpose(folder / "poses.json", moved.aligned.driving)
    with Bar("poses.mp4") as bar:
        skeletons = render_poses(moved.aligned.driving, field.size, on_frame=bar)
        write_video(folder / "poses.mp4", skeletons, fps)
    with Bar("motion.mp4", len(field) - 1) as bar:
        images = motion_images(image, field, range(1, len(field)))
        write_video(folder / "motion.mp4", ticking(images, bar), fps)
    report += write_preview(folder / "preview.mp4", image, field, None, fps)
    _write_sheet(folder, image, config, len(field) - 1)

    names = ("poses.json", "poses.mp4", "motion.mp4", "preview.mp4", "sheet.png")
    report += [
        f"done in {time.monotonic() - started:.0f} s:",
        *(f"  {folder / name}" for name in names),
        "Open sheet.png first. To continue in ComfyUI: put this folder into custom_nodes, start "
        "ComfyUI, and choose DisPose > 1_motion_preview under Workflow > Browse Templates.",
    ]
    files = [str(folder / name) for name in names]
    return summary(options, started, report, frames=len(field) - 1, files=files)


def _write_sheet(folder: Path, image: Tensor, config: RunConfig, frames: int) -> None:
    """Write a contact sheet of driver, skeleton, motion and preview at selected frames."""
    import numpy as np

    from ..media.contact_sheet import contact_sheet
    from ..media.image import to_pixels, write_image
    from ..media.video_read import probe, read_frames
    from ..pipeline.preprocess import VideoRange

    moments = np.unique(np.linspace(0, frames - 1, SHEET_MOMENTS).round().astype(int)).tolist()
    rows: dict[str, list[np.ndarray]] = {}
    if config.driving is not None:
        used = VideoRange(config.stride, config.start, config.duration, config.max_frames)
        rows["driving video"] = _pick(used.read(config.driving, probe(config.driving)), moments)
    for name in ("poses", "motion", "preview"):
        rows[name] = _pick(read_frames(folder / f"{name}.mp4"), moments)
    write_image(folder / "sheet.png", contact_sheet(to_pixels(image), rows, moments))


def _pick(frames: Iterable[np.ndarray], indices: list[int]) -> list[np.ndarray]:
    return [frame for i, frame in enumerate(frames) if i in indices]
