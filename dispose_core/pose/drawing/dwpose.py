"""DWPose's drawing and its relatives: the same skeleton with other widths, colours and parts.

What differs from model to model is a table of `Rules`; `RulePainter` draws by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from .. import skeleton
from ..feet import toes_middle
from ..sequence import PoseSequence
from .shapes import BACKGROUNDS, EDGE_HUES, DrawOptions, draw_limb, pixel, valid_scores

Size = tuple[int, int]  # (H, W)
Colour = tuple[int, int, int]

N_JOINTS = skeleton.N_BODY + 2  # the body, then the toes of the left and of the right foot
TOE_LIMBS = ((skeleton.ANKLES[1], 18), (skeleton.ANKLES[0], 19))  # left, right


@dataclass(frozen=True)
class Toes:
    """Colours of the limbs from the ankles to the toes and of the toes: left, right."""

    limbs: tuple[Colour, Colour]
    joints: tuple[Colour, Colour]


@dataclass(frozen=True)
class Rules:
    """How a model's preprocessing draws a skeleton. Lengths are pixels of the canvas.

    Attributes:
        canvas: size on which an image of a size is drawn before it is resized; None: the image's.
        limb: half the width of a limb, by the canvas.
        joint, hand, face: radius of a point, by the canvas; face None: the model knows no face.
        hand_line: width of the lines in a hand, by the canvas.
        dim: brightness of the limbs against the joints.
        threshold: points with a lower score are not drawn.
        toes: None: feet are not drawn.
        people: "each": one person after another; "layers": limbs of all people, then joints, then
            hands; "first": the first person alone.
        right_hand_first: the order of the hands.
        only_inside: points, and lines of hands, that leave the image are left out whole, and so are
            limbs shorter than a pixel.
        swapped: red and blue are exchanged in the images.
        shrink, enlarge: OpenCV's interpolation from a larger and from a smaller canvas.
    """

    canvas: Callable[[Size], Size] | None = None
    limb: Callable[[Size], int] = lambda size: 4
    joint: Callable[[Size], int] = lambda size: 4
    hand: Callable[[Size], int] = lambda size: 4
    hand_line: Callable[[Size], int] = lambda size: 2
    face: Callable[[Size], int] | None = lambda size: 3
    dim: float = 0.6
    threshold: float = 0.3
    toes: Toes | None = None
    people: Literal["each", "layers", "first"] = "each"
    right_hand_first: bool = False
    only_inside: bool = False
    swapped: bool = False
    shrink: int = cv2.INTER_AREA
    enlarge: int = cv2.INTER_LANCZOS4


@dataclass(frozen=True)
class _Person:
    """Points of one frame in canvas pixels, (N, 2), and whether they are drawn, (N,)."""

    joints: np.ndarray
    joints_seen: np.ndarray
    hands: tuple[np.ndarray, np.ndarray]
    hands_seen: tuple[np.ndarray, np.ndarray]
    face: np.ndarray
    face_seen: np.ndarray


class RulePainter:
    """Draws by `rules`; the canvas is reused for all frames."""

    def __init__(self, rules: Rules, size: Size) -> None:
        self.rules, self.size = rules, size
        canvas = rules.canvas(size) if rules.canvas else size
        self.pixels = np.zeros((*canvas, 3), dtype=np.uint8)
        self.limb, self.joint = rules.limb(canvas), rules.joint(canvas)
        self.hand, self.hand_line = rules.hand(canvas), rules.hand_line(canvas)
        self.face = rules.face(canvas) if rules.face else None
        toes = rules.toes or Toes((), ())  # type: ignore[arg-type]
        self.limbs = (*skeleton.LIMBS, *(TOE_LIMBS if rules.toes else ()))
        # A limb has the colour of its number, and so has a joint; the first toe limb is limb 17.
        self.joint_colours = np.array([*skeleton.COLOURS, *toes.joints])
        limb_colours = np.array([*skeleton.COLOURS[: len(skeleton.LIMBS)], *toes.limbs])
        self.limb_colours = (limb_colours * rules.dim).astype(int)

    def draw(self, people: Sequence[PoseSequence], options: DrawOptions) -> np.ndarray:
        """Draw people, each a sequence of one frame; returns (H, W, 3) uint8 RGB."""
        self.pixels.fill(BACKGROUNDS[options.background])
        placed = [self._place(person) for person in people]
        if self.rules.people == "first":
            placed = placed[:1]
        for group in [placed] if self.rules.people == "layers" else [[one] for one in placed]:
            self._draw_group(group, options)
        image: np.ndarray = self.pixels
        if image.shape[:2] != self.size:
            smaller = self.size[0] * self.size[1] < image.shape[0] * image.shape[1]
            how = self.rules.shrink if smaller else self.rules.enlarge
            image = cv2.resize(image, self.size[::-1], interpolation=how)
        return (image[..., ::-1] if self.rules.swapped else image).copy()

    def _draw_group(self, people: Sequence[_Person], options: DrawOptions) -> None:
        if options.body:
            self._draw_body(people)
        if options.hands:
            for person in people:
                for side in (1, 0) if self.rules.right_hand_first else (0, 1):
                    self._draw_hand(person.hands[side], person.hands_seen[side])
        if options.face and self.face is not None:
            for person in people:
                self._draw_points(
                    person.face, person.face_seen & _on_canvas(person.face), self.face, (255,) * 3
                )

    def _draw_body(self, people: Sequence[_Person]) -> None:
        for (a, b), colour in zip(self.limbs, self.limb_colours, strict=True):
            for person in people:
                start, end = person.joints[a], person.joints[b]
                short = self.rules.only_inside and np.hypot(*(end - start)) < 1
                if person.joints_seen[a] and person.joints_seen[b] and not short:
                    draw_limb(self.pixels, start, end, colour, self.limb)
        for joint, colour in enumerate(self.joint_colours):
            for person in people:
                seen = person.joints_seen[joint : joint + 1]
                where = person.joints[joint : joint + 1]
                self._draw_points(where, seen, self.joint, tuple(colour.tolist()))

    def _draw_hand(self, points: np.ndarray, seen: np.ndarray) -> None:
        seen = seen & _on_canvas(points)
        if self.rules.only_inside:
            seen = seen & self._inside(points)
        # OpenCV rounds colours that are not whole; core's node cuts them off.
        hues = np.trunc(EDGE_HUES * 255) if self.rules.only_inside else EDGE_HUES * 255
        for (a, b), hue in zip(skeleton.HAND_EDGES, hues, strict=True):
            if seen[a] and seen[b]:
                ends = pixel(points[a]), pixel(points[b])
                cv2.line(self.pixels, *ends, hue.tolist(), self.hand_line)
        self._draw_points(points, seen, self.hand, (0, 0, 255))

    def _draw_points(
        self, points: np.ndarray, seen: np.ndarray, radius: int, colour: tuple[int, ...]
    ) -> None:
        if self.rules.only_inside:
            seen = seen & self._inside(points)
        for i in np.flatnonzero(seen):
            cv2.circle(self.pixels, pixel(points[i]), radius, colour, -1)

    def _inside(self, points: np.ndarray) -> np.ndarray:
        """(N,) whether points, cut to whole pixels, lie in the image."""
        with np.errstate(invalid="ignore"):
            height, width = self.pixels.shape[:2]
            return np.all((points > -1) & (points < (width, height)), axis=-1)

    def _place(self, pose: PoseSequence) -> _Person:
        height, width = self.pixels.shape[:2]
        scores = valid_scores(pose)
        points = np.where(scores[:, None] > 0, pose.points[0], np.nan) * (width, height)
        # float32, in which a pixel that became a fraction is a whole pixel again.
        points = points.astype(np.float32).astype(np.float64)
        joints, joint_scores = points[skeleton.BODY_SLICE], scores[skeleton.BODY_SLICE]
        if self.rules.toes:
            for foot in (skeleton.LEFT_FOOT_SLICE, skeleton.RIGHT_FOOT_SLICE):
                place, score = toes_middle(points[foot], scores[foot])
                joints = np.vstack([joints, place])
                joint_scores = np.append(joint_scores, score)
        hands = (skeleton.LEFT_HAND_SLICE, skeleton.RIGHT_HAND_SLICE)
        left, right = (points[hand] for hand in hands)
        seen = scores >= self.rules.threshold
        return _Person(
            joints,
            joint_scores >= self.rules.threshold,
            (left, right),
            (seen[hands[0]], seen[hands[1]]),
            points[skeleton.FACE_SLICE],
            seen[skeleton.FACE_SLICE],
        )


def _on_canvas(points: np.ndarray) -> np.ndarray:
    """(N,) whether points lie right of and below the first pixel; DWPose drops those that do not,
    because it marks missing points by coordinates of 0 and less."""
    with np.errstate(invalid="ignore"):
        return np.all(points >= 1, axis=-1)


def by_short_side(short_side: int, multiple: int) -> Callable[[Size], Size]:
    """Canvas whose short side is near a length, with both sides in multiples of a number."""

    def canvas(size: Size) -> Size:
        scale = short_side / min(size)
        height, width = (max(round(side * scale / multiple), 1) * multiple for side in size)
        return height, width

    return canvas


def doubled(size: Size) -> Size:
    """Canvas of twice the size, (H, W) in pixels."""
    return 2 * size[0], 2 * size[1]
