"""Progress callbacks for long-running functions."""

from __future__ import annotations

from collections.abc import Callable

# Called as (done, total) after each frame. It may raise to cancel; no partial files are left.
Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Default `Progress` that does nothing."""
