"""Densifiers as node outputs: a registry entry and its network, managed by ComfyUI."""

from __future__ import annotations

from dataclasses import dataclass

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...dispose_core.motion.densifiers.base import Densifier
from ...dispose_core.motion.densifiers.registry import DENSIFIERS
from . import files, model_management


@dataclass(frozen=True)
class LoadedDensifier:
    """Value of a DISPOSE_DENSIFIER connection.

    Attributes:
        name: key in `DENSIFIERS`.
        model: its network, None if it has none.
    """

    name: str
    model: ModelPatcher | None


def load_densifier(name: str) -> LoadedDensifier:
    """Load a densifier from files found under their published names.

    Raises:
        CheckpointError: a file is missing, damaged or of another model.
    """
    spec = DENSIFIERS[name]
    paths = {role.argument: files.published_path(role) for role in spec.files}
    network = spec.module().load_network(paths)
    return LoadedDensifier(name, None if network is None else managed(network))


def managed(network) -> ModelPatcher:
    """Wrap a network for ComfyUI's memory management, in ComfyUI's default dtype for it."""
    weights = list(network.parameters())
    count = sum(weight.numel() for weight in weights)
    choice = model_management.DEFAULT
    dtype = model_management.precision(choice, weights[0].dtype, count).computed
    return model_management.patcher(network.to(dtype))


def densifier_of(
    loaded: LoadedDensifier | ModelPatcher | None, subject: Tensor | None
) -> Densifier:
    """Create the densifier of one sequence, with its network on its device.

    Args:
        loaded: a bare network is CMP from CMP Loader; None means skinning.
        subject: (H, W) mask of the person, 0…1.
    """
    if loaded is None:
        loaded = LoadedDensifier("skinning", None)
    elif not isinstance(loaded, LoadedDensifier):
        loaded = LoadedDensifier("cmp", loaded)
    module = DENSIFIERS[loaded.name].module()
    if loaded.model is None:
        return module.build(None, subject)
    device = model_management.load(loaded.model, module.WORKING_MEMORY)
    return module.build(loaded.model.model, subject, device)
