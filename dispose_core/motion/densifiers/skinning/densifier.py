"""Skinning densifier: moves the person by linear blend skinning, without model weights.

Limbs, head, torso and, if detected, palms and fingers are bones (`rig.py`). A pixel follows the
bones near it; the background does not move.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....pose.sequence import PoseSequence
from ....progress import Progress
from ..base import DenseMotion
from .body_model import BodyModel, build_body_model
from .limbs import measure_body_scale
from .person_segmentation import find_subject
from .rig import Bone, build_bones
from .volume_preservation import limb_volumes

# Longest side of the working grid, on which limbs are 10 to 40 pixels thick.
WORKING_SIDE = 512
# Frames per batch, a few MB.
_CHUNK = 4
# Skinning weights are max(distance, _NEAREST) ^ -_SHARPNESS, with distances in bone thicknesses.
_SHARPNESS, _NEAREST = 6.0, 0.05
# Blur of the weights as a share of the shoulder width, at most this share of a bone's thickness.
_SOFTENING, _THIN_SOFTENING = 0.03, 0.4
# Full flow and fade-out beyond the mask, in shoulder widths, as masks are a pixel or two off.
_KEEP, _FADE = 0.02, 0.05


WORKING_MEMORY = 0  # computes on the CPU


def load_network(files: Mapping[str, Path]) -> None:
    """Return None, as there is no network (`registry.DensifierModule`)."""


def build(
    network: nn.Module | None,
    subject: Tensor | None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    official: bool = False,
) -> SkinningDensifier:
    """Create the densifier of one sequence (`registry.DensifierModule`)."""
    return SkinningDensifier(subject)


class SkinningDensifier:
    """Densifier by linear blend skinning (protocol `base.Densifier`).

    Args:
        subject: (1, H, W) or (H, W) mask of the person, 0…1, of any size; estimated from the
            skeleton and the image when None.
    """

    def __init__(self, subject: Tensor | None = None) -> None:
        self.subject = subject

    def __call__(self, image: Tensor, sequence: PoseSequence, on_frame: Progress) -> DenseMotion:
        """Compute the flow from frame 0 to every frame; zero outside the person and without a pose.

        Args:
            image: (3, H, W) reference, 0…1.
            sequence: F+1 poses of one person, frame 0 the reference.

        Returns:
            Flow (F+1, 2, h, w) with a longest side of at most 512; `layer` (h, w), larger is
            nearer, arms before head and torso; `subject` (h, w), the mask used.
        """
        height, width = image.shape[-2:]
        size = working_size((height, width))
        grid = torch.zeros(len(sequence), 2, *size)
        layer = torch.zeros(size)
        if not sequence.body_visible[0].any():
            for frame in range(len(sequence)):
                on_frame(frame + 1, len(sequence))
            return DenseMotion(grid, layer, report=["reference: no body point seen, no motion"])
        small = F.interpolate(image[None].float().cpu(), size, mode="area")[0]
        if self.subject is None:
            mask = find_subject(small, sequence[0])
        else:
            mask = self.subject.detach().float().cpu().reshape(1, 1, *self.subject.shape[-2:])
            mask = F.interpolate(mask, size, mode="area")[0, 0]
        body = build_body_model(sequence, size)
        skin = _Skin(body, mask.numpy(), on_frame)
        skin.move(grid)
        grid[~torch.from_numpy(body.present)] = 0.0  # exactly zero
        skin.order(layer)
        report = _report(body, self.subject is None, mask)
        return DenseMotion(grid, layer, subject=mask, report=report)


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """(h, w) of the grid for an image of (H, W); the longest side is at most 512."""
    scale = min(1.0, WORKING_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


class _Skin:
    """Skinning weights of all pixels and bone transforms of all frames.

    Linear blend skinning: a pixel p moves by sum_b w_b · (M_b - I) · (x, y, z, 1), with the 2×4
    transforms M_b of the bones. A bone with different transforms at both ends counts as two bones,
    weighted along its axis. The sum over bones is one matrix product per frame.
    """

    def __init__(self, body: BodyModel, mask: np.ndarray, on_frame: Progress) -> None:
        self.on_frame = on_frame
        inside = (mask > 0.5).astype(np.uint8)
        thickness = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        if inside.all():  # OpenCV's distance is undefined without background
            thickness = np.full(mask.shape, float(max(mask.shape)), np.float32)
        bones = build_bones(body, thickness)
        outside = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        if not inside.any():
            outside = np.full(mask.shape, np.inf, np.float32)
        keep, fade = _KEEP * body.unit + 0.5, _FADE * body.unit + 1
        strength = np.clip(1 - (outside - keep) / fade, 0, 1)
        rows, columns = np.nonzero(strength)
        self.at = torch.from_numpy(rows * mask.shape[1] + columns)
        points = np.stack([columns + 0.5, rows + 0.5], 1)
        weights = self._weights(bones, points, rows, columns, _SOFTENING * body.unit)
        self.layers = np.array([bone.layer for bone in bones], np.float32)[weights.argmax(0)]

        self.points = torch.from_numpy(points).float()
        self.volumes = limb_volumes(body, bones, measure_body_scale(body), points, weights)
        self.strength = torch.from_numpy(strength[rows, columns]).float()
        weights = weights * strength[rows, columns]
        features, transforms = [], []
        for bone, weight in zip(bones, weights, strict=True):
            along = bone.shape.along(points)
            depth = bone.shape.depth(points)
            ends = [(bone.start, weight)]
            if bone.end is not bone.start:
                ends = [(bone.start, weight * (1 - along)), (bone.end, weight * along)]
            for transform, part in ends:
                x, y = (points * part[:, None]).T
                features.append(np.stack([x, y, depth * part, part]))
                transforms.append(transform)
        # Subtracting the identity gives displacements, so that resting pixels stay exactly.
        displacement = np.stack(transforms, 2) - np.eye(2, 4)[None, :, None]
        self.features = torch.from_numpy(np.concatenate(features).astype(np.float32))
        self.transforms = torch.from_numpy(
            displacement.reshape(len(displacement), 2, -1).astype(np.float32)
        )

    def _weights(
        self, bones: list[Bone], points: np.ndarray, rows: np.ndarray, columns: np.ndarray,
        softening: float,
    ) -> np.ndarray:  # fmt: skip
        """(B, N) skinning weights of the points, which sum to one over the bones."""
        distances = np.stack([bone.shape.distance(points) for bone in bones]).astype(np.float32)
        weights = np.maximum(distances, _NEAREST) ** -_SHARPNESS
        weights /= weights.sum(0)
        if not len(points):
            return weights
        top, left = rows.min(), columns.min()
        box = np.zeros((rows.max() - top + 1, columns.max() - left + 1), np.float32)
        for bone, weight in zip(bones, weights, strict=True):
            box[rows - top, columns - left] = weight
            sigma = max(min(softening, _THIN_SOFTENING * bone.shape.thickness), 0.3)
            weight[:] = cv2.GaussianBlur(box, (0, 0), sigma)[rows - top, columns - left]
        return weights / weights.sum(0)

    def move(self, grid: Tensor) -> None:
        """Fill `grid` (n, 2, h, w) with the flow of every frame."""
        flat = grid.view(len(grid), 2, -1)
        for first in range(0, len(grid), _CHUNK):
            frames = range(first, min(first + _CHUNK, len(grid)))
            flow = self.transforms[frames.start : frames.stop] @ self.features
            for frame, frame_flow in zip(frames, flow, strict=True):
                if frame:  # frame 0 is the reference and does not move
                    self._keep_volume(frame, frame_flow)
            flat[frames.start : frames.stop, :, self.at] = flow
            for frame in frames:
                self.on_frame(frame + 1, len(grid))

    def _keep_volume(self, frame: int, flow: Tensor) -> None:
        """Apply volume preservation of bent limbs to the flow (2, N) of one frame."""
        for limb in self.volumes:
            positions = self.points[limb.at] + flow[:, limb.at].T
            correction = limb.correct(frame, positions) * self.strength[limb.at, None]
            flow[:, limb.at] += correction.T

    def order(self, layer: Tensor) -> None:
        """Fill `layer` (h, w) with the drawing order of each pixel's dominant bone."""
        layer.view(-1)[self.at] = torch.from_numpy(self.layers)


def _report(body: BodyModel, found: bool, mask: Tensor) -> list[str]:
    share = 100 * (mask > 0.5).float().mean().item()
    source = "found from the skeleton and the image" if found else "mask given"
    lines = [f"skinning: the person covers {share:.0f} % of the image ({source})"]
    for side, far in zip(("left", "right"), body.far_hands.T, strict=True):
        if far.any():
            lines.append(
                f"{side} hand left out in {far.sum()} of {len(far)} poses: farther from the arm's "
                "wrist than a hand reaches"
            )
    return lines
