"""The middle of the toes, which some skeletons have in place of the big and the small toe."""

from __future__ import annotations

import numpy as np

TOES = slice(0, 2)  # of the three points of a foot


def toes_middle(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean of the toes that were found, and of their scores.

    MediaPipe finds one toe, which then stands for both.

    Args:
        points: (3, 2) of one foot.
        scores: (3,), 0 for missing points.

    Returns:
        (2,) place, NaN without toes, and its score.
    """
    found = scores[TOES] > 0
    if not found.any():
        return np.full(2, np.nan), 0.0
    return points[TOES][found].mean(0), float(scores[TOES][found].mean())
