"""Reference and motion field -> moving picture."""

from __future__ import annotations

import time
from argparse import Namespace

from ..media.image import read_picture
from ..media.resize import describe_fit, resize_crop
from ..motion.field_file import load_field
from .clip import write_preview
from .console import summary


def run(options: Namespace) -> dict:
    """Writes the preview. Returns the summary for `--json`."""
    started = time.monotonic()
    field = load_field(options.field)
    source = read_picture(options.reference)
    picture = resize_crop(source, field.size)
    mask = resize_crop(read_picture(options.mask), field.size).mean(0) if options.mask else None
    report = [describe_fit(tuple(source.shape[-2:]), field.size)]
    report += write_preview(options.output, picture, field, mask, options.fps)
    report.append(f"{len(field) - 1} frames written to {options.output}")
    return summary(options, started, report, frames=len(field) - 1)
