"""Fixtures that more than one room uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

GOLDENS = Path(__file__).parent / "goldens"
ASSETS = Path(__file__).parents[1] / "assets"


@pytest.fixture(scope="session")
def golden():
    """golden("05_tracks_traj_sparse") -> arrays of the official code by name."""
    return lambda name: np.load(GOLDENS / f"{name}.npz", allow_pickle=False)


@pytest.fixture(scope="session")
def assets() -> Path:
    """The sample media that the pack ships."""
    return ASSETS
