"""Offloading: which networks are on the device while a stage runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import nn

# none: all networks stay on the device. stages: only those of the current stage. sequential: only
# one layer of UNet and ControlNet at a time, for small GPUs; slow, because all their weights are
# copied for every window.
Offload = Literal["none", "stages", "sequential"]

BLOCKS = ("down_blocks", "mid_block", "up_blocks")  # nearly all weights of an SVD network


@contextmanager
def on_device(*modules: nn.Module, device: torch.device, offload: Offload) -> Iterator[None]:
    """Context in which modules are on the device.

    On exit they return to their previous devices, except with "none".
    """
    homes = [next(module.parameters()).device for module in modules]
    try:
        for module in modules:
            module.to(device)
        yield
    finally:
        if offload != "none":
            for module, home in zip(modules, homes, strict=True):
                module.to(home)
            release(device)


@contextmanager
def denoising(*networks: nn.Module, device: torch.device, offload: Offload) -> Iterator[None]:
    """`on_device` for UNet and ControlNet; layer by layer with "sequential"."""
    if offload != "sequential":
        with on_device(*networks, device=device, offload=offload):
            yield
        return
    with ExitStack() as stack:
        for network in networks:
            for name, child in network.named_children():
                if name in BLOCKS:
                    stack.enter_context(swapped(child, device))
                elif any(True for _ in child.parameters()):
                    stack.enter_context(on_device(child, device=device, offload=offload))
        yield


@contextmanager
def swapped(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Context in which each layer's weights are copied to the device only while it runs.

    The originals are not modified and nothing is copied back.
    """

    def fetch(layer: nn.Module, _: object) -> None:
        for name, value in layer.named_parameters(recurse=False):
            copied = value.detach().to(device, non_blocking=True)
            layer._parameters[name] = nn.Parameter(copied, requires_grad=False)
        for name, buffer in layer.named_buffers(recurse=False):
            layer._buffers[name] = buffer.to(device, non_blocking=True)

    hooks = []
    homes: dict[nn.Module, tuple[dict, dict]] = {}

    def bring_home(layer: nn.Module, *_: object) -> None:
        parameters, buffers = homes[layer]
        layer._parameters.update(parameters)
        layer._buffers.update(buffers)

    for layer in module.modules():
        parameters = dict(layer.named_parameters(recurse=False))
        buffers = dict(layer.named_buffers(recurse=False))
        if parameters or buffers:
            homes[layer] = parameters, buffers
            hooks.append(layer.register_forward_pre_hook(fetch))
            hooks.append(layer.register_forward_hook(bring_home))

    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for layer in homes:
            bring_home(layer)


def release(device: torch.device) -> None:
    """Empty the allocator cache of the device, if it has one."""
    backend: Any = getattr(torch, device.type, None)
    if hasattr(backend, "empty_cache"):
        backend.empty_cache()
