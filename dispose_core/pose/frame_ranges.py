"""Short names of frame ranges for reports and error messages."""

from __future__ import annotations

import numpy as np

# Longer lists of frame ranges are cut off to stay readable.
MOST_STRETCHES = 6


def stretches(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of every run of True in a (T,) mask."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(first), int(after) - 1) for first, after in edges.reshape(-1, 2)]


def name_frames(mask: np.ndarray) -> str:
    """Text such as "frame 7" or "frames 12–15, 20" for the True frames of a (T,) mask, from 0."""
    return f"frame{'' if mask.sum() == 1 else 's'} {numbers(mask)}"


def numbers(mask: np.ndarray) -> str:
    """Text such as "12–15, 20" for the True frames of a (T,) mask."""
    runs = stretches(mask)
    ranges = [f"{a}" if a == b else f"{a}–{b}" for a, b in runs[:MOST_STRETCHES]]
    more = ["…"] if len(runs) > MOST_STRETCHES else []
    return ", ".join(ranges + more)
