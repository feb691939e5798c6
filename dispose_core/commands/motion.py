"""Reference and driving video or poses -> motion field."""

from __future__ import annotations

import time
from argparse import Namespace

from .clip import load_reference, make_field
from .console import Bar, summary


def run(options: Namespace) -> dict:
    """Writes the motion field. Returns the summary for `--json`."""
    started = time.monotonic()
    reference = load_reference(options)
    field, _, report, fps = make_field(options, reference)
    with Bar("writing") as bar:
        field.save(options.output, on_entry=bar)
    report.append(f"motion of {len(field) - 1} poses written to {options.output}")
    return summary(
        options,
        started,
        report,
        frames=len(field) - 1,
        valid=int(field.valid[1:].sum()),
        size=[field.size[1], field.size[0]],
        fps=fps and float(fps),
    )
