"""Attach controls to CONDITIONING, without importing ComfyUI."""

from __future__ import annotations

from typing import Any

Conditioning = list[list[Any]]  # [[embedding, {"control": …, …}], …]


def with_control(control: Any, *conditionings: Conditioning) -> list[Conditioning]:
    """Return conditionings with a control chained after their existing ones.

    Conditions with the same previous control share one object, because ComfyUI batches conditions
    only if they share their control.

    Args:
        control: has `copy` and `set_previous_controlnet`.
        conditionings: not modified.
    """
    copies: dict[Any, Any] = {}

    def behind(previous: Any) -> Any:
        if previous not in copies:
            copies[previous] = control.copy().set_previous_controlnet(previous)
        return copies[previous]

    return [
        [
            [
                embedding,
                {
                    **options,
                    "control": behind(options.get("control")),
                    "control_apply_to_uncond": False,
                },
            ]
            for embedding, options in conditioning
        ]
        for conditioning in conditionings
    ]
