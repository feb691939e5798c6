"""Search aliases of nodes."""

from __future__ import annotations

from dataclasses import fields

from comfy_api.latest import io

_KNOWN = "search_aliases" in {field.name for field in fields(io.Schema)}  # from ComfyUI 0.11 on


def search_words(*words: str) -> dict[str, list[str]]:
    """Keyword arguments of `io.Schema`; empty if ComfyUI does not support search aliases."""
    return {"search_aliases": list(words)} if _KNOWN else {}
