"""One bone: its way from the reference to every frame, in space rather than in the plane.

A bone carries the pixels near it by a transform of (x, y, z, 1), where z is how far the surface
stands out towards the viewer (`shapes.py`). In an image a limb that turns out of the image's
plane gets shorter, and its surface, in front of the joints, slides along it; a forearm that
turns about itself carries its surface across. Both are worth as much as the motion of the joints
themselves and can be read off bone lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....pose.skeleton import (
    BODY_MIRROR,
    L_ANKLE,
    L_ELBOW,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_WRIST,
    NECK,
    R_ANKLE,
    R_ELBOW,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
    R_WRIST,
)
from .body_model import BodyModel, length
from .primitives import Shape, crosswise

# The mask says how thick a limb is, within bounds, as parts of what is usual, that survive a
# mask with half the background in it.
_RADIUS_BOUNDS = (0.6, 1.6)
# A square of length within this of the true one is noise, not foreshortening.
_LENGTH_NOISE = 0.01
# Sizes within this of the reference's, as logarithms, are noise: a crouching body looks smaller.
# Twice as much is believed.
_SIZE_NOISE = 0.06
# The length that this part of the frames stay below counts as the bone's true one.
_LONGEST = 0.85
# Drawing order of a body seen from the front.
LAYERS = {
    "torso": 0, "head": 1, "thigh": 2, "shin": 3, "foot": 4, "upper arm": 5, "forearm": 6, "hand": 7
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bone:
    """A shape of the reference and its way to each frame.

    Attributes:
        layer: drawing order, larger is nearer.
        start, end: (n, 2, 4) transforms at both ends, (x, y, z, 1) → (x, y); in between they
            are mixed. The same array where the bone is stiff.
    """

    shape: Shape
    layer: float
    start: np.ndarray
    end: np.ndarray


def limb_transform(
    joints: np.ndarray,
    tracked: np.ndarray,
    size: np.ndarray,
    tilt: tuple[float, np.ndarray] | None = None,
    twist: np.ndarray | None = None,
) -> np.ndarray:
    """A bone whose ends go exactly where the joints go; its width follows the body's size.

    Args:
        joints: (2, 2) ends in the reference; frames: (n, 2, 2).
        size: (n,) of the body against the reference.
        tilt: sine of the angle out of the image in the reference and in the frames (n,),
            positive when the far end points towards the viewer.
        twist: (n,) turn about the bone itself, radians, from `crosswise` towards the viewer.

    Returns:
        (n, 2, 4)
    """
    n = len(tracked)
    lean_before, lean = tilt if tilt is not None else (0.0, np.zeros(n))
    turn = twist if twist is not None else np.zeros(n)
    before, after = joints[1] - joints[0], tracked[:, 1] - tracked[:, 0]
    long = max(np.linalg.norm(before), 1e-6)
    along_before = before / long
    # A bone that points at the viewer has no direction; it keeps the one it had.
    along = after + 1e-6 * before
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    across = crosswise(along)
    cos, sin, size = np.cos(turn)[:, None], np.sin(turn)[:, None], size[:, None]
    # Turned about itself, half of what is seen goes out of sight; were its width to shrink
    # accordingly, there would be nothing to show on the other half. So the width stays.
    width = size * (across - sin * lean[:, None] * along)
    out = np.zeros((n, 2, 4))
    out[:, :, :2] = after[:, :, None] / long * along_before
    out[:, :, :2] += width[:, :, None] * crosswise(along_before)
    out[:, :, 2] = size * (-sin * across - (cos * lean[:, None] - lean_before) * along)
    out[:, :, 3] = tracked[:, 0] - out[:, :, :2] @ joints[0]
    return out


def follow(transform: np.ndarray, seen: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """The bone's own way where its ends are seen, its parent's elsewhere."""
    return np.where(seen[:, None, None], transform, parent)


def bone_ends(body: BodyModel, a: int, b: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Ends in the reference (2, 2), in the frames (n, 2, 2), where both are seen; usable?"""
    joints, tracked = body.joints[[a, b]], body.tracked[:, [a, b]]
    seen = body.tracked_seen[:, a] & body.tracked_seen[:, b]
    usable = bool(body.seen[a] and body.seen[b])
    usable &= bool(length(body.joints, a, b) > 0.05 * body.unit)
    return joints, np.where(seen[:, None, None], tracked, joints), seen, usable


def tilt_of(
    body: BodyModel, size: np.ndarray, a: int, b: int, forward: int
) -> tuple[float, np.ndarray]:
    """Sine of the angle at which bone a–b leaves the image's plane, from how short it is.

    `forward` is 1 where the far end comes before the body and −1 where it goes behind.
    """
    long = max(_true_length(body, size, a, b), 1e-6)
    seen = body.tracked_seen[:, a] & body.tracked_seen[:, b]
    lengths = np.where(seen, length(body.tracked, a, b), 0) / size
    lengths = _smooth(lengths, seen)
    squares = 1 - (np.append(length(body.joints, a, b), lengths) / long) ** 2
    sines = forward * np.sqrt(np.clip(squares - _LENGTH_NOISE, 0, 0.96))
    sines *= body.facing * np.append(body.front[0], body.front)
    return float(sines[0]), np.where(seen, sines[1:], sines[0])


def _true_length(body: BodyModel, size: np.ndarray, a: int, b: int) -> float:
    """Length of bone a–b when it lies in the image's plane: what it nearly reaches in the clip.

    Both sides of the body are equally long, so each has a say.
    """
    found = []
    for c, d in ((a, b), (BODY_MIRROR[a], BODY_MIRROR[b])):
        seen = body.tracked_seen[:, c] & body.tracked_seen[:, d]
        if body.seen[c] and body.seen[d]:
            own = length(body.joints, c, d)
            reached = length(body.tracked, c, d)[seen] / size[seen]
            found.append(max(own, np.quantile(reached, _LONGEST)) if seen.any() else own)
    return float(np.mean(found))


def body_size(body: BodyModel) -> np.ndarray:
    """(n,) how large the body is against the reference.

    Bones get shorter by turning away, hardly ever longer: a little above the median of their
    ratios is the size.
    """
    pairs = [
        (NECK, R_HIP), (NECK, L_HIP), (R_SHOULDER, L_SHOULDER),
        (R_HIP, R_KNEE), (R_KNEE, R_ANKLE), (L_HIP, L_KNEE),
        (L_KNEE, L_ANKLE), (R_SHOULDER, R_ELBOW), (R_ELBOW, R_WRIST),
        (L_SHOULDER, L_ELBOW), (L_ELBOW, L_WRIST),
    ]  # fmt: skip
    before = np.array([length(body.joints, a, b) for a, b in pairs])
    after = np.stack([length(body.tracked, a, b) for a, b in pairs], 1)
    known = np.stack([body.tracked_seen[:, a] & body.tracked_seen[:, b] for a, b in pairs], 1)
    known &= before > 0.1 * body.unit
    ratio = np.where(known, after / np.maximum(before, 1e-6), np.inf)
    weight = np.where(known, before, 0)
    order = np.argsort(ratio, axis=1)
    reached = np.cumsum(np.take_along_axis(weight, order, 1), 1)
    total = reached[:, -1]
    at = (reached >= 0.6 * total[:, None]).argmax(1)
    size = np.take_along_axis(np.take_along_axis(ratio, order, 1), at[:, None], 1)[:, 0]
    size = np.where((total > 0) & np.isfinite(size), size, np.abs(body.turn))
    change = np.log(np.maximum(_smooth(size, body.present), 1e-3))
    return np.exp(change * np.clip(np.abs(change) / _SIZE_NOISE - 1, 0, 1))


def _smooth(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(n,) frames 1…n−1 averaged with their neighbours in time, ¼ ½ ¼; frame 0 as it is.

    Lengths tell tilts through a square root, which makes much of a pixel of noise. Only sizes
    and tilts are smoothed, never where a joint is.
    """
    if len(values) < 2:
        return values
    weight = np.pad(seen[1:].astype(float), 1)
    held = np.pad(np.where(seen, values, 0)[1:], 1)
    kernel = np.array([0.25, 0.5, 0.25])
    total = np.maximum(np.convolve(weight, kernel, "valid"), 1e-9)
    mean = np.convolve(held, kernel, "valid") / total
    return np.append(values[0], np.where(seen[1:], mean, values[1:]))


def limb_radius(start: np.ndarray, end: np.ndarray, usual: float, thickness: np.ndarray) -> float:
    """Half the width of a limb where the mask shows it: its median along the limb's middle."""
    at = start + np.linspace(0.25, 0.75, 9)[:, None] * (end - start)
    x = np.clip(at[:, 0], 0, thickness.shape[1] - 1).astype(int)
    y = np.clip(at[:, 1], 0, thickness.shape[0] - 1).astype(int)
    low, high = _RADIUS_BOUNDS
    # The joints need not lie in the middle of the limb: the thickest pixel nearby does.
    reach = max(1, round(0.3 * usual))
    widths = [
        thickness[max(0, j - reach) : j + reach + 1, max(0, i - reach) : i + reach + 1].max()
        for i, j in zip(x, y, strict=True)
    ]
    return float(np.clip(np.median(widths), low * usual, high * usual))


def layer_of(body: BodyModel, name: str, side: str) -> float:
    """Arms and legs are before a body seen from the front and behind one seen from the back."""
    return body.facing * (LAYERS[name] + (0.5 if side == "L" else 0.0))


def wrap(angle: np.ndarray) -> np.ndarray:
    """The same angles within −π…π."""
    return np.angle(np.exp(1j * angle))


def fit_affine(
    rows: np.ndarray, target: np.ndarray, weight: np.ndarray, pull: np.ndarray, expected: np.ndarray
) -> np.ndarray:
    """Least-squares way of known points, pulled towards what is expected of it.

    Args:
        rows: (K, D) the points in the reference, their last coordinate 1; finite.
        target: (n, K, 2) where they are in the frames; finite where `weight` (n, K) is not 0.
        pull: (D−1,) how much each row of `expected` (n, D−1, 2) counts, in squared pixels.

    Returns:
        (n, 2, D)
    """
    target = np.where(weight[..., None] > 0, target, 0)
    weighted = rows.T * weight[:, None]
    # The shift is as expected only where no point says anything.
    pull = np.diag(np.append(pull, 1e-9))
    expected = np.concatenate([expected, np.zeros_like(expected[:, :1])], 1)
    found = np.linalg.solve(weighted @ rows + pull, weighted @ target + pull @ expected)
    return found.swapaxes(1, 2)
