"""Load CMP, the paper's dense motion network."""

from __future__ import annotations

from pathlib import Path

import torch

from ...models.cmp import CmpNetwork
from ..registry import require_role
from ..state_dict import open_weights
from ..state_dict_diff import StateDictDiff, compare, fill, needed_by
from ..weights import Weights


def load_cmp(path: str | Path) -> CmpNetwork:
    """Load CMP on the CPU in the precision of the file.

    Raises:
        CheckpointError: the file is damaged or of another architecture.
    """
    weights = open_weights(path)
    require_role(weights.shapes, weights.name, "cmp")
    net = _network()
    fill({"": net}, weights)
    return net.requires_grad_(False)


def diff(weights: Weights) -> StateDictDiff:
    """See `Architecture.compare`."""
    return compare(weights.shapes, needed_by({"": _network()}))


def _network() -> CmpNetwork:
    with torch.device("meta"):
        return CmpNetwork()
