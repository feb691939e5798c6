"""ComfyUI's progress bar and Cancel button as the library's `Progress`."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

import comfy.model_management
import comfy.utils

from ...dispose_core.progress import Progress

T = TypeVar("T")
_POLL = 0.1  # seconds between two looks at the Cancel button


def progress(total: int) -> Progress:
    """Update the node's progress bar; raises ComfyUI's interrupt if the user cancels."""
    bar = comfy.utils.ProgressBar(total)

    def tick(done: int, total: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(done, total)

    return tick


def interruptible(work: Callable[[], T]) -> T:
    """Run a function without a callback so that the user can cancel meanwhile.

    It runs in a thread; after a cancel its result is dropped when it is there.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as e:
            errors.append(e)

    thread = Thread(target=run, daemon=True, name="DisPose")
    thread.start()
    while thread.is_alive():
        thread.join(_POLL)
        comfy.model_management.throw_exception_if_processing_interrupted()
    if errors:
        raise errors[0]
    return results[0]
