"""`convert`: model weights -> safetensors."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .console import Summary, summary
from .options import add_command, add_output

if TYPE_CHECKING:
    from .options import Subparsers


def add(commands: Subparsers) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "convert",
        "convert weights to safetensors, which loads faster and cannot contain program code",
        run,
        "convert DisPose.pth -o DisPose.safetensors --dtype fp16",
        "convert ckpt_iter_42000.pth.tar -o cmp.safetensors",
    )
    parser.add_argument("file", type=Path, help="weights of a kind that `inspect` recognizes")
    add_output(parser, "DisPose.safetensors")
    parser.add_argument(
        "--dtype",
        choices=["fp32", "fp16", "bf16"],
        help="data type to convert to; default: that of the file",
    )


def run(options: Namespace) -> Summary:
    """Run the command; raises `DisPoseError`. Returns the summary to print."""
    from tqdm import tqdm

    from ..checkpoints.convert import DTYPES, convert_file

    started = time.monotonic()
    with tqdm(desc=options.output.name, unit="tensor", dynamic_ncols=True) as bar:

        def on_tensor(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        dtype = DTYPES[options.dtype] if options.dtype else None
        architecture = convert_file(options.file, options.output, dtype, on_tensor)
    size = options.output.stat().st_size
    report = [f"{architecture.summary}: {size:,} bytes written to {options.output}"]
    return summary(options, started, report, kind=architecture.name, size=size)
