"""The densifiers there are, by name.

A new one is a file with two functions, `load_network` and `build`, and an entry here; `register`
adds those of other packs. Modules are imported when asked for.
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

if TYPE_CHECKING:  # the command line reads the names, and must not wait for torch
    import torch
    from torch import Tensor, nn

    from .base import Densifier


class DensifierModule(Protocol):
    """What the module of a densifier offers."""

    WORKING_MEMORY: int  # bytes that computing takes beside the weights

    def load_network(self, files: Mapping[str, Path]) -> nn.Module | None:
        """The network of its files, None where it has none. Raises CheckpointError."""
        ...

    def build(
        self,
        network: nn.Module | None,
        subject: Tensor | None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        official: bool = False,
    ) -> Densifier:
        """The densifier of one clip.

        Args:
            network: from `load_network`.
            subject: (1, H, W) or (H, W) mask of the person, 0…1; None where it is not known.
            device, dtype: where and in what to compute; the network's own when None.
            official: keep to the official code, its faults too.
        """
        ...


@dataclass(frozen=True)
class DensifierSpec:
    """A densifier.

    Attributes:
        name: one word that users type.
        summary: how it spreads the motion, with which files; for tooltips and help.
        load: its module, of this package or an absolute name (`DensifierModule`).
        files: what `load_network` takes, by argument.
    """

    name: str
    summary: str
    load: str
    files: tuple[FileRole, ...] = ()

    def module(self) -> DensifierModule:
        """Its module, imported now."""
        module: DensifierModule = importlib.import_module(self.load, __package__)
        return module

    def locate(self, folder: Path | None, models: Path | None) -> dict[str, Path]:
        """Its files under their published names, by argument (`file_roles.locate_files`)."""
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
