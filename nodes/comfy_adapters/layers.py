"""ComfyUI's cast-on-use layers in networks that were built elsewhere.

Only layers of these classes can stay on the CPU while the network runs on the GPU, be kept in
fp8, or be computed in another precision than they are stored in.
"""

from __future__ import annotations

from typing import TypeVar

import comfy.ops
from torch import nn

Network = TypeVar("Network", bound=nn.Module)

_LAYERS = {
    getattr(nn, name): getattr(comfy.ops.manual_cast, name)
    for name in ("Linear", "Conv2d", "Conv3d", "GroupNorm", "LayerNorm")
}


def use_comfy_layers(network: Network) -> Network:
    """Make a network's layers cast their weights where they are used; it is changed in place.

    ComfyUI's classes add behaviour and no state to PyTorch's, so a layer stays what it is.
    """
    for module in network.modules():
        if (layer := _LAYERS.get(type(module))) is not None:
            module.__class__ = layer
    return network
