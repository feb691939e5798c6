"""The cheapest pairing of rows and columns, for tables of a few dozen: no dependency for that."""

from __future__ import annotations

import numpy as np


def assign(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs rows with columns so that the sum of their costs is smallest.

    The Hungarian method by shortest augmenting paths: exact, in O(rows² columns).

    Args:
        cost: (R, C) finite numbers.

    Returns:
        Rows and their columns, both (min(R, C),), rows ascending.
    """
    if cost.shape[0] > cost.shape[1]:
        columns, rows = assign(cost.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    count, width = cost.shape
    rows = np.arange(count)
    best = cost.argmin(1) if width else rows
    if len(set(best.tolist())) == count:  # nobody wants the same: nothing to weigh up
        return rows, best

    row_price, column_price = np.zeros(count), np.zeros(width)
    row_of = np.full(width, -1)
    for start in range(count):
        length = np.full(width, np.inf)  # shortest path from `start` to each column
        before = np.full(width, -1)  # the column before it on that path, -1 for `start`
        done = np.zeros(width, dtype=bool)
        row, column, reached = start, -1, 0.0
        while row >= 0:
            step = reached + cost[row] - row_price[row] - column_price
            shorter = ~done & (step < length)
            length[shorter], before[shorter] = step[shorter], column
            column = int(np.where(done, np.inf, length).argmin())
            reached, row = length[column], row_of[column]
            done[column] = True
        row_price[start] += reached
        gain = reached - length[done]
        owners = row_of[done]
        row_price[owners[owners >= 0]] += gain[owners >= 0]
        column_price[done] -= gain
        while column >= 0:  # each column on the path takes over the row of the one before
            row_of[column] = start if before[column] < 0 else row_of[before[column]]
            column = int(before[column])
    columns = np.empty(count, dtype=int)
    taken = np.flatnonzero(row_of >= 0)
    columns[row_of[taken]] = taken
    return rows, columns
