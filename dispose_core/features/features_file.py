"""Save and load keypoint features as safetensors."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from ..checkpoints.state_dict import open_weights
from ..errors import CheckpointError
from ..media.atomic_write import atomic_write
from .keypoint_features import KeypointFeatures

_FEATURES, _VALID = "features", "valid"
_FORMAT = {"format": "dispose keypoint features", "version": "1"}


def save_features(path: str | Path, features: KeypointFeatures) -> None:
    """Write features for `load_features`.

    Raises:
        MediaError: the folder cannot be written, or the disk is full.
    """
    tensors = {_FEATURES: features.features.contiguous(), _VALID: features.valid.contiguous()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, metadata=_FORMAT)


def load_features(path: str | Path) -> KeypointFeatures:
    """Read features written by `save_features`.

    Raises:
        CheckpointError: missing, damaged, or another file.
        NetworkError: the values are not features.
    """
    weights = open_weights(path)
    if set(weights.tensors) != {_FEATURES, _VALID}:
        raise CheckpointError(
            f"{path}: no keypoint features in it; it holds {', '.join(list(weights.tensors)[:4])}. "
            "Make them with: python -m dispose_core features"
        )
    return KeypointFeatures(weights.tensors[_FEATURES].clone(), weights.tensors[_VALID].clone())
