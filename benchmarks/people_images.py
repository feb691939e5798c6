"""Drawn people whose motion is known: tubes of cloth and skin round bones, seen by a camera.

Every point of a surface is known in every pose, so that images, masks, joints and the way of
each visible point come from one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .people import SKELETON, Person, joints, pose

HEIGHT, WIDTH = 1024, 576  # of the images; truth is on a grid of half the size
POSES = 9  # the reference and eight more
CAMERA = 7.0  # distance in body heights
SPACING = 0.9  # pixels between points of a surface

# Radius at both ends in body heights, and depth against width.
TUBES = {
    "chest": (0.085, 0.105, 0.65), "head": (0.04, 0.058, 1.1),
    "upper": (0.036, 0.028, 1.0), "fore": (0.027, 0.02, 1.0), "hand": (0.02, 0.016, 0.6),
    "thigh": (0.062, 0.042, 1.0), "shin": (0.04, 0.028, 1.0), "foot": (0.03, 0.025, 0.8),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Clip:
    """images (1+n, H, W, 3) uint8; masks (1+n, H/2, W/2) bool; body (1+n, 18, 2) pixels of the
    half-size grid; points (N, 2) seen in the reference and their way, truth (n, N, 2)."""

    images: list[np.ndarray]
    masks: np.ndarray
    body: np.ndarray
    points: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True, eq=False)
class Surface:
    """Points on a surface: where each lies in a pose (N, 3), and its colour (N, 3)."""

    place: Callable[[dict], np.ndarray]
    colour: np.ndarray


def surfaces(person: Person) -> list[Surface]:
    random = np.random.default_rng(person.seed)
    skin, upper, lower, hair = (np.array(c, float) for c in person.colours)
    kinds = {
        "chest": upper, "head": skin, "upper": upper, "fore": skin, "hand": skin,
        "thigh": lower, "shin": lower if not person.skirt else skin, "foot": hair * 0.7,
    }  # fmt: skip
    made = []
    for name in SKELETON:
        kind = name.split("_")[-1]
        if kind == "pelvis":
            continue
        first, last, depth = TUBES[kind]
        wide = person.head if kind == "head" else person.width
        made.append(_bone_tube(person, name, first * wide, last * wide, depth, kinds[kind], random))
    if person.skirt:
        made.append(_skirt(person, lower, random))
    made.append(_hair(person, hair, random))
    if person.bag:
        made.append(_bag(person, random))
    return made


def _grid(person: Person, long: float, radius: float) -> tuple[np.ndarray, np.ndarray]:
    pixels = person.tall * HEIGHT * 1.1 / SPACING
    rows = max(8, int(long * pixels))
    columns = max(12, int(2 * np.pi * radius * pixels))
    along, around = np.meshgrid(
        np.linspace(0, 1, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False), indexing="ij"
    )
    return along.ravel(), around.ravel()


def _cloth(base: np.ndarray, along: np.ndarray, around: np.ndarray, random) -> np.ndarray:
    """Waves and stripes of one colour, a little darker where the surface turns away."""
    waves = sum(
        random.uniform(4, 9)
        * np.sin(
            random.uniform(4, 40) * along + random.integers(1, 9) * around + random.uniform(0, 6)
        )
        for _ in range(6)
    )
    stripes = 14 * np.sign(np.sin(random.uniform(20, 40) * along + random.uniform(0, 6)))
    shade = 0.8 + 0.2 * np.sin(around)  # the front is at 90 degrees
    return (base + (waves + stripes)[:, None]) * shade[:, None]


def _bone_tube(person, name, first, last, depth, base, random) -> Surface:
    bones = pose(person, 0.0)
    start, end, _ = bones[name]
    long = max(np.linalg.norm(end - start), 1e-6)
    round_head = name == "head"
    low, high = (-0.1, 1 + 1.35 * last / long) if round_head else (-first / long, 1 + last / long)
    if name == "chest":
        low, high = -0.12, 1.12
    along, around = _grid(person, long * (high - low), max(first, last))
    u = low + along * (high - low)
    radius = first + (last - first) * np.clip(u, 0, 1)
    over = np.maximum(u - 1, 0) * long / max((high - 1) * long, 1e-6)
    under = np.maximum(-u, 0) / max(-low, 1e-6)
    if name == "chest":
        over, under = over**2, under * 0.25
    radius = radius * np.sqrt(np.maximum(1 - over**2, 0)) * np.sqrt(np.maximum(1 - under**2, 0))
    colour = _cloth(base, along, around, random)

    def place(bones: dict) -> np.ndarray:
        start, end, axes = bones[name]
        axis = end - start
        side = axes[:, 0] - axis * (axes[:, 0] @ axis) / (axis @ axis)
        side /= np.linalg.norm(side)
        front = np.cross(side, axis / np.linalg.norm(axis))
        if front @ axes[:, 2] < 0 and name[2:] != "foot":
            front = -front
        ring = np.cos(around)[:, None] * side + depth * np.sin(around)[:, None] * front
        return start + u[:, None] * axis + radius[:, None] * ring

    return Surface(place, colour)


def _skirt(person, base, random) -> Surface:
    """Hangs from the waist between the thighs; its hem goes with the knees."""
    reach = person.skirt / (0.235 * person.legs)
    along, around = _grid(person, person.skirt + 0.05, 0.14)
    u = along * reach - 0.15
    radius = (0.088 + 0.06 * along) * person.width

    def place(bones: dict) -> np.ndarray:
        hips = (bones["l_thigh"][0] + bones["r_thigh"][0]) / 2
        knees = (bones["l_thigh"][1] + bones["r_thigh"][1]) / 2
        spread = bones["l_thigh"][1] - bones["r_thigh"][1]
        axes = bones["pelvis"][2]
        centre = hips + u[:, None] * (knees - hips)
        wide = axes[:, 0] * radius[:, None] + 0.35 * np.clip(u, 0, 2)[:, None] * (
            spread - 0.11 * axes[:, 0]
        )
        return (
            centre
            + np.cos(around)[:, None] * wide
            + 0.75 * (np.sin(around) * radius)[:, None] * axes[:, 2]
        )

    return Surface(place, _cloth(base, along, around, random))


def _hair(person, base, random) -> Surface:
    """A cap on the skull; long hair falls behind the shoulders and lags behind the head."""
    ear = 0.055 * person.head
    long = 0.085 * person.head + person.hair
    along, around = _grid(person, long, 0.08 * person.head)
    top = np.clip(along * long / (0.085 * person.head), 0, 1)
    hang = np.clip(along * long - 0.085 * person.head, 0, None)
    radius = ear * 1.16 * np.sqrt(1 - (1 - top) ** 2)
    # The face is left free: in front hair ends at the forehead.
    front = np.sin(around) > 0.2
    height = -1.45 * ear + np.where(front, 0.75 * top, 1.7 * top) * ear
    local = np.stack([
        np.cos(around) * radius, height, np.sin(around) * radius * 1.05 - 0.15 * ear,
    ], 1)  # fmt: skip
    loose = (hang / max(person.hair, 1e-6)) * 0.7
    keep = ~(front & (hang > 0))

    def place(bones: dict) -> np.ndarray:
        _, end, axes = bones["head"]
        chest = bones["chest"][2]
        down = hang[:, None] * np.where(front, 0, 1)[:, None]
        own = end + local @ axes.T + down * axes[:, 1]
        laid = end + local @ chest.T + down * chest[:, 1]
        return (own + loose[:, None] * (laid - own))[keep]

    return Surface(place, _cloth(base, along, around, random)[keep])


def _bag(person, random) -> Surface:
    """At the left hip; swings half as much as the pelvis turns."""
    along, around = _grid(person, person.bag, 0.05)
    radius = 0.055 * np.sqrt(np.sqrt(np.maximum(1 - (2 * along - 1) ** 4, 0)))
    local = np.stack([
        0.6 * np.cos(around) * radius, person.bag * along - 0.03, 1.1 * np.sin(around) * radius,
    ], 1)  # fmt: skip

    def place(bones: dict) -> np.ndarray:
        hip, axes = bones["l_thigh"][0], bones["pelvis"][2]
        return hip + axes @ np.array([0.085 * person.width, 0, 0.03]) + local @ axes.T

    return Surface(place, _cloth(np.array([150.0, 90, 40]), along, around, random))


# -- images -------------------------------------------------------------------------------


def project(person: Person, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(…, 3) to pixels (…, 2) of the full image and nearness (…)."""
    near = CAMERA / (CAMERA - points[..., 2])
    scale = person.tall * HEIGHT
    middle = np.array([WIDTH / 2, HEIGHT * (0.53 - 0.02 * person.tall)])
    return middle + scale * points[..., :2] * near[..., None], points[..., 2]


def _wall(person: Person) -> np.ndarray:
    random = np.random.default_rng(person.seed + 100)
    noise = random.normal(0, 1, (HEIGHT // 8, WIDTH // 8, 1)).astype(np.float32)
    noise = cv2.resize(cv2.GaussianBlur(noise, (0, 0), 2), (WIDTH, HEIGHT))
    wall = np.array(person.wall, float) + 22 * noise[..., None]
    floor = round(0.8 * HEIGHT)
    wall[floor:] = wall[floor:] * (0.7, 0.6, 0.5)
    wall[floor - 12 : floor] = 240
    for x in range(0, WIDTH, 96):
        wall[floor:, x : x + 2] *= 0.8
    wall[160:330, 40:150] = (70, 60, 60)
    wall[170:320, 50:140] = (180, 150, 90) + 25 * noise[170:320, 50:140, None]
    return wall


def render(person: Person) -> Clip:
    """All poses of a person."""
    parts = surfaces(person)
    colour = np.concatenate([part.colour for part in parts])
    wall = _wall(person)
    images, masks, body, places = [], [], [], []
    for t in np.linspace(0, 1, POSES):
        bones = pose(person, t)
        place, near = project(person, np.concatenate([part.place(bones) for part in parts]))
        body.append(project(person, joints(person, bones))[0] / 2)
        front = _front(place, near)
        seen = front >= 0
        image = wall.copy()
        image[seen] = colour[front[seen]]
        image = cv2.GaussianBlur(image, (0, 0), 0.6)
        images.append(image.clip(0, 255).round().astype(np.uint8))
        masks.append(seen[1::2, 1::2])
        places.append(place)
        if t == 0:
            front_at_start = front
    rows, columns = np.nonzero(front_at_start[1::2, 1::2] >= 0)
    which = front_at_start[1::2, 1::2][rows, columns]
    way = np.stack([(place[which] - places[0][which]) / 2 for place in places[1:]])
    points = np.stack([columns + 0.5, rows + 0.5], 1)
    return Clip(images, np.array(masks), np.array(body), points, way)


def _front(place: np.ndarray, near: np.ndarray) -> np.ndarray:
    """(H, W) which point is seen at each pixel; -1 for the wall."""
    front = np.full((HEIGHT, WIDTH), -1)
    column, row = np.floor(place).astype(int).T
    inside = np.flatnonzero((column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT))
    inside = inside[np.argsort(near[inside], kind="stable")]  # the nearest is written last
    front[row[inside], column[inside]] = inside
    # Pinholes between points of a stretched surface take the pixel beside them.
    solid = cv2.morphologyEx((front >= 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3)))
    beside = cv2.dilate(front.astype(np.float32), np.ones((3, 3))).astype(int)
    return np.where((solid > 0) & (front < 0), beside, front)
