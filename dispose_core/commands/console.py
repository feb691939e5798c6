"""What a command shows while it works and when it is done."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable, Iterator

import numpy as np
from tqdm import tqdm

from ..progress import Progress


def summary(options: Namespace, started: float, report: list[str], **facts) -> dict:
    """What `--json` prints."""
    return {
        "command": options.command,
        "output": str(options.output),
        **facts,
        "seconds": round(time.monotonic() - started, 2),
        "report": report,
    }


class Bar:
    """A progress bar on stderr that is also a `Progress`."""

    def __init__(self, name: str, total: int | None = None) -> None:
        self.bar = tqdm(total=total, desc=name, unit="frame", dynamic_ncols=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def __call__(self, done: int, total: int) -> None:
        if self.bar.total != total:
            self.bar.total = total
        self.bar.update(done - self.bar.n)


def ticking(frames: Iterable[np.ndarray], on_frame: Progress) -> Iterator[np.ndarray]:
    """The frames, each counted once it has been used."""
    for done, frame in enumerate(frames, 1):
        yield frame
        on_frame(done, done)
