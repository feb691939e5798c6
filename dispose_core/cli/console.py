"""Console output of the commands: progress bars, reports and JSON summaries."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ..progress import Progress

if TYPE_CHECKING:
    import numpy as np

Summary = dict[str, Any]  # printed by `--json`; without it only "report" is printed


def summary(options: Namespace, started: float, report: list[str], **facts: Any) -> Summary:
    """Build the summary that `--json` prints."""
    return {
        "command": options.command,
        "output": str(options.output),
        **facts,
        "seconds": round(time.monotonic() - started, 2),
        "report": report,
    }


_UNITS = {"sampling": "window", "features": "pass"}  # units of stages that do not count frames


def say(lines: Iterable[str]) -> None:
    """Print report lines to stderr during a run."""
    print(*lines, sep="\n", file=sys.stderr, flush=True)


class Bar:
    """A progress bar on stderr that is also a `Progress`."""

    def __init__(self, name: str, total: int | None = None, unit: str = "frame") -> None:
        self.bar = tqdm(total=total, desc=name, unit=unit, dynamic_ncols=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def __call__(self, done: int, total: int) -> None:
        if self.bar.total != total:
            self.bar.total = total
        self.bar.update(done - self.bar.n)


class StageBars:
    """A `StageProgress` that shows one bar per stage."""

    def __init__(self) -> None:
        self._bar: Bar | None = None

    def __enter__(self) -> StageBars:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the current bar, if any."""
        if self._bar is not None:
            self._bar.bar.close()
            self._bar = None

    def __call__(self, stage: str) -> Progress:
        self.close()
        self._bar = Bar(stage, unit=_UNITS.get(stage, "frame"))
        return self._bar


def ticking(frames: Iterable[np.ndarray], on_frame: Progress) -> Iterator[np.ndarray]:
    """Yield frames and report progress after each one."""
    for done, frame in enumerate(frames, 1):
        yield frame
        on_frame(done, done)
