"""DisPose for ComfyUI: the entry point ComfyUI looks for. Importing it loads nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import ComfyExtension

# Served to the browser: js/ is loaded as modules, docs/ holds the help pages.
WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> ComfyExtension:
    """Called once by ComfyUI when it loads the pack."""
    from .nodes import DisPoseExtension

    return DisPoseExtension()
