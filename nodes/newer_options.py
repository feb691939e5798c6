"""Options of nodes and inputs that ComfyUI has only in newer versions; empty in older ones."""

from __future__ import annotations

from dataclasses import fields
from inspect import signature

from comfy_api.latest import io

_ADVANCED = "advanced" in signature(io.Input.__init__).parameters
_INTERMEDIATE = "has_intermediate_output" in {field.name for field in fields(io.Schema)}

# Of inputs that beginners never change; they are hidden until the user asks for all inputs.
RARE: dict[str, bool] = {"advanced": True} if _ADVANCED else {}

# Of nodes with a view in the browser: ComfyUI sends the view again where a run of another branch
# does not visit the node but its result is still cached. They are output nodes nevertheless, so
# that a graph may end in them: the view is the result.
KEEPS_VIEW: dict[str, bool] = {"has_intermediate_output": True} if _INTERMEDIATE else {}
