"""`preview`: reference image and motion field -> video of the moving person."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .console import Summary, summary
from .options import add_command, add_config, add_output, config_of

if TYPE_CHECKING:
    from .options import Subparsers


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "preview",
        "make a video of the reference person moving along a motion field",
        run,
        "preview --reference portrait.jpg --field field.safetensors -o preview.mp4",
    )
    add_config(parser, "reference", "mask", required=("reference",))
    parser.add_argument(
        "--field",
        type=Path,
        required=True,
        help="motion field written by `motion`, or an .npz file of flow",
    )
    add_output(parser, "out.mp4")
    parser.add_argument("--fps", type=float, default=24.0, help="default: %(default)s")


def run(options: Namespace) -> Summary:
    """Run the command; raises `DisPoseError`. Returns the summary to print."""
    from ..media.image import read_image
    from ..media.resize import describe_fit, resize_crop
    from ..motion.field_file import load_field
    from ..pipeline.preprocess import fitted_mask
    from .moved_reference import write_preview

    started = time.monotonic()
    config = config_of(options)
    field = load_field(options.field)
    source = read_image(options.reference)
    mask = fitted_mask(config.mask, field.size)
    report = [describe_fit((int(source.shape[-2]), int(source.shape[-1])), field.size)]
    image = resize_crop(source, field.size)
    report += write_preview(options.output, image, field, mask, options.fps)
    report.append(f"{len(field) - 1} frames written to {options.output}")
    return summary(options, started, report, frames=len(field) - 1)
