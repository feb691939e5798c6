"""Inputs for the part of the sampling in which guidance is active."""

from __future__ import annotations

from comfy_api.latest import io

from .newer_options import RARE


def span_inputs() -> list[io.Input]:
    """`start` and `end`, fractions of the sampling from 0 to 1."""
    ends = (
        ("start", 0.0, "When the guidance starts, from 0 (start of sampling) to 1 (end)."),
        ("end", 1.0, "When the guidance ends, from 0 (start of sampling) to 1 (end)."),
    )
    return [
        io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.001, tooltip=tooltip, **RARE)
        for name, default, tooltip in ends
    ]
