"""Whether a file's tensors fit a network, and networks taking them as their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, NetworkError
from .weights import Weights

SHOWN = 4  # keys of each sort in a message

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class StateDictDiff:
    """What of a file does not fit a network: keys, and for those misshapen both shapes."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether it fits."""
        return not (self.missing or self.unexpected or self.misshapen)

    def __add__(self, other: StateDictDiff) -> StateDictDiff:
        return StateDictDiff(
            self.missing + other.missing,
            self.unexpected + other.unexpected,
            self.misshapen + other.misshapen,
        )

    def faults(self) -> str:
        """The same in words, the first keys of each sort."""
        sorts = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.misshapen),
        )
        return "; ".join(listed(title, keys) for title, keys in sorts if keys)


def compare(
    found: Mapping[str, tuple[int, ...]], needed: Mapping[str, tuple[int, ...]]
) -> StateDictDiff:
    """How the shapes in a file fit those that a network needs."""
    return StateDictDiff(
        tuple(key for key in needed if key not in found),
        tuple(key for key in found if key not in needed),
        tuple(
            f"{key} {found[key]}, needed {needed[key]}"
            for key in needed
            if key in found and found[key] != needed[key]
        ),
    )


def check_shapes(
    found: Mapping[str, tuple[int, ...]], needed: Mapping[str, tuple[int, ...]], name: str
) -> None:
    """Raises CheckpointError unless keys and shapes are the same; it lists what is not."""
    diff = compare(found, needed)
    if not diff:
        raise CheckpointError(
            f"{name}: does not fit the network. {diff.faults()}. "
            "Use the file as it was published, or download it again."
        )


def net_for(
    build: Callable[[Mapping[str, Sequence[int]]], Net], weights: Weights, kind: str
) -> Net:
    """A small network with the sizes of its weights, on the meta device.

    Args:
        build: makes the network from its weights' shapes.
        weights: of the network, without prefix.
        kind: of network, for messages.

    Raises:
        CheckpointError: no such network has these sizes.
    """
    try:
        with torch.device("meta"):
            return build(weights.shapes)
    except (NetworkError, LookupError, TypeError, ValueError, RuntimeError) as e:
        raise CheckpointError(
            f"{weights.name}: no {kind} has the sizes of these weights ({e}). "
            "The file is damaged or of another model; use it as it was published."
        ) from e


def fill(nets: Mapping[str, nn.Module], weights: Weights) -> None:
    """Give networks on the meta device the file's tensors, as they are in it.

    Args:
        nets: by the prefix of their keys; "" takes what no other prefix takes.

    Raises:
        CheckpointError: keys missing, unexpected or misshapen.
    """
    wanted = _tensors(nets)
    check_shapes(weights.shapes, needed_by(nets), weights.name)
    numbers = [
        key
        for key, tensor in weights.tensors.items()
        if wanted[key].is_floating_point() and not tensor.is_floating_point()
    ]
    if numbers:
        raise CheckpointError(
            f"{weights.name}: {listed('not stored as floating point', numbers)}. Quantised "
            "weights are not supported; use the file in fp32, fp16 or bf16."
        )
    for prefix, net in nets.items():
        state = {key: weights.tensors.pop(prefix + key) for key in net.state_dict()}
        net.load_state_dict(state, assign=True)


def needed_by(nets: Mapping[str, nn.Module]) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors of some networks, by prefix and key."""
    return {key: tuple(value.shape) for key, value in _tensors(nets).items()}


def compute_dtype(stored: torch.dtype) -> torch.dtype:
    """What to compute in: the stored type, or float32 for types such as fp8 that only store."""
    return stored if stored in (torch.float32, torch.float16, torch.bfloat16) else torch.float32


def listed(title: str, keys: Sequence[str]) -> str:
    """ "5 missing: a, b, c, d and 1 more"."""
    shown = ", ".join(keys[:SHOWN])
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"{len(keys)} {title}: {shown}{more}"


def _tensors(nets: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        prefix + key: value
        for prefix, net in nets.items()
        for key, value in net.state_dict().items()
    }
