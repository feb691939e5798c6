"""Weights in any layout -> safetensors."""

from __future__ import annotations

import time
from argparse import Namespace

from tqdm import tqdm

from ..checkpoints.convert import DTYPES, convert_file
from .console import summary


def run(options: Namespace) -> dict:
    """Writes the safetensors file. Returns the summary for `--json`."""
    started = time.monotonic()
    with tqdm(desc="converting", unit="tensor", dynamic_ncols=True) as bar:

        def on_tensor(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        dtype = DTYPES[options.dtype] if options.dtype else None
        kind = convert_file(options.file, options.output, dtype, on_tensor)
    size = options.output.stat().st_size
    report = [f"{kind.value}: {size:,} bytes written to {options.output}"]
    return summary(options, started, report, kind=kind.name, size=size)
