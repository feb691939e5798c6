"""`Weights`: the tensors of a weights file."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors of a file by key.

    Attributes:
        name: file name for messages.
        tensors: tensors on the CPU, memory-mapped if the format allows it.
        format: name of the file format.
        metadata: texts stored with the tensors.
        left_out: keys of contents that are not loaded, such as an optimizer state.
    """

    name: str
    tensors: dict[str, Tensor]
    format: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {key: tuple(tensor.shape) for key, tensor in self.tensors.items()}

    def below(self, prefix: str) -> Weights:
        """Select the tensors whose keys begin with `prefix` and remove it from the keys."""
        return Weights(
            self.name,
            {k[len(prefix) :]: v for k, v in self.tensors.items() if k.startswith(prefix)},
        )
