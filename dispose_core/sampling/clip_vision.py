"""Preprocessing of the reference image for SVD's CLIP vision model.

See docs/reference_behaviour.md#clip-image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 224
# CLIP's normalisation constants.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def clip_vision_image(image: Tensor) -> Tensor:
    """Resize the whole image to 224×224 with anti-aliasing, ignoring the aspect ratio.

    Nothing is cropped, since a centre crop of a portrait loses head and feet. Bicubic interpolation
    may exceed 0…1; values are not clamped, as in training.

    Args:
        image: (3, H, W), 0…1.

    Returns:
        (3, 224, 224) float32 on the image's device.
    """
    x = image.float()[None]
    # The Gaussian is separable.
    x = _smooth(x, dim=3)
    x = _smooth(x, dim=2)
    return F.interpolate(x, (SIDE, SIDE), mode="bicubic", align_corners=True)[0]


def clip_vision_normalise(image: Tensor) -> Tensor:
    """(3, 224, 224) 0…1 -> (1, 3, 224, 224) input of `CLIPVisionModelWithProjection`."""
    mean, std = (image.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return ((image - mean) / std)[None]


def _smooth(x: Tensor, dim: int) -> Tensor:
    """Gaussian anti-aliasing blur along one dimension of (1, 3, H, W) for a target size of 224."""
    side = x.shape[dim]
    sigma = max((side / SIDE - 1) / 2, 0.001)
    taps = int(max(4 * sigma, 3)) | 1  # odd
    offsets = torch.arange(taps, dtype=torch.float32, device=x.device) - taps // 2
    kernel = torch.exp(offsets.square() / (-2 * sigma**2))
    kernel /= kernel.sum()
    shape, margin = (1, 1, 1, taps), (taps // 2, taps // 2, 0, 0)
    if dim == 2:
        shape, margin = (1, 1, taps, 1), (0, 0, taps // 2, taps // 2)
    padded = F.pad(x, margin, mode="reflect")
    return F.conv2d(padded, kernel.reshape(shape).expand(3, -1, -1, -1), groups=3)
