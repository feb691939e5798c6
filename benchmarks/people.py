"""People to draw: other bodies, clothes and motions than the sample's (`people_images.py`).

A person is a skeleton in space that bends in time. Nothing here is fitted to the library that is
measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Angles = dict[str, tuple[float, float, float]]  # degrees about x (nod), y (turn), z (tilt)

# Bone: parent, and its end in the parent's frame in body heights; x to the person's left, y down,
# z towards the viewer.
SKELETON = {
    "pelvis": (None, (0, 0, 0)),
    "chest": ("pelvis", (0, -0.29, 0)),
    "head": ("chest", (0, -0.09, 0.01)),
    "l_upper": ("chest", (0.025, 0.15, 0)), "r_upper": ("chest", (-0.025, 0.15, 0)),
    "l_fore": ("l_upper", (0, 0.135, 0.01)), "r_fore": ("r_upper", (0, 0.135, 0.01)),
    "l_hand": ("l_fore", (0, 0.09, 0)), "r_hand": ("r_fore", (0, 0.09, 0)),
    "l_thigh": ("pelvis", (0.01, 0.235, 0)), "r_thigh": ("pelvis", (-0.01, 0.235, 0)),
    "l_shin": ("l_thigh", (0, 0.235, -0.01)), "r_shin": ("r_thigh", (0, 0.235, -0.01)),
    "l_foot": ("l_shin", (0.02, 0.03, 0.11)), "r_foot": ("r_shin", (-0.02, 0.03, 0.11)),
}  # fmt: skip
# Where a bone begins, as an offset from its parent's end (the torso's are wide), in the parent.
ROOTS = {
    "l_upper": (0.105, 0.02, 0), "r_upper": (-0.105, 0.02, 0),
    "l_thigh": (0.055, 0.0, 0), "r_thigh": (-0.055, 0.0, 0),
}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A body, what it wears, and how it moves.

    Attributes:
        motion: time 0…1 to the bend of each bone and where the pelvis goes, in body heights.
        head, arms, legs, width: against an adult's.
        skirt, hair, bag: length in body heights of what hangs; 0 for none.
        colours: of skin, upper and lower clothes, hair; 0…255.
    """

    motion: Callable[[float], tuple[Angles, tuple[float, float, float]]]
    head: float = 1.0
    arms: float = 1.0
    legs: float = 1.0
    width: float = 1.0
    tall: float = 0.82
    skirt: float = 0.0
    hair: float = 0.0
    bag: float = 0.0
    colours: tuple = ((222, 180, 150), (60, 90, 150), (70, 70, 80), (60, 40, 30))
    seed: int = 0
    wall: tuple = (205, 205, 195)


# -- motions --------------------------------------------------------------------------------


def walk(t: float) -> tuple[Angles, tuple[float, float, float]]:
    """Past the viewer, turned half to the side: limbs cross, knees bend."""
    s, c = np.sin(2 * np.pi * (t + 0.08)), np.cos(2 * np.pi * (t + 0.08))
    return {
        "pelvis": (0, 35 + 6 * s, 2 * c), "chest": (4, -8 * s, 0), "head": (0, -15, 3 * c),
        "l_upper": (30 * s, 0, -10), "r_upper": (-30 * s, 0, 10),
        "l_fore": (-25 - 12 * s, 0, 0), "r_fore": (-25 + 12 * s, 0, 0),
        "l_thigh": (-28 * s, 0, 0), "r_thigh": (28 * s, 0, 0),
        "l_shin": (14 + 14 * c, 0, 0), "r_shin": (14 - 14 * c, 0, 0),
    }, (-0.09 + 0.18 * t, 0.01 * np.cos(4 * np.pi * t), 0)  # fmt: skip


def gesture(t: float) -> tuple[Angles, tuple[float, float, float]]:
    """Arms come across the torso and go up, the body sways."""
    s = np.sin(0.8 * np.pi * t)
    return {
        "pelvis": (0, 8 * s, 4 * np.sin(2 * np.pi * t)), "chest": (6 * s, 10 * s, -5 * s),
        "head": (8 * s, 22 * np.sin(2 * np.pi * t), 6 * s),
        "l_upper": (-35 * s, 0, -18 + 14 * s), "r_upper": (-20 * s, 0, 20 + 60 * s),
        "l_fore": (-20 - 55 * s, 0, 60 * s), "r_fore": (-15 - 50 * s, 0, 25 * s),
        "l_thigh": (-8 * s, 0, -5), "r_thigh": (-6 * s, 0, 5 + 6 * s),
        "l_shin": (12 * s, 0, 0), "r_shin": (14 * s, 0, 0),
    }, (0.05 * s, 0.006 * s, 0)  # fmt: skip


def turn(t: float) -> tuple[Angles, tuple[float, float, float]]:
    """From the front to the side, bowing a little and coming nearer."""
    return {
        "pelvis": (0, 55 * t, 0), "chest": (12 * t, 8 * t, 0), "head": (10 * t, 15 * t, 0),
        "l_upper": (-25 * t, 0, -12), "r_upper": (15 * t, 0, 14),
        "l_fore": (-15 - 40 * t, 0, 0), "r_fore": (-12, 0, 0),
        "l_thigh": (-18 * t, 0, -4), "r_thigh": (10 * t, 0, 4), "l_shin": (16 * t, 0, 0),
    }, (0.03 * t, 0, 0.5 * t)  # fmt: skip


def crouch(t: float) -> tuple[Angles, tuple[float, float, float]]:
    """Knees bend, a leg steps out, arms swing wide."""
    s = np.sin(0.8 * np.pi * t)
    return {
        "pelvis": (10 * s, -12 * t, 0), "chest": (14 * s, -8 * t, 6 * s), "head": (-12 * s, 10, 0),
        "l_upper": (0, 0, -20 - 75 * t), "r_upper": (-10 * s, 0, 20 + 50 * s),
        "l_fore": (-10, 0, -45 * s), "r_fore": (-20, 0, 30 * s),
        "l_thigh": (-40 * s, 0, -8 - 18 * t), "r_thigh": (-42 * s, 0, 8 + 8 * s),
        "l_shin": (62 * s, 0, 6 * t), "r_shin": (70 * s, 0, 0),
        "l_foot": (-15 * s, 0, 0), "r_foot": (-15 * s, 0, 0),
    }, (0, 0.07 * s, 0)  # fmt: skip


PEOPLE = {
    "child, walking": Person(
        walk, head=1.5, legs=0.85, arms=0.9, width=0.95, tall=0.62,
        colours=((235, 195, 165), (230, 190, 60), (60, 110, 80), (150, 100, 50)), seed=1,
    ),
    "dress and long hair, arms crossing": Person(
        gesture, skirt=0.3, hair=0.3, width=0.92,
        colours=((205, 155, 125), (150, 40, 90), (150, 40, 90), (35, 25, 25)), seed=2,
        wall=(190, 200, 210),
    ),
    "broad, with a bag, turning": Person(
        turn, width=1.3, bag=0.16, legs=0.95, tall=0.78,
        colours=((120, 80, 60), (90, 120, 70), (50, 50, 60), (20, 20, 20)), seed=3,
        wall=(215, 200, 180),
    ),
    "long legs, crouching": Person(
        crouch, legs=1.12, arms=1.1, head=0.9,
        colours=((190, 140, 110), (200, 200, 205), (40, 60, 110), (90, 60, 40)), seed=4,
        wall=(150, 165, 160),
    ),
}  # fmt: skip


# -- the skeleton in space ------------------------------------------------------------------


def rotation(degrees: tuple[float, float, float]) -> np.ndarray:
    x, y, z = np.radians(degrees) * (-1, 1, 1)  # a positive nod bows
    (cx, cy, cz), (sx, sy, sz) = np.cos([x, y, z]), np.sin([x, y, z])
    nod = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    tilt = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return tilt @ yaw @ nod


def pose(person: Person, t: float) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Bone to (start, end, axes (3, 3), its columns x, y, z), in body heights."""
    angles, place = person.motion(t)
    bones = {}
    for name, (parent, offset) in SKELETON.items():
        own = rotation(angles.get(name, (0, 0, 0)))
        kind, size = name.split("_")[-1], np.ones(3)
        if kind in ("upper", "fore", "hand"):
            size = size * person.arms
        elif kind in ("thigh", "shin"):
            size = size * person.legs
        elif kind == "head":
            size = size * person.head
        if parent is None:
            bones[name] = (np.array(place), np.array(place), own)
            continue
        start, end, axes = bones[parent]
        root = np.array(ROOTS.get(name, (0, 0, 0))) * (person.width, 1, 1)
        start = end + axes @ root
        axes = axes @ own
        bones[name] = (start, start + axes @ (np.array(offset) * size), axes)
    return bones


def joints(person: Person, bones: dict) -> np.ndarray:
    """(18, 3) OpenPose's joints."""
    _, end, axes = bones["head"]
    ear = 0.055 * person.head

    def face(x: float, y: float, z: float) -> np.ndarray:
        return end + axes @ (np.array([x, y, z]) * ear)

    out = [face(0, 0.15, 1.25), bones["chest"][1]]
    for side in ("r", "l"):
        out += [bones[f"{side}_upper"][0], bones[f"{side}_upper"][1], bones[f"{side}_fore"][1]]
    for side in ("r", "l"):
        out += [bones[f"{side}_thigh"][0], bones[f"{side}_thigh"][1], bones[f"{side}_shin"][1]]
    out[1] = (out[2] + out[5]) / 2
    return np.array([*out, face(-0.45, -0.15, 1.0), face(0.45, -0.15, 1.0),
                     face(-1, 0, 0), face(1, 0, 0)])  # fmt: skip
