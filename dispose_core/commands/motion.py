"""Reference and driving video or poses -> motion field."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from ..errors import SettingsError
from ..motion.field_file import save_field
from ..motion.flow_npz import save_flow
from .clip import load_reference, make_field
from .console import Bar, summary


def run(options: Namespace) -> dict:
    """Writes the motion field. Returns the summary for `--json`."""
    started = time.monotonic()
    save = _writer(options.output)  # a name that cannot be used is told before the work
    reference = load_reference(options)
    field, _, report, fps = make_field(options, reference)
    with Bar("writing") as bar:
        save(field, options.output, on_frame=bar)
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


def _writer(output: Path) -> Callable[..., None]:
    """What writes a file of this name.

    Raises:
        SettingsError: the name is of neither format.
    """
    writers = {".safetensors": save_field, ".npz": save_flow}
    if output.suffix.lower() not in writers:
        raise SettingsError(
            f"output {output}: name it .safetensors for the motion field, which `preview` and "
            "other commands read, or .npz for flow and trajectories at full size."
        )
    return writers[output.suffix.lower()]
