"""`PoseSequence`: the points and scores of one person over T frames.

Several people are a list of sequences of equal length; a person absent from a frame is missing
there. Arrays are NumPy float64, because pixel-exact drawing
(docs/reference_behaviour.md#skeleton-drawing) and alignment to 1e-12
(docs/reference_behaviour.md#pose-alignment) need the precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from ..errors import PoseError
from . import skeleton
from .canvas import require_canvas, same_shape


@dataclass(frozen=True, eq=False)
class PoseSequence:
    """134 points of one person (`skeleton.py`: body 18, two hands of 21, face 68, feet 6).

    The constructor normalises missing points to score 0 and NaN coordinates, never (0, 0). A point
    with a low score keeps its coordinates; each reader decides which score counts as visible. Not
    every source has feet: arrays of the 128 points before them are completed by missing ones.

    Attributes:
        points: (T, 134, 2) x, y as fractions of the canvas; may lie outside 0…1.
        scores: (T, 134) confidence, 0…1.
        canvas: (height, width) in pixels of the image in which the pose was detected.
    """

    points: np.ndarray
    scores: np.ndarray
    canvas: tuple[int, int]

    def __post_init__(self) -> None:
        points = np.array(self.points, dtype=np.float64)
        scores = np.array(self.scores, dtype=np.float64)
        frames = len(points)
        if points.shape[1:] == (skeleton.N_WITHOUT_FEET, 2) and scores.shape == points.shape[:2]:
            padding = ((0, 0), (0, skeleton.N_POINTS - skeleton.N_WITHOUT_FEET))
            points = np.pad(points, (*padding, (0, 0)), constant_values=np.nan)
            scores = np.pad(scores, padding)
        if points.shape != (frames, skeleton.N_POINTS, 2) or scores.shape != (
            frames,
            skeleton.N_POINTS,
        ):
            raise PoseError(
                f"a pose needs points (T, {skeleton.N_POINTS}, 2) and scores "
                f"(T, {skeleton.N_POINTS}), "
                f"got {points.shape} and {scores.shape}."
            )
        missing = ~(np.isfinite(points).all(-1) & (scores > 0))
        points[missing] = np.nan
        scores[missing] = 0.0
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "scores", scores)

    @classmethod
    def empty(cls, frames: int, canvas: tuple[int, int]) -> PoseSequence:
        """Return a sequence of `frames` frames in which every point is missing."""
        return cls(
            np.full((frames, skeleton.N_POINTS, 2), np.nan),
            np.zeros((frames, skeleton.N_POINTS)),
            canvas,
        )

    @classmethod
    def from_parts(
        cls,
        canvas: tuple[int, int],
        body: np.ndarray,
        body_scores: np.ndarray,
        hands: np.ndarray | None = None,
        hands_scores: np.ndarray | None = None,
        face: np.ndarray | None = None,
        face_scores: np.ndarray | None = None,
    ) -> PoseSequence:
        """Build from body (T, 18, 2), left and right hand (T, 2, 21, 2), and face (T, 68, 2)."""
        pose = cls.empty(len(body), canvas)
        points, scores = pose.points.copy(), pose.scores.copy()
        points[:, skeleton.BODY_SLICE], scores[:, skeleton.BODY_SLICE] = body, body_scores
        if hands is not None:
            points[:, skeleton.HANDS_SLICE] = np.reshape(hands, (-1, 2 * skeleton.N_HAND, 2))
            flat_scores = cast(np.ndarray, hands_scores)
            scores[:, skeleton.HANDS_SLICE] = np.reshape(flat_scores, (-1, 2 * skeleton.N_HAND))
        if face is not None:
            points[:, skeleton.FACE_SLICE], scores[:, skeleton.FACE_SLICE] = face, face_scores
        return cls(points, scores, canvas)

    @property
    def body(self) -> np.ndarray:
        """(T, 18, 2)"""
        return self.points[:, skeleton.BODY_SLICE]

    @property
    def body_scores(self) -> np.ndarray:
        """(T, 18)"""
        return self.scores[:, skeleton.BODY_SLICE]

    @property
    def hands(self) -> np.ndarray:
        """(T, 2, 21, 2), left then right"""
        return self.points[:, skeleton.HANDS_SLICE].reshape(-1, 2, skeleton.N_HAND, 2)

    @property
    def hands_scores(self) -> np.ndarray:
        """(T, 2, 21), left then right"""
        return self.scores[:, skeleton.HANDS_SLICE].reshape(-1, 2, skeleton.N_HAND)

    @property
    def face(self) -> np.ndarray:
        """(T, 68, 2)"""
        return self.points[:, skeleton.FACE_SLICE]

    @property
    def face_scores(self) -> np.ndarray:
        """(T, 68)"""
        return self.scores[:, skeleton.FACE_SLICE]

    @property
    def feet(self) -> np.ndarray:
        """(T, 2, 3, 2), left then right: big toe, small toe, heel"""
        return self.points[:, skeleton.FEET_SLICE].reshape(-1, 2, skeleton.N_FOOT, 2)

    @property
    def feet_scores(self) -> np.ndarray:
        """(T, 2, 3), left then right"""
        return self.scores[:, skeleton.FEET_SLICE].reshape(-1, 2, skeleton.N_FOOT)

    @property
    def present(self) -> np.ndarray:
        """(T,) bool: frames in which at least one point was found."""
        return np.any(self.scores > 0, axis=-1)

    @property
    def body_visible(self) -> np.ndarray:
        """(T, 18) bool: body points with a score above `skeleton.VISIBLE`.

        See docs/reference_behaviour.md#pose-output.
        """
        return self.body_scores > skeleton.VISIBLE

    @property
    def visible(self) -> np.ndarray:
        """(T, 134) bool: `body_visible`, and all other points that were found."""
        visible = self.scores > 0
        visible[:, skeleton.BODY_SLICE] = self.body_visible
        return visible

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, frames: int | slice | Sequence[int] | np.ndarray) -> PoseSequence:
        """Select frames; a single index gives a sequence of length one."""
        if isinstance(frames, (int, np.integer)):
            frames = [int(frames)]
        return replace(self, points=self.points[frames], scores=self.scores[frames])

    def with_points(self, points: np.ndarray, scores: np.ndarray | None = None) -> PoseSequence:
        """Return a copy with other points and, optionally, other scores."""
        return replace(self, points=points, scores=self.scores if scores is None else scores)

    def with_binary_scores(self) -> PoseSequence:
        """Return a copy with score 1 for `visible` points and without all others."""
        return self.with_points(self.points, self.visible.astype(np.float64))


def slots_in_use(people: Sequence[PoseSequence]) -> list[int]:
    """Places that each frame's list of people needs, T numbers.

    Who is absent before somebody who is there keeps a place, or the next one would be taken for
    that person.
    """
    present = np.array([person.present for person in people])  # (P, T)
    return np.where(present.any(0), len(people) - present[::-1].argmax(0), 0).tolist()


def joined(first: Sequence[PoseSequence], second: Sequence[PoseSequence]) -> list[PoseSequence]:
    """People of two clips, one after the other; who is missing in one is absent there.

    Raises:
        PoseError: the clips have canvases of different shapes.
    """
    a, b = first[0].canvas, second[0].canvas
    if not same_shape(a, b):
        raise PoseError(
            f"poses: found in images of different shapes, {a[1]}×{a[0]} and {b[1]}×{b[0]}. Align "
            "the driving poses with the reference pose first (Pose Align)."
        )
    slots = max(len(first), len(second))
    nobody = [PoseSequence.empty(len(clip[0]), b) for clip in (first, second)]
    pairs = zip(
        [*first, *nobody[:1] * (slots - len(first))],
        [*second, *nobody[1:] * (slots - len(second))],
        strict=True,
    )
    return [
        PoseSequence(
            np.concatenate([one.points, other.points]),
            np.concatenate([one.scores, other.scores]),
            b,
        )
        for one, other in pairs
    ]


def join_sequences(reference: PoseSequence, driving: PoseSequence) -> PoseSequence:
    """Concatenate the reference pose (frame 0) and the aligned driving poses (frames 1…F).

    Raises:
        PoseError: the reference is not exactly one pose, there is no driving pose, or the two have
            canvases of different shapes.
    """
    if len(reference) != 1:
        raise PoseError(
            f"reference pose: {len(reference)} poses, needed 1. "
            "Connect the pose of the reference image here and those of the video to 'driving'."
        )
    if len(driving) == 0:
        raise PoseError("driving poses: the list is empty. Extract or load at least one pose.")
    if reference.canvas != driving.canvas:
        require_canvas(reference.canvas, "reference pose")
        require_canvas(driving.canvas, "driving poses")
        if not same_shape(reference.canvas, driving.canvas):
            (height, width), (h, w) = driving.canvas, reference.canvas
            raise PoseError(
                f"driving poses: found in images of {width}×{height} pixels, whose shape is not "
                f"that of the reference pose's image ({w}×{h}). Align them with the reference pose "
                "first (Pose Align)."
            )
    return PoseSequence(
        np.concatenate([reference.points, driving.points]),
        np.concatenate([reference.scores, driving.scores]),
        reference.canvas,
    )
