"""What the networks are built of and by, and where and how the small ones are run."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import torch
from torch import nn

from ..errors import NetworkError

Module = TypeVar("Module", bound=nn.Module)


class Ops(Protocol):
    """Classes of layers that a network is built of: `torch.nn`, or a host's own.

    A host may give subclasses that bring their weights to the device, or to another precision,
    while they run. They take the same arguments.
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
    """The module on a device in a precision: itself where it is so already, else a copy.

    It is meant for the small encoders (PoseNet, the motion encoder, the point adapter); the
    module that was given may belong to a host that moves it as it likes and is not touched.

    Args:
        module: has at least one parameter.
        device: None is the module's own.
        dtype: None is the module's own, but float32 on a CPU: half precision convolutions take
            20 to 100 times as long there (docs/reference_behaviour.md#quirk-1).
    """
    own = next(module.parameters())
    device = own.device if device is None else torch.device(device)
    if dtype is None:
        dtype = torch.float32 if device.type == "cpu" else own.dtype
    if device == own.device and dtype == own.dtype:
        return module
    return copy.deepcopy(module).to(device, dtype)


def shape_of(shapes: Mapping[str, Sequence[int]], key: str, dims: int, name: str) -> Sequence[int]:
    """The shape of one weight of a network that is built by its weights' shapes.

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
