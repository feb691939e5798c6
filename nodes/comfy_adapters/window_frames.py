"""Determine which frames a sampler is processing, without importing ComfyUI.

Windows may come from this pack's node, from ComfyUI's own or from AnimateDiff-Evolved. Hints and
pose latents are stored for all frames and selected by absolute index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...dispose_core.errors import NetworkError
from ...dispose_core.models.latent import DOWNSCALE


class Window(NamedTuple):
    """Absolute frames of one call, and the total number of frames if known."""

    frames: list[int]
    total: int | None


def current_window(
    options: Mapping[str, Any], num_frames: int, assigned: Sequence[int] | None = None
) -> Window:
    """The window of a network call.

    Args:
        options: ComfyUI's `transformer_options` of the call.
        num_frames: latents of the call per cond or uncond.
        assigned: frames assigned by AnimateDiff-Evolved, if any.

    Returns:
        The window; all frames in order if there are no windows.

    Raises:
        NetworkError: the window and the latents differ in length.
    """
    evolved = options.get("ad_params") or {}
    if (window := options.get("context_window")) is not None:
        frames = list(window.index_list)
        # Newer versions prepend a frame to windows that do not start at frame 0.
        anchor = getattr(window, "causal_anchor_index", None)
        if anchor is not None and anchor >= 0 and len(frames) == num_frames - 1:
            frames.insert(0, anchor)
        total = getattr(window, "total_frames", None) or None
    elif evolved.get("sub_idxs") is not None:
        frames, total = list(evolved["sub_idxs"]), evolved.get("full_length")
    elif assigned is not None:
        frames, total = list(assigned), None
    else:
        return Window(list(range(num_frames)), num_frames)
    if len(frames) != num_frames:
        raise NetworkError(
            f"context window: got {len(frames)} frames for {num_frames} latents. Use the "
            "'Context Windows' node of DisPose; ComfyUI's own adds frames that SVD has no room for."
        )
    return Window(frames, total)


def check_window(
    name: str, num_frames: int, cell: Sequence[int], window: Window, latent: Sequence[int]
) -> None:
    """Check that precomputed inputs fit the latents being sampled.

    Args:
        name: of the node that made them, for messages.
        num_frames: number of frames they were made for.
        cell: (h, w) of the latents they were made for.
        window: from `current_window`.
        latent: (h, w) of the latents.

    Raises:
        NetworkError: they do not fit; the message names both sides.
    """
    length = window.total if window.total is not None else max(window.frames) + 1
    if length != num_frames and (window.total is not None or length > num_frames):
        raise NetworkError(
            f"{name}: made for a clip of {num_frames} frames (the reference and {num_frames - 1} "
            f"driving frames), but the latents have {length} frames. Set frames of 'DisPose "
            "Conditioning' to the number of driving frames; it adds one for the reference."
        )
    if tuple(cell) != tuple(latent):
        (height, width), (h, w) = ([DOWNSCALE * side for side in size] for size in (cell, latent))
        raise NetworkError(
            f"{name}: made for images of {width}×{height}, but the latents are for {w}×{h}. "
            "Use the width and height of Prepare everywhere."
        )


def conditional_spans(cond_or_uncond: Sequence[int], rows: int) -> list[slice]:
    """Rows of a batch that belong to cond (0 in `cond_or_uncond`).

    Args:
        cond_or_uncond: ComfyUI's list, one number per cond or uncond in batch order.
        rows: number of rows of the batch.
    """
    each = rows // len(cond_or_uncond)
    return [slice(i * each, (i + 1) * each) for i, which in enumerate(cond_or_uncond) if which == 0]
