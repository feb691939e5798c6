"""Between controls and CONDITIONING; nothing of ComfyUI is imported here."""

from __future__ import annotations

from typing import Any

Conditioning = list[list[Any]]  # [[embedding, {"control": …, …}], …]


def with_control(control: Any, *conditionings: Conditioning) -> list[Conditioning]:
    """Conditionings with a control added behind the ones they have.

    Conditions with the same control before them get the same object: ComfyUI runs conditions in
    one batch only if they share their control.

    Args:
        control: has `copy` and `set_previous_controlnet`.
        conditionings: are not changed.
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
