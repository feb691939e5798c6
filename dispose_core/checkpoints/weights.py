"""Tensors of a weights file by their keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors of a file by key.

    Attributes:
        name: of the file, for messages.
        tensors: on the CPU, mapped from the file where its format allows.
        format: of the file, in words.
        metadata: texts stored beside the tensors.
        left_out: other contents that are not loaded, such as the state of an optimizer.
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
        """The tensors whose key begins with `prefix`, without that prefix."""
        return Weights(
            self.name,
            {k[len(prefix) :]: v for k, v in self.tensors.items() if k.startswith(prefix)},
        )
