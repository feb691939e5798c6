"""The densifier that asks the CMP network what moves along with the joints.

See docs/reference_behaviour.md#cmp-dense-motion.

The image is encoded once a clip; frames go in batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

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

GRID = (384, 384)  # (h, w), what the released weights were used at
CHUNK = 8  # frames computed at once
WORKING_MEMORY = CHUNK << 27  # bytes, beside the weights, with room to spare
_BACKGROUND = 0.5  # background taken out: 0 for the network, as is what lies beyond the edges


def load_network(files: Mapping[str, Path]) -> CmpNetwork:
    """CMP from its file (`registry.DensifierModule`)."""
    return load_cmp(files["cmp"])


def build(
    network: nn.Module | None,
    subject: Tensor | None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    official: bool = False,
) -> CmpDensifier:
    """The densifier of one clip (`registry.DensifierModule`)."""
    return CmpDensifier(
        cast(CmpNetwork, network), subject, device=device, dtype=dtype, official=official
    )


class CmpDensifier:
    """Spreads joint motion by the CMP network (protocol `densify.Densifier`).

    Args:
        network: CMP (`checkpoints.load_cmp`). It is moved to `device` and `dtype`, and stays there.
        subject: (1, H, W) or (H, W) mask of the person, 0…1, of any size. The rest is made plain
            grey first: CMP is more accurate without a background (paper, appendix H). Without a
            mask the network sees the whole image, as in the official code.
        chunk: frames computed at once.
        device: where to compute; where the network is when None.
        dtype: what to compute in; the network's when None.
        official: keep the official code's reading of missing joints (`sparse.sparse_flow`).
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
        """Flow from frame 0 to every frame; zero without a pose.

        Args:
            image: (3, H, W) reference, 0…1.
            sequence: F+1 poses of one person, frame 0 the reference.
            on_frame: called after each frame; may raise to cancel.

        Returns:
            grid (F+1, 2, 384, 384), to be enlarged by the nearest point as the official code does;
            `subject` (384, 384), the mask given or found, and `layer`, the drawing order of the
            limbs: CMP knows neither, and the preview cuts the person out by them.
        """
        network = self.network.to(self.device, self.dtype)
        small = image_on_grid(image.float(), GRID)
        report = ["CMP: saw the whole image"]
        if self.subject is not None:
            given = self.subject.detach().float().reshape(1, *self.subject.shape[-2:])
            alone = image_on_grid(given, GRID).to(small)
            small = torch.lerp(small.new_tensor(_BACKGROUND), small, alone)
            report = [
                f"CMP: saw the person alone, {100 * alone.mean().item():.0f} % of the image; "
                "the rest was made plain grey"
            ]
        subject, layer = _person(image, sequence[0], self.subject)
        height, width = image.shape[-2:]
        present = sequence.body_visible.any(-1)
        encoded = network.encode_reference(small)
        grid = torch.zeros(len(sequence), 2, *GRID)
        on_frame(1, len(sequence))
        for start in range(1, len(sequence), self.chunk):
            part = range(start, min(start + self.chunk, len(sequence)))
            seen = [frame for frame in part if present[frame]]
            if seen:
                marks = sparse_flow(sequence, (height, width), GRID, seen, self.official)
                grid[seen] = network.flow(encoded, *marks).cpu()
            for frame in part:
                on_frame(frame + 1, len(sequence))
        return DenseMotion(grid, layer, subject, "nearest", report)


def _person(
    image: Tensor, pose: PoseSequence, given: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """(384, 384) where the person is and which limb is drawn before which, as skinning has it."""
    still = SkinningDensifier(given)(image, pose, no_progress)
    subject, layer = (
        None if plane is None else F.interpolate(plane[None, None], GRID, mode="nearest")[0, 0]
        for plane in (still.subject, still.layer)
    )
    return subject, layer
