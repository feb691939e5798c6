"""The DisPose library: poses, motion fields and animation, independent of ComfyUI.

Public names are imported lazily on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .motion.field_file import load_field, save_field
    from .motion.motion_field import MotionField
    from .pipeline.api import load_densifier, load_detector, prepare_motion
    from .pipeline.pipeline import DisPosePipeline
    from .pose.sequence import PoseSequence

__all__ = [
    "DisPosePipeline",
    "MotionField",
    "PoseSequence",
    "load_densifier",
    "load_detector",
    "load_field",
    "prepare_motion",
    "save_field",
]

_MODULES = {
    "DisPosePipeline": ".pipeline.pipeline",
    "MotionField": ".motion.motion_field",
    "PoseSequence": ".pose.sequence",
    "load_densifier": ".pipeline.api",
    "load_detector": ".pipeline.api",
    "load_field": ".motion.field_file",
    "prepare_motion": ".pipeline.api",
    "save_field": ".motion.field_file",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
