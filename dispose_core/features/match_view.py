"""Visualise matches of the reference's joints in another image."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import MediaError
from ..media.resize import LONGEST
from ..pose import skeleton
from ..pose.sequence import PoseSequence
from .keypoint_features import KeypointFeatures
from .matching import Match, best_match, similarity_map

DIM = 0.55  # brightness of the images, so that the markers stand out
MULTIPLE = 64  # divisor of the sides of the target image
RING = 0.012  # radius of a marker as a share of the image's shorter side


def match_joints(features: KeypointFeatures, feature_map: Tensor) -> dict[int, Match]:
    """Best match of each visible joint of the reference, by joint index.

    Args:
        features: those of the reference.
        feature_map: (C, h, w) of the target image.

    Raises:
        NetworkError: the map was made with another model.
    """
    joints = features.valid.nonzero().flatten().tolist()
    return {j: best_match(similarity_map(features, j, feature_map)) for j in joints}


def describe_matches(matches: dict[int, Match]) -> str:
    """Similarity of each match, one per line."""
    lines = [f"{len(matches)} of {skeleton.N_BODY} joints have features"]
    lines += [
        f"{skeleton.BODY[j]}: similarity {match.similarity:.2f}" for j, match in matches.items()
    ]
    return "\n".join(lines)


def fit_target(target: Tensor, height: int) -> Tensor:
    """Resize (3, h, w) 0…1 to about this height without cropping, to multiples of 64.

    Raises:
        MediaError: the image is more than 8 times as long as wide.
    """
    short, long = sorted(target.shape[1:])
    if long > LONGEST * short:
        raise MediaError(
            f"target of {target.shape[2]}×{target.shape[1]}: more than {LONGEST} times as long as "
            "wide. Crop it around the person."
        )
    scale = height / target.shape[1]
    size = [max(round(side * scale / MULTIPLE), 1) * MULTIPLE for side in target.shape[1:]]
    return F.interpolate(target[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def match_image(
    reference: Tensor, pose: PoseSequence, target: Tensor, matches: dict[int, Match]
) -> Tensor:
    """Reference and target side by side, with a line from each joint to its match.

    Args:
        reference: (3, H, W) 0…1.
        pose: pose of the reference, one frame.
        target: (3, h, w) 0…1; resized to the reference's height.

    Returns:
        (3, H, W + W') 0…1
    """
    height, width = reference.shape[1:]
    target_width = max(round(target.shape[2] * height / target.shape[1]), 1)
    target = F.interpolate(target[None].float(), (height, target_width), mode="area")[0]
    both = torch.cat([reference.float().cpu(), target.cpu()], 2) * DIM
    canvas = (both.movedim(0, -1) * 255).round().byte().numpy().copy()
    radius = max(round(RING * min(height, width)), 3)
    for joint, match in matches.items():
        x, y = pose.body[0, joint] * (width, height)
        start = round(float(x)), round(float(y))
        end = round(width + match.x * target_width), round(match.y * height)
        _mark(canvas, start, end, radius, skeleton.COLOURS[joint])
    return torch.from_numpy(canvas.astype(np.float32)).div_(255).movedim(-1, 0)


def _mark(
    canvas: np.ndarray,
    start: tuple[int, int],
    end: tuple[int, int],
    radius: int,
    colour: tuple[int, int, int],
) -> None:
    cv2.line(canvas, start, end, colour, max(radius // 4, 1), cv2.LINE_AA)
    for place in (start, end):
        cv2.circle(canvas, place, radius, colour, -1, cv2.LINE_AA)
        cv2.circle(canvas, place, radius, (255, 255, 255), max(radius // 4, 1), cv2.LINE_AA)
