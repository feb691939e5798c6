from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from dispose_core.pose.tracking.assignment import assign


def test_the_sum_counts_not_each_row_for_itself():
    """Row 0 gives up its cheapest column: 2 + 1 is less than 1 + 9."""
    rows, columns = assign(np.array([[1.0, 2.0], [1.0, 9.0]]))
    assert rows.tolist() == [0, 1] and columns.tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(40))
def test_no_other_pairing_is_cheaper(seed):
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, 6, (rng.integers(1, 6), rng.integers(1, 6))) - 2.0  # with many ties
    rows, columns = assign(cost)
    assert len(set(columns.tolist())) == len(rows) == min(cost.shape)
    assert rows.tolist() == sorted(set(rows.tolist()))
    wide = cost if cost.shape[0] <= cost.shape[1] else cost.T
    best = min(
        wide[range(len(wide)), list(some)].sum()
        for some in permutations(range(wide.shape[1]), len(wide))
    )
    assert cost[rows, columns].sum() == best


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nobody_on_one_side_pairs_nobody(shape):
    rows, columns = assign(np.zeros(shape))
    assert len(rows) == len(columns) == 0
