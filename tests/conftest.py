"""Fixtures that more than one room uses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from dispose_core.checkpoints.catalog import present, published
from dispose_core.cli import models, options
from dispose_core.pose.detectors.base import PoseDetector
from dispose_core.pose.detectors.registry import DETECTORS, create_detector

ROOT = Path(__file__).parents[1]
GOLDENS = Path(__file__).parent / "goldens"
ASSETS = ROOT / "assets"


@pytest.fixture(scope="session")
def golden():
    """golden("05_tracks_traj_sparse") -> arrays of the official code by name."""
    return lambda name: np.load(GOLDENS / f"{name}.npz", allow_pickle=False)


@pytest.fixture(autouse=True)
def no_default_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies in the models folder of this checkout, commands find only what a test names."""
    for module in (options, models):
        monkeypatch.setattr(module, "default_models", lambda: None)


@pytest.fixture(scope="session")
def mediapipe_models() -> Path:
    """A models folder with MediaPipe's networks."""
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    folder = Path(os.environ.get("DISPOSE_MODELS") or ROOT / ".models")
    (model,) = published(role="mediapipe")
    if not present(model, folder):
        pytest.skip(
            f"{model.name} is not in {folder}/detection: "
            "python -m dispose_core models --models .models --download mediapipe"
        )
    return folder


@pytest.fixture(scope="session")
def mediapipe(mediapipe_models: Path) -> PoseDetector:
    """The detector that needs one small file."""
    files = DETECTORS["mediapipe"].locate(None, mediapipe_models)
    return create_detector("mediapipe", files)


@pytest.fixture(scope="session")
def assets() -> Path:
    """The sample media that the pack ships."""
    return ASSETS
