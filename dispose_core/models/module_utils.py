"""Layer classes of the networks, and device and dtype handling of the per-sequence encoders."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import torch
from torch import nn

from ..errors import NetworkError

Module = TypeVar("Module", bound=nn.Module)


class Ops(Protocol):
    """Layer classes of a network: `torch.nn` or a host's own.

    A host may provide subclasses that move or cast their weights on use. They take the same
    arguments.
    """

    @property
    def Linear(self) -> type[nn.Linear]: ...

    @property
    def Conv2d(self) -> type[nn.Conv2d]: ...

    @property
    def Conv3d(self) -> type[nn.Conv3d]: ...

    @property
    def GroupNorm(self) -> type[nn.GroupNorm]: ...

    @property
    def LayerNorm(self) -> type[nn.LayerNorm]: ...


def placed(
    module: Module, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> Module:
    """Return the module on a device in a dtype: itself if it is already there, else a copy.

    Intended for the small encoders (PoseNet, the motion encoder, the point adapter). The original
    is not modified, since it may be managed by a host.

    Args:
        module: has at least one parameter.
        device: that of the module when None.
        dtype: when None that of the module, but float32 on a CPU, where half precision
            convolutions take 20 to 100 times as long (docs/reference_behaviour.md#quirk-1).
    """
    parameter = next(module.parameters())
    device = parameter.device if device is None else torch.device(device)
    if dtype is None:
        dtype = torch.float32 if device.type == "cpu" else parameter.dtype
    if device == parameter.device and dtype == parameter.dtype:
        return module
    return copy.deepcopy(module).to(device, dtype)


def shape_of(shapes: Mapping[str, Sequence[int]], key: str, dims: int, name: str) -> Sequence[int]:
    """Shape of one weight, for networks whose sizes are read from their weights.

    Raises:
        NetworkError: the weight is missing or has another number of dimensions.
    """
    shape = tuple(shapes.get(key, ()))
    if len(shape) != dims:
        raise NetworkError(
            f"{name}: the weights have {f'{key} of shape {shape}' if shape else f'no {key}'}, "
            f"needed one of {dims} dimensions. The file is of another network or damaged."
        )
    return shape
