"""Densifier based on the CMP (conditional motion propagation) network.

See docs/reference_behaviour.md#cmp-dense-motion. The image is encoded once; frames are batched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...checkpoints.architectures.cmp import load_cmp
from ...models.cmp import CmpNetwork
from ...pose.sequence import PoseSequence
from ...progress import Progress, no_progress
from ..sparse_flow import image_on_grid, sparse_flow
from .base import DenseMotion
from .skinning.densifier import SkinningDensifier

GRID = (384, 384)  # (h, w), input size of the released weights
CHUNK = 8  # frames per batch
WORKING_MEMORY = CHUNK << 27  # upper bound in bytes, besides the weights
_BACKGROUND = 0.5  # grey of the removed background: 0 after normalisation, like padding


def load_network(files: Mapping[str, Path]) -> CmpNetwork:
    """Load CMP from its file (`registry.DensifierModule`)."""
    return load_cmp(files["cmp"])


def build(
    network: nn.Module | None,
    subject: Tensor | None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    official: bool = False,
) -> CmpDensifier:
    """Create the densifier of one sequence (`registry.DensifierModule`)."""
    return CmpDensifier(
        cast(CmpNetwork, network), subject, device=device, dtype=dtype, official=official
    )


class CmpDensifier:
    """Densifier that propagates joint motion with CMP (protocol `base.Densifier`).

    Args:
        network: CMP (`architectures.cmp.load_cmp`); moved to `device` and `dtype` on use.
        subject: (1, H, W) or (H, W) mask of the person, 0…1, of any size. The background is
            replaced by grey, which makes CMP more accurate (paper, appendix H). Without a mask the
            network receives the whole image, as in the official code.
        device: compute device; that of the network when None.
        dtype: compute dtype; that of the network when None.
        official: treat missing joints as the official code does (`sparse_flow`).
    """

    def __init__(
        self,
        network: CmpNetwork,
        subject: Tensor | None = None,
        chunk: int = CHUNK,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        official: bool = False,
    ) -> None:
        self.network = network
        self.subject = subject
        self.chunk = chunk
        self.device = device
        self.dtype = dtype
        self.official = official

    def __call__(self, image: Tensor, sequence: PoseSequence, on_frame: Progress) -> DenseMotion:
        """Compute the flow from frame 0 to every frame; zero without a pose.

        Args:
            image: (3, H, W) reference, 0…1.
            sequence: F+1 poses of one person, frame 0 the reference.

        Returns:
            Flow (F+1, 2, 384, 384), enlarged by nearest neighbour as in the official code;
            `subject` (384, 384), the given or estimated mask; `layer`, the drawing order of the
            limbs. CMP gives neither of the latter; they come from the skinning densifier, for the
            preview.
        """
        network = self.network.to(self.device, self.dtype)
        small = image_on_grid(image.float(), GRID)
        report = ["CMP: saw the whole image"]
        if self.subject is not None:
            mask = self.subject.detach().float().reshape(1, *self.subject.shape[-2:])
            person = image_on_grid(mask, GRID).to(small)
            small = torch.lerp(small.new_tensor(_BACKGROUND), small, person)
            report = [
                f"CMP: saw the person alone, {100 * person.mean().item():.0f} % of the image; "
                "the rest was made plain grey"
            ]
        subject, layer = _person(image, sequence[0], self.subject)
        height, width = image.shape[-2:]
        present = np.any(sequence.body_visible, axis=-1)
        encoded = network.encode_reference(small)
        grid = torch.zeros(len(sequence), 2, *GRID)
        on_frame(1, len(sequence))
        for start in range(1, len(sequence), self.chunk):
            part = range(start, min(start + self.chunk, len(sequence)))
            posed_frames = [frame for frame in part if present[frame]]
            if posed_frames:
                marks = sparse_flow(sequence, (height, width), GRID, posed_frames, self.official)
                grid[posed_frames] = network.flow(encoded, *marks).cpu()
            for frame in part:
                on_frame(frame + 1, len(sequence))
        return DenseMotion(grid, layer, subject, "nearest", report)


def _person(
    image: Tensor, pose: PoseSequence, given: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Mask and drawing order (384, 384) of the person, from the skinning densifier."""
    still = SkinningDensifier(given)(image, pose, no_progress)
    subject, layer = (
        None if plane is None else F.interpolate(plane[None, None], GRID, mode="nearest")[0, 0]
        for plane in (still.subject, still.layer)
    )
    return subject, layer
