"""Data of the point view in the browser: two images and a similarity map for each joint."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..media.sprite_sheet import fit_longest, jpeg
from ..pose import skeleton
from ..pose.sequence import PoseSequence
from .keypoint_features import KeypointFeatures
from .matching import best_match, similarity_map

COLUMNS = 6  # maps per row
LONGEST_MAP = 128  # longer side of a map


@dataclass(frozen=True, eq=False)
class PointView:
    """Files and metadata of the view.

    Attributes:
        reference, target: JPEG files.
        maps: PNG of greyscale maps, `COLUMNS` per row, in the order of `joints`; each map is scaled
            from its lowest (black) to its highest similarity (white).
        map_size: (w, h) of a map.
        joints: for each visible joint `name`; `at` and `match`, its position in the reference and
            the best match in the target, fractions; `similarity` of the match; `lowest` of the map.
            Similarities are cosines.
    """

    reference: bytes
    target: bytes
    maps: bytes
    map_size: tuple[int, int]
    joints: list[dict]

    def describe(self) -> dict:
        return {"map_size": list(self.map_size), "columns": COLUMNS, "joints": self.joints}


def point_view(
    reference: Tensor,
    pose: PoseSequence,
    target: Tensor,
    features: KeypointFeatures,
    feature_map: Tensor,
) -> PointView | None:
    """Build the view.

    Args:
        reference: (3, H, W) 0…1.
        pose: pose of the reference, one frame.
        target: (3, h, w) 0…1, the image to search.
        features: those of the reference.
        feature_map: (C, h', w') of the target, made with the same model and options.

    Returns:
        None if the reference shows no joint.

    Raises:
        NetworkError: the map was made with another model.
    """
    visible_joints = features.valid.nonzero().flatten().tolist()
    if not visible_joints:
        return None
    joints, tiles = [], []
    for joint in visible_joints:
        similarity = similarity_map(features, joint, feature_map)
        match, lowest = best_match(similarity), float(similarity.min())
        joints.append(
            {
                "name": skeleton.BODY[joint],
                "at": [round(float(part), 4) for part in pose.body[0, joint]],
                "match": [round(match.x, 4), round(match.y, 4)],
                "similarity": round(match.similarity, 3),
                "lowest": round(lowest, 3),
            }
        )
        tiles.append(_grey(similarity, lowest, match.similarity))
    height, width = tiles[0].shape
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)]
    maps = cv2.imencode(".png", np.concatenate(rows))[1].tobytes()
    return PointView(_small(reference), _small(target), maps, (width, height), joints)


def _grey(similarity: Tensor, lowest: float, highest: float) -> np.ndarray:
    level = (similarity - lowest) / max(highest - lowest, 1e-6)
    grey = level.mul(255).round().clamp(0, 255).to(torch.uint8).numpy()
    height, width = fit_longest((grey.shape[0], grey.shape[1]), LONGEST_MAP)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)


def _small(image: Tensor) -> bytes:
    pixels = image.movedim(0, -1).mul(255).round().clamp(0, 255).byte().cpu().numpy()
    height, width = fit_longest((pixels.shape[0], pixels.shape[1]))
    return jpeg(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
