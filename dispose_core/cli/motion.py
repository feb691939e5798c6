"""`motion`: reference image, and driving video or poses -> motion field."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingsError
from .console import Bar, Summary, summary
from .options import MOTION, add_command, add_config, add_output, config_of, size

if TYPE_CHECKING:
    from .options import Subparsers


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "motion",
        "compute the dense motion of a reference image driven by a video or by poses",
        run,
        "motion --reference portrait.jpg --driving dance.mp4 -o field.safetensors",
        "motion --reference portrait.jpg --poses poses.json --reference-pose reference.json "
        "--method none --size 288x512 -o field.npz",
    )
    add_config(parser, "reference", "reference_pose", required=("reference",))
    source = parser.add_mutually_exclusive_group(required=True)
    add_config(source, "driving", "poses")
    add_config(parser, "canvas")
    add_output(parser, "field.safetensors; field.npz writes the flow at full size")
    add_config(parser, "resolution", *MOTION, "models", "device")
    parser.add_argument(
        "--size",
        type=size,
        metavar="WxH",
        help="size of the resized reference image, such as 576x1024, in place of --resolution",
    )


def run(options: Namespace) -> Summary:
    """Run the command; raises `DisPoseError`. Returns the summary to print."""
    from .moved_reference import move_reference

    started = time.monotonic()
    save = _writer(options.output)  # first, to reject unsuitable names early
    moved = move_reference(config_of(options), options.size)
    field = moved.field
    with Bar("writing") as bar:
        save(field, options.output, on_frame=bar)
    report = [*moved.report, f"motion of {len(field) - 1} poses written to {options.output}"]
    return summary(
        options,
        started,
        report,
        frames=len(field) - 1,
        valid=int(field.valid[1:].sum()),
        size=[field.size[1], field.size[0]],
        fps=moved.fps and float(moved.fps),
    )


def _writer(output: Path) -> Callable[..., None]:
    """Function that writes the format of this file name.

    Raises:
        SettingsError: the file name has an unknown extension.
    """
    from ..motion.field_file import save_field
    from ..motion.flow_npz import save_flow

    writers: dict[str, Callable[..., None]] = {".safetensors": save_field, ".npz": save_flow}
    if output.suffix.lower() not in writers:
        raise SettingsError(
            f"output {output}: name it .safetensors for the motion field, which `preview` and "
            "other commands read, or .npz for flow and trajectories at full size."
        )
    return writers[output.suffix.lower()]
