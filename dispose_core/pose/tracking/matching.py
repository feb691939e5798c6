"""Which detection belongs to which track: what each pair is worth, and the best ways to pair all.

A pair is worth the more the nearer the detection is to the prediction and the more alike are the
joints that are seen. Its reach is measured in the smaller body's size, so that a neighbour's head
never takes over a whole person, nor a whole person the track of a head.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .tracks import Detections, Tracks

# Reach of a prediction in sizes of the smaller body; it grows with each missed frame, since
# velocity changes.
_REACH, _REACH_GROWTH, _MAX_REACH = 0.5, 0.02, 1.0
# Added to it, in errors that the track is used to: fast dancers are foretold less well. Together
# never more than `_REACH` in sizes of the larger body.
_SLACK = 2.0
# Prior against chance agreement of few joints: this many extra joints at half the reach.
_PRIOR_JOINTS = 2.0
# Distances of single joints are cut at so many reaches: a detector takes left for right.
_FAR = 4.0
# A pair at no distance is worth this; all pairs within reach are worth something.
_BEST, _LEAST = 1.5, 0.01
# Differences close by weigh more than those far away.
_CONCAVITY = 0.5
# Subtracted: if the track's joints are seen and the detection's are none of them; and per missed
# frame, so that recently seen tracks are preferred.
_OTHER_JOINTS = 0.3
_PER_ABSENCE, _MOST_FOR_ABSENCE = 0.05, 0.2

# Subtracted per natural logarithm of the ratio of statures, up to the second number.
_OTHER_STATURE, _MOST_RATIO = 0.3, 0.5
# Who was hidden for more frames and comes back larger or smaller by this is somebody else; a body
# that is always seen may bend so quickly.
_HIDDEN, _SOMEBODY_ELSE = 2, np.log(1.3)


def worth_of_pairs(tracks: Tracks, detections: Detections) -> np.ndarray:
    """(P, D) what it is worth to give each detection to each track; 0 out of reach."""
    offset = tracks.points[:, None] - detections.points
    distance = np.sqrt(np.einsum("pdkc,pdkc->pdk", offset, offset))
    count = tracks.weights @ detections.found.T  # (P, D)
    usual_error = (tracks.error * tracks.known).sum(1) / tracks.known.sum(1)
    smaller = np.minimum(tracks.sizes[:, None], detections.sizes)
    larger = np.maximum(tracks.sizes[:, None], detections.sizes)
    radius = np.minimum(_REACH + _REACH_GROWTH * tracks.absent, _MAX_REACH)[:, None]
    reach = np.minimum(radius * smaller + _SLACK * usual_error[:, None], radius * larger)
    distance = np.minimum(distance / reach[..., None], _FAR) * tracks.weights[:, None]
    mean = np.einsum("pdk,dk->pd", distance, detections.found) + _PRIOR_JOINTS / 2
    mean /= count + _PRIOR_JOINTS

    worth = _BEST - mean**_CONCAVITY - _OTHER_JOINTS * _unlike(tracks.seen, detections.found)
    worth -= np.minimum(_PER_ABSENCE * tracks.absent, _MOST_FOR_ABSENCE)[:, None]
    ratio = np.abs(tracks.statures[:, None] - detections.statures)
    ratio[np.isnan(ratio)] = 0.0
    worth -= _OTHER_STATURE * np.minimum(ratio, _MOST_RATIO)
    other = (ratio > _SOMEBODY_ELSE) & (tracks.absent > _HIDDEN)[:, None]
    return np.where((count > 0) & (mean < 1) & ~other, np.maximum(worth, _LEAST), 0.0)


def _unlike(seen: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(P, D) mean of |seen - found| over the joints, where `found` is 0 or 1."""
    differences = seen.sum(1)[:, None] + found.sum(1) - 2 * seen @ found.T
    return differences / seen.shape[1]


def pairings(
    worth: np.ndarray, within: float, most: int
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """The best way to pair tracks and detections, then others that are nearly as good.

    The others differ from the best in one exchange: two tracks swap their detections, or a track
    without one takes another's.

    Args:
        worth: (P, D), see `worth_of_pairs`.
        within: how much less than the best the others may be worth.
        most: how many to give.

    Yields:
        What the pairing is worth, and the rows and columns of its pairs in `worth`.
    """
    from scipy.optimize import linear_sum_assignment  # a tenth of a second to import

    rows, columns = linear_sum_assignment(worth, maximize=True)
    own = worth[rows, columns]
    if not own.all():
        rows, columns, own = rows[own > 0], columns[own > 0], own[own > 0]
    best = own.sum()
    yield best, rows, columns
    if most == 1 or np.count_nonzero(worth) == len(rows):
        return
    others = []
    among = worth[rows][:, columns]
    loss = own[:, None] + own - among - among.T
    possible = (loss < within) & (among > 0) & (among.T > 0)
    for i, j in zip(*np.nonzero(np.triu(possible, 1)), strict=True):
        swapped = columns.copy()
        swapped[[i, j]] = columns[[j, i]]
        others.append((best - loss[i, j], rows, swapped))
    free = np.setdiff1d(np.arange(len(worth)), rows)
    instead = worth[free][:, columns]
    for i, j in zip(*np.nonzero((own - instead < within) & (instead > 0)), strict=True):
        taken = rows.copy()
        taken[j] = free[i]
        others.append((best - own[j] + instead[i, j], taken, columns))
    yield from sorted(others, key=lambda other: -other[0])[: most - 1]
