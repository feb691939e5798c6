"""Registry of densifiers by name.

A new densifier is a file with two functions, `load_network` and `build`, and an entry here; other
packs add theirs with `register`. Modules are imported on first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...checkpoints.file_roles import FileRole, locate_files, role_of
from ...errors import DisPoseError
from ...registry import Registry

if TYPE_CHECKING:  # the command line lists the names without importing torch
    import torch
    from torch import Tensor, nn

    from .base import Densifier


class DensifierModule(Protocol):
    """Interface of a densifier's module."""

    WORKING_MEMORY: int  # bytes of working memory besides the weights

    def load_network(self, files: Mapping[str, Path]) -> nn.Module | None:
        """Load the network, None if it has none. Raises CheckpointError."""
        ...

    def build(
        self,
        network: nn.Module | None,
        subject: Tensor | None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        official: bool = False,
    ) -> Densifier:
        """Create the densifier of one sequence.

        Args:
            subject: (1, H, W) or (H, W) mask of the person, 0…1; None if unknown.
            device, dtype: compute device and dtype; those of the network when None.
            official: reproduce the official code, including its errors.
        """
        ...


@dataclass(frozen=True)
class DensifierSpec:
    """Entry of the densifier registry.

    Attributes:
        name: one-word name, as typed by users.
        summary: how it spreads the motion and with which files; for tooltips and help.
        load: its module, of this package or an absolute name (`DensifierModule`).
        files: model files by argument of `load_network`.
    """

    name: str
    summary: str
    load: str
    files: tuple[FileRole, ...] = ()

    def module(self) -> DensifierModule:
        module: DensifierModule = importlib.import_module(self.load, __package__)
        return module

    def locate(self, folder: Path | None, models: Path | None) -> dict[str, Path]:
        """Find its files under their published names, by argument (`file_roles.locate_files`)."""
        what = f"densifier {self.name}"
        return locate_files(self.files, folder, models, what, "--densifier-files")


DENSIFIERS: Registry[DensifierSpec] = Registry(
    "densifier",
    (
        DensifierSpec(
            "skinning",
            "moves the pixels with a body model; needs no model file.",
            ".skinning.densifier",
        ),
        DensifierSpec(
            "cmp",
            "the paper's network; needs ckpt_iter_42000.pth.tar in models/dispose.",
            ".cmp",
            (role_of("cmp", "cmp"),),
        ),
    ),
    DisPoseError,
)
