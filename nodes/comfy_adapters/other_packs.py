"""Whether other node packs are installed in this ComfyUI."""

from __future__ import annotations

import sys


def has_node(node_id: str) -> bool:
    """Whether a node of the V1 or V3 interface is loaded.

    ComfyUI's module `nodes` is looked up and not imported: outside of ComfyUI the name is another
    package's.
    """
    loaded = getattr(sys.modules.get("nodes"), "NODE_CLASS_MAPPINGS", {})
    return node_id in loaded
