"""DisPose for ComfyUI: the entry point ComfyUI looks for. Importing it loads nothing else."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import ComfyExtension

# Served to the browser: js/ is loaded as modules, docs/ holds the help pages.
WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> ComfyExtension:
    """Called once by ComfyUI when it loads the pack."""
    opencv = find_spec("cv2")
    if opencv is None or opencv.origin is None:  # a folder that an uninstalled one has left
        raise ImportError(
            "DisPose needs OpenCV, and this Python has none. Install one of its packages, for "
            f"example: {sys.executable} -m pip install opencv-python-headless"
        )
    from .nodes import DisPoseExtension

    return DisPoseExtension()
