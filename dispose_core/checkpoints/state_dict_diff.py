"""Compare a file's tensors with a network and load them into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, NetworkError
from .weights import Weights

SHOWN = 4  # keys per category in a message

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class StateDictDiff:
    """Keys of a file that differ from a network; entries of `misshapen` include both shapes."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return True if there are no differences."""
        return not (self.missing or self.unexpected or self.misshapen)

    def __add__(self, other: StateDictDiff) -> StateDictDiff:
        return StateDictDiff(
            self.missing + other.missing,
            self.unexpected + other.unexpected,
            self.misshapen + other.misshapen,
        )

    def faults(self) -> str:
        """Describe the differences with the first keys of each category."""
        categories = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.misshapen),
        )
        return "; ".join(listed(title, keys) for title, keys in categories if keys)


def compare(
    found: Mapping[str, tuple[int, ...]], needed: Mapping[str, tuple[int, ...]]
) -> StateDictDiff:
    """Compare the shapes in a file with those that a network needs."""
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
    """Raise CheckpointError with the differences unless all keys and shapes are equal."""
    diff = compare(found, needed)
    if not diff:
        raise CheckpointError(
            f"{name}: does not fit the network. {diff.faults()}. "
            "Use the file as published, or download it again."
        )


def net_for(
    build: Callable[[Mapping[str, Sequence[int]]], Net], weights: Weights, kind: str
) -> Net:
    """Build a network on the meta device with the sizes of its weights.

    Args:
        build: builds the network from the shapes of its weights.
        weights: weights of the network, without prefix.
        kind: name of the network for messages.

    Raises:
        CheckpointError: the sizes do not match such a network.
    """
    try:
        with torch.device("meta"):
            return build(weights.shapes)
    except (NetworkError, LookupError, TypeError, ValueError, RuntimeError) as e:
        raise CheckpointError(
            f"{weights.name}: no {kind} has the sizes of these weights ({e}). "
            "The file is damaged or belongs to another model; use the published one."
        ) from e


def fill(nets: Mapping[str, nn.Module], weights: Weights) -> None:
    """Assign a file's tensors to networks on the meta device and remove them from `weights`.

    Args:
        nets: networks by the prefix of their keys; "" matches the keys without other prefixes.

    Raises:
        CheckpointError: keys are missing, unexpected or misshapen, or tensors are quantised.
    """
    needed = _tensors(nets)
    check_shapes(weights.shapes, needed_by(nets), weights.name)
    quantised = [
        key
        for key, tensor in weights.tensors.items()
        if needed[key].is_floating_point() and not tensor.is_floating_point()
    ]
    if quantised:
        raise CheckpointError(
            f"{weights.name}: {listed('not stored as floating point', quantised)}. Quantised "
            "weights are not supported; use the file in fp32, fp16 or bf16."
        )
    for prefix, net in nets.items():
        state = {key: weights.tensors.pop(prefix + key) for key in net.state_dict()}
        net.load_state_dict(state, assign=True)


def needed_by(nets: Mapping[str, nn.Module]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors of the networks by prefixed key."""
    return {key: tuple(value.shape) for key, value in _tensors(nets).items()}


def compute_dtype(stored: torch.dtype) -> torch.dtype:
    """Return the stored type, or float32 for storage-only types such as fp8."""
    return stored if stored in (torch.float32, torch.float16, torch.bfloat16) else torch.float32


def listed(title: str, keys: Sequence[str]) -> str:
    """Format keys as "5 missing: a, b, c, d and 1 more"."""
    shown = ", ".join(keys[:SHOWN])
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"{len(keys)} {title}: {shown}{more}"


def _tensors(nets: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        prefix + key: value
        for prefix, net in nets.items()
        for key, value in net.state_dict().items()
    }
