"""Words by which people look for a node that are not in its name."""

from __future__ import annotations

from dataclasses import fields

from comfy_api.latest import io

_KNOWN = "search_aliases" in {field.name for field in fields(io.Schema)}  # from ComfyUI 0.11 on


def search_words(*words: str) -> dict[str, list[str]]:
    """Arguments of `io.Schema`; none where ComfyUI has no place for such words."""
    return {"search_aliases": list(words)} if _KNOWN else {}
