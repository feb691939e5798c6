"""ComfyUI's progress bar and Cancel button as the library's `Progress`."""

from __future__ import annotations

import comfy.model_management
import comfy.utils

from ...dispose_core.progress import Progress


def progress(total: int) -> Progress:
    """Update the node's progress bar; raises ComfyUI's interrupt if the user cancels."""
    bar = comfy.utils.ProgressBar(total)

    def tick(done: int, total: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(done, total)

    return tick
