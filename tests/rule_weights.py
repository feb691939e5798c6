"""The published rule that fills a network without its released weights, and the inputs made by it.

goldens/README.md, "Weight rule" and "Seeded inputs": a tensor depends on its key and shape alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

SQRT_2 = 2**0.5  # the gain of the stand-alone motion embedding and of PoseNet


def seeded(name: str, shape: tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float32)


def rule_tensor(key: str, shape: tuple[int, ...], gain: float = 1.0) -> Tensor:
    """The tensor of a key exactly as the manifest writes it."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(tuple(shape), dtype=torch.int64)
    n = seeded(key, shape)
    if key.endswith("running_mean"):
        return 0.1 * n
    if key.endswith("running_var"):
        return 1 + 0.1 * n.abs()
    if key.endswith("mix_factor"):
        return 0.5 + 0.5 * n
    if n.numel() == 1 and key.endswith("scale"):
        return 2 + 0.1 * n
    if key.endswith(".bias"):
        return 0.05 * n
    if n.ndim <= 1:
        return 1 + 0.1 * n
    return n * gain / (n.numel() / shape[0]) ** 0.5


def rule_state(
    shapes: Mapping[str, tuple[int, ...]], prefix: str = "", gain: float = 1.0
) -> dict[str, Tensor]:
    """Rule weights of keys without `prefix`, which is the manifest's."""
    return {key: rule_tensor(prefix + key, shape, gain) for key, shape in shapes.items()}


def fill_by_rule(module: nn.Module, prefix: str = "", gain: float = 1.0) -> nn.Module:
    """Give a module the weights that goldens were made with; it comes back in eval mode."""
    shapes = {k: v.shape for k, v in module.state_dict().items() if v.is_floating_point()}
    module.load_state_dict(rule_state(shapes, prefix, gain), strict=False, assign=True)
    return module.eval()


def rnd(name: str, shape: tuple[int, ...], std: float = 1.0) -> Tensor:
    return seeded(name, shape) * std


def net_inputs(
    tag: str, config: Mapping[str, object], height: int, width: int, frames: int
) -> dict[str, Tensor | float]:
    """Inputs of the ControlNet and UNet goldens, unconditional half first.

    Args:
        tag: `tcn`, `tun`, `fcn` or `fun`.
        config: the UNet's, for `cross_attention_dim` and `block_out_channels`.
        height, width: of the image.
        frames: frames of the clip, reference included.

    Returns:
        sample (2, nf, 8, h, w), timestep, context (2, 1, D), ids (2, 3), flow and trajectory
        (nf-1, 2, H, W) for both halves, features (18, 1280), pose_latents (2 nf, C0, h, w).
    """
    h, w = height // 8, width // 8
    context = rnd(f"{tag}_enc", (2, 1, config["cross_attention_dim"]))
    context[0] = 0
    latents = rnd(f"{tag}_pose_latents", (2 * frames, config["block_out_channels"][0], h, w), 0.5)
    latents[:frames] = 0
    return {
        "sample": rnd(f"{tag}_sample", (2, frames, 8, h, w)),
        "timestep": 1.25,
        "context": context,
        "ids": torch.tensor([[6, 127, 0.02]] * 2),
        "flow": rnd(f"{tag}_flow", (1, frames - 1, 2, height, width), 3)[0],
        "trajectory": rnd(f"{tag}_traj", (1, frames - 1, 2, height, width), 0.3)[0],
        "features": rnd(f"{tag}_emb", (1, 18, 1280))[0],
        "pose_latents": latents,
    }
