"""How long work tells its caller where it stands."""

from __future__ import annotations

from collections.abc import Callable

# Called as (done, total) after each frame. It may raise to cancel: the work stops there and
# leaves nothing half-written.
Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """The `Progress` of a caller who does not ask."""
