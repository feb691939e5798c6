"""The CMP network (conditional motion propagation): image and sparse flow to dense flow.

See docs/reference_behaviour.md#cmp-dense-motion. The image is encoded once. The first convolutions
after a concatenation of image and motion features are linear, so the image's contribution to them
is computed once, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Each flow component is a distribution over this many bins from -_REACH to _REACH pixels.
_BINS, _REACH = 99, 50.0


_LAYERS = ((64, 3, 1, 1), (128, 4, 2, 1), (256, 6, 1, 2), (512, 3, 1, 4))  # width, n, stride, dil.


_IMAGE, _SPARSE = 256, 16  # channels of the two encoders


_BRANCHES = (1, 2, 4, 8)  # downsampling factor of each branch of the decoder


@dataclass(frozen=True, eq=False)
class EncodedReference:
    """Contribution of the image to the flow of every frame; (1, C, h, w) each."""

    branches: tuple[Tensor, ...]  # to the first convolution of each decoder branch
    fusion4: Tensor  # to the convolution at 1/4 of the size
    fusion2: Tensor  # to the convolution at 1/2 of the size


class CmpNetwork(nn.Module):
    """Image and sparse flow to dense flow; parameter names are those of the released file.

    For inference only: batch norms use the statistics of the file.
    """

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = ImageEncoder()
        self.flow_encoder = FlowEncoder()
        self.flow_decoder = FlowDecoder()
        self.eval()

    @property
    def dtype(self) -> torch.dtype:
        return self.flow_decoder.head.weight.dtype

    @torch.no_grad()
    def encode_reference(self, image: Tensor) -> EncodedReference:
        """Compute everything that depends only on the image, three quarters of the work of a frame.

        Args:
            image: (3, h, w) 0…1, sides multiples of 64.
        """
        image = image.to(self.flow_decoder.head.weight)[None]
        return self.flow_decoder.share_of(*self.image_encoder(image * 2 - 1))

    @torch.no_grad()
    def flow(self, encoded: EncodedReference, sparse: Tensor, mask: Tensor) -> Tensor:
        """Dense flow of a batch of frames.

        Args:
            sparse: (n, 2, h, w) pixels, (dx, dy) at the joints (`motion.sparse_flow.sparse_flow`).
            mask: (n, 2, h, w) 1 at the joints.

        Returns:
            (n, 2, h, w) float32 pixels, (dx, dy), on the network's device.
        """
        marks = torch.cat([sparse, mask], 1).to(self.flow_decoder.head.weight)
        logits = self.flow_decoder(encoded, self.flow_encoder(marks))
        return _resize(expected_flow(logits), sparse.shape[-2:])


def expected_flow(logits: Tensor) -> Tensor:
    """Expected value of the distribution of each flow component.

    See docs/reference_behaviour.md#cmp-dense-motion, fuser.

    Args:
        logits: (n, 2 · 99, h, w), dx first.

    Returns:
        (n, 2, h, w) float32, within ±49.5.
    """
    step = 2 * _REACH / _BINS
    centres = torch.arange(_BINS, device=logits.device) * step - _REACH + step / 2
    share = logits.float().unflatten(1, (2, _BINS)).softmax(2)
    return share.mul_(centres[:, None, None]).sum(2)


class ImageEncoder(nn.Module):
    """ResNet-50 with dilation instead of stride in the last two layers; output at 1/8 size."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        in_channels = 64
        for number, (width, count, stride, dilation) in enumerate(_LAYERS, 1):
            blocks = [Bottleneck(in_channels, width, stride, dilation)]
            in_channels = width * Bottleneck.GROWTH
            blocks += [Bottleneck(in_channels, width, 1, dilation) for _ in range(count - 1)]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.conv5 = nn.Conv2d(in_channels, _IMAGE, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 3, h, w) in -1…1 to features at 1/8, and intermediate features at 1/2 and 1/4."""
        half = F.relu(self.bn1(self.conv1(x)))
        quarter = self.layer1(F.max_pool2d(half, 3, 2, 1))
        x = self.layer4(self.layer3(self.layer2(quarter)))
        return self.conv5(x), half, quarter


class Bottleneck(nn.Module):
    GROWTH = 4

    def __init__(self, given: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        wide = width * self.GROWTH
        self.conv1 = nn.Conv2d(given, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.downsample = None
        if given != wide:
            self.downsample = nn.Sequential(
                nn.Conv2d(given, wide, 1, stride, bias=False), nn.BatchNorm2d(wide)
            )

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + residual)


class FlowEncoder(nn.Module):
    """(n, 4, h, w) sparse flow and mask to (n, 16, h/8, w/8)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(4, _SPARSE, 5, 2, 2), nn.BatchNorm2d(_SPARSE), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(_SPARSE, _SPARSE, 3, 1, 1), nn.BatchNorm2d(_SPARSE), nn.ReLU(),
            nn.AvgPool2d(2),
        )  # fmt: skip

    def forward(self, marks: Tensor) -> Tensor:
        return self.features(marks)


class FlowDecoder(nn.Module):
    """Image and motion features to logits at half the size of the image."""

    def __init__(self) -> None:
        super().__init__()
        for shrink in _BRANCHES:
            layers = _convolutions(_IMAGE + _SPARSE, 128, 128, 128)
            if shrink > 1:
                layers.insert(0, nn.MaxPool2d(shrink))
            setattr(self, f"decoder{shrink}", nn.Sequential(*layers))
        self.fusion8 = nn.Sequential(*_convolutions(128 * len(_BRANCHES), 256))
        self.skipconv4 = nn.Sequential(*_convolutions(256, 128))
        self.fusion4 = nn.Sequential(*_convolutions(256 + 128, 128))
        self.skipconv2 = nn.Sequential(*_convolutions(64, 32))
        self.fusion2 = nn.Sequential(*_convolutions(128 + 32, 64))
        self.head = nn.Conv2d(64, 2 * _BINS, 1)

    def share_of(self, eighth: Tensor, half: Tensor, quarter: Tensor) -> EncodedReference:
        """Contribution of the image features, biases included."""
        branches = []
        for shrink in _BRANCHES:
            conv, _ = self._branch(shrink)
            branches.append(_part(conv, F.max_pool2d(eighth, shrink), slice(None, _IMAGE), True))
        return EncodedReference(
            tuple(branches),
            _part(_first(self.fusion4), self.skipconv4(quarter), slice(256, None), True),
            _part(_first(self.fusion2), self.skipconv2(half), slice(128, None), True),
        )

    def forward(self, encoded: EncodedReference, sparse: Tensor) -> Tensor:
        """(n, 16, h/8, w/8) to (n, 198, h/2, w/2)."""
        outputs = []
        for shrink, share in zip(_BRANCHES, encoded.branches, strict=True):
            conv, rest = self._branch(shrink)
            x = _part(conv, F.max_pool2d(sparse, shrink), slice(_IMAGE, None)) + share
            outputs.append(_resize(rest(x), sparse.shape[-2:]))
        x = self.fusion8(torch.cat(outputs, 1))
        for fusion, share in ((self.fusion4, encoded.fusion4), (self.fusion2, encoded.fusion2)):
            x = _resize(x, share.shape[-2:])
            x = fusion[1:](_part(_first(fusion), x, slice(None, x.shape[1])) + share)
        return self.head(x)

    def _branch(self, shrink: int) -> tuple[nn.Conv2d, nn.Sequential]:
        """The first convolution of a branch and the layers after it."""
        layers = getattr(self, f"decoder{shrink}")
        first = 1 if shrink > 1 else 0  # after the pooling layer
        return layers[first], layers[first + 1 :]


def _convolutions(in_channels: int, *widths: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(in_channels, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU()]
        in_channels = width
    return layers


def _first(layers: nn.Sequential) -> nn.Conv2d:
    return cast(nn.Conv2d, layers[0])


def _part(conv: nn.Conv2d, x: Tensor, channels: slice, bias: bool = False) -> Tensor:
    """Contribution of some input channels to a convolution; the parts sum to its output."""
    return F.conv2d(x, conv.weight[:, channels], conv.bias if bias else None, padding=1)


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)
