"""Landmarks of one person: regions, crops and networks in the order of MediaPipe Holistic.

The constants are those of the graph that the wheel contains (holistic_landmark_cpu).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from .boxes import anchors, decode
from .networks import Network
from .regions import (
    Region,
    around,
    enclosing,
    enclosing_turned,
    level,
    squares_along,
    upward,
    whole_image,
)
from .steady_points import SteadyPoints

_PRESENT = 0.5  # least confidence of a network that its body, hand or face is in the region

# Body landmarks: MediaPipe's 33 points, then two that span the region of the next frame.
_BODY_POINTS = 33
_BODY_OUTPUTS = 39
_REGION_POINTS = slice(33, 35)
_BODY_SCALE = 1.25

# The heatmaps' (9, 9) neighbourhood of a landmark refines its position.
_REFINE_RADIUS = 4
_REFINE_MIN = 0.5

# Points of the hand among the body's: wrist, little finger, index finger; the left hand first.
_HANDS = ((15, 17, 19), (16, 18, 20))
_WRIST_VISIBLE = 0.1
_HAND_FROM_BODY_SCALE = 2.7
_HAND_SHIFT = -0.1
_HAND_SCALE = 2.0
_PALM = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
_MIDDLE_KNUCKLES, _INDEX_AND_RING = 9, [5, 13]

_HEAD = slice(0, 11)
_EYES = (5, 2)  # the person's right and left eye among the body landmarks
_HEAD_SCALE = 3.0
_FACE_BOX_SCALE, _FACE_BOX_SHIFT = 2.0, -0.1
_FACE_EYE_CORNERS = (33, 263)
_FACE_SCALE = 1.5

_PERSON_STRIDES = (8, 16, 32, 32, 32)
_FACE_STRIDES = (8, 16, 16, 16)


@dataclass(frozen=True)
class _Drift:
    """How far a tracked region may lie from the one that is found anew.

    Attributes:
        degrees: of rotation.
        shift, scale: relative to the region's size.
        margin: of the new region, relative to its size, that the old landmarks may not leave.
    """

    degrees: float
    shift: float
    scale: float
    margin: float


_HAND_DRIFT = _Drift(40, 0.2, 0.4, -0.1)
_FACE_DRIFT = _Drift(15, 0.1, 0.3, -0.2)


@dataclass(frozen=True)
class RegionMask:
    """Outline of a person in a region; see `base.PersonMask`.

    Attributes:
        values: (side, side) uint8, the probability that a pixel shows the person times 255.
        region: where the values lie in the image.
    """

    values: np.ndarray
    region: Region

    def on_canvas(self, size: tuple[int, int]) -> np.ndarray:
        return self.region.paste(self.values.astype(np.float32) / 255, size)


@dataclass
class Person:
    """What was found of a person in one frame.

    Attributes:
        body: (33, 2) positions in pixels.
        visibility: (33,) confidence that a point is in view, 0…1.
        span: the two points that span the region of the next frame.
        hands: (21, 2) left and right hand, or None.
        face: (468, 2) face mesh, or None.
        mask: outline of the person.
    """

    body: np.ndarray
    visibility: np.ndarray
    span: SteadyPoints
    mask: RegionMask
    hands: list[np.ndarray | None] = field(default_factory=lambda: [None, None])
    face: np.ndarray | None = None

    @property
    def region(self) -> Region:
        """Where to look for the person in the next frame."""
        return around(self.span.points, _BODY_SCALE)


class Holistic:
    """The networks and their order."""

    def __init__(self, networks: Mapping[str, Network]) -> None:
        self._networks = networks
        self._person_anchors = anchors(networks["person"].side, _PERSON_STRIDES)
        self._face_anchors = anchors(networks["face_region"].side, _FACE_STRIDES)

    def regions_of_people(self, image: np.ndarray) -> list[Region]:
        """Find the regions of all people in an (H, W, 3) uint8 image, the clearest first.

        If nobody is found in the whole image, people may be too small in it; then squares of its
        short side are searched.
        """
        whole = whole_image(image.shape[:2])
        return self._regions_within(image, whole) or [
            region
            for square in squares_along(image.shape[:2])
            for region in self._regions_within(image, square)
        ]

    def _regions_within(self, image: np.ndarray, area: Region) -> list[Region]:
        network = self._networks["person"]
        crop = area.crop(image, network.side, cv2.BORDER_CONSTANT) * 2 - 1
        boxes, logits = network(crop)
        found = decode(boxes, logits, self._person_anchors, network.side)
        return [around(area.to_image(person.keypoints[:2]), _BODY_SCALE) for person in found]

    def person(
        self, image: np.ndarray, region: Region, previous: Person | None = None
    ) -> Person | None:
        """Find the landmarks of the person in a region; None if nobody is there.

        Args:
            previous: the same person in the frame before; hands and face are tracked from there.
        """
        person = self.body(image, region)
        if person is None:
            return None
        if previous is not None:
            person.span = previous.span.follow(person.span.raw)
        for side in range(2):
            old = previous.hands[side] if previous else None
            person.hands[side] = self._hand(image, person, _HANDS[side], old)
        person.face = self._face(image, person, previous.face if previous else None)
        return person

    def body(self, image: np.ndarray, region: Region) -> Person | None:
        """Find the body landmarks alone; None if nobody is in the region."""
        network = self._networks["body"]
        landmarks, present, mask, heatmaps, _ = network(region.crop(image, network.side))
        if present[0] < _PRESENT:
            return None
        landmarks = landmarks.reshape(_BODY_OUTPUTS, 5).astype(np.float64)
        points = _refine(landmarks[:, :2] / network.side, heatmaps)
        points = region.to_image(points)
        return Person(
            points[:_BODY_POINTS],
            _sigmoid(landmarks[:_BODY_POINTS, 3]),
            SteadyPoints.start(points[_REGION_POINTS]),
            RegionMask((255 * _sigmoid(mask[..., 0]) + 0.5).astype(np.uint8), region),
        )

    def _hand(
        self, image: np.ndarray, person: Person, points: tuple, old: np.ndarray | None
    ) -> np.ndarray | None:
        """Find the (21, 2) landmarks of a hand; None if it is not in view."""
        if person.visibility[points[0]] < _WRIST_VISIBLE:
            return None
        wrist, little, index = person.body[list(points)]
        knuckles = (2 * index + little) / 3
        span = np.stack([knuckles, 2 * knuckles - wrist])
        rough = around(span, _HAND_FROM_BODY_SCALE, _HAND_SHIFT)
        finder = self._networks["hand_region"]
        (ends,) = finder(rough.crop(image, finder.side))
        center, below = rough.to_image(ends.reshape(2, 2).astype(np.float64) / finder.side)
        region = around(np.stack([center, 2 * center - below]), shift=_HAND_SHIFT)
        if old is not None:
            region = _tracked(region, _hand_region(old), old, _HAND_DRIFT)
        network = self._networks["hand"]
        landmarks, present, *_ = network(region.crop(image, network.side))
        if present[0] < _PRESENT:
            return None
        return region.to_image(landmarks.reshape(21, 3)[:, :2].astype(np.float64) / network.side)

    def _face(self, image: np.ndarray, person: Person, old: np.ndarray | None) -> np.ndarray | None:
        """Find the (468, 2) face mesh; None if the face is not in view."""
        head = person.body[_HEAD]
        rough = enclosing(head, level(*head[list(_EYES)]), _HEAD_SCALE)
        finder = self._networks["face_region"]
        crop = rough.crop(image, finder.side, cv2.BORDER_CONSTANT) * 2 - 1
        boxes, logits = finder(crop)
        found = decode(boxes, logits, self._face_anchors, finder.side)
        if not found:
            return None
        keypoints = rough.to_image(found[0].keypoints)
        angle = level(keypoints[0], keypoints[1])
        region = enclosing(keypoints, angle, _FACE_BOX_SCALE, _FACE_BOX_SHIFT)
        if old is not None:
            corners = old[list(_FACE_EYE_CORNERS)]
            region = _tracked(
                region, enclosing(old, level(*corners), _FACE_SCALE), old, _FACE_DRIFT
            )
        network = self._networks["face"]
        landmarks, present = network(region.crop(image, network.side))
        if _sigmoid(present).item() < _PRESENT:
            return None
        return region.to_image(landmarks.reshape(-1, 3)[:, :2].astype(np.float64) / network.side)


def _hand_region(hand: np.ndarray) -> Region:
    """Region of a hand in the next frame, from its landmarks."""
    knuckles = (hand[_INDEX_AND_RING].mean(0) + hand[_MIDDLE_KNUCKLES]) / 2
    angle = upward(hand[0], knuckles)
    return enclosing_turned(hand[_PALM], angle, _HAND_SCALE, _HAND_SHIFT)


def _tracked(new: Region, old: Region, landmarks: np.ndarray, drift: _Drift) -> Region:
    """Return the tracked region unless it has drifted from the one that was found anew."""
    turned = abs((old.angle - new.angle + np.pi) % (2 * np.pi) - np.pi)
    shift = np.abs(new.center - old.center).max() / new.size
    inside = new.from_image(landmarks)
    near = (
        turned <= np.radians(drift.degrees)
        and shift <= drift.shift
        and abs(old.size / new.size - 1) <= drift.scale
        and inside.min() >= drift.margin
        and inside.max() <= 1 - drift.margin
    )
    return old if near else new


def _refine(points: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Move (N, 2) points to the center of mass of their heatmaps' neighbourhoods.

    Args:
        points: fractions of the region.
        heatmaps: (h, w, N) logits.
    """
    height, width, _ = heatmaps.shape
    refined = points.copy()
    for i, (x, y) in enumerate(points):
        column, row = int(x * width), int(y * height)
        if not (0 <= column < width and 0 <= row < height):
            continue
        top, left = max(0, row - _REFINE_RADIUS), max(0, column - _REFINE_RADIUS)
        part = heatmaps[top : row + _REFINE_RADIUS + 1, left : column + _REFINE_RADIUS + 1, i]
        weights = _sigmoid(part.astype(np.float64))
        if weights.max() < _REFINE_MIN:
            continue
        rows, columns = np.indices(weights.shape)
        refined[i] = (
            ((columns + left) * weights).sum() / weights.sum() / width,
            ((rows + top) * weights).sum() / weights.sum() / height,
        )
    return refined


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * values)  # does not overflow
