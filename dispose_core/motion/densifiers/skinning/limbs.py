"""Transforms of single bones from the reference to every frame, in 2.5 dimensions.

A transform maps (x, y, z, 1) to (x, y), where z is the height of the visible surface above the
plane of the joints (`primitives.py`). When a limb tilts out of the image plane, its surface slides
along it; when a forearm twists, its surface moves across. Both are as large as the motion of the
joints and follow from bone lengths.
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

# Limb radii are measured in the mask within these bounds relative to the usual radius, which
# protect against masks that include background.
_RADIUS_BOUNDS = (0.6, 1.6)
# A relative change of the squared length below this is noise, not foreshortening.
_LENGTH_NOISE = 0.01
# Changes of the body size, as logarithms, are ignored below this, since a crouching body looks
# smaller; above twice this they count in full.
_SIZE_NOISE = 0.06
# Quantile of the lengths over all frames that is taken as a bone's true length.
_LONGEST = 0.85
# Drawing order of a body seen from the front.
LAYERS = {
    "torso": 0, "head": 1, "thigh": 2, "shin": 3, "foot": 4, "upper arm": 5, "forearm": 6, "hand": 7
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bone:
    """A shape in the reference and its transforms to each frame.

    Attributes:
        layer: drawing order, larger is nearer.
        start, end: (n, 2, 4) transforms at both ends, (x, y, z, 1) to (x, y), blended along the
            bone; the same array for a rigid bone.
    """

    shape: Shape
    layer: float
    start: np.ndarray
    end: np.ndarray


def limb_transform(
    joints: np.ndarray,
    tracked: np.ndarray,
    body_scale: np.ndarray,
    tilt: tuple[float, np.ndarray] | None = None,
    twist: np.ndarray | None = None,
) -> np.ndarray:
    """Transform that maps the ends of a bone to its tracked joints; its width scales with the body.

    Let u, u' be unit vectors along the bone in the reference and the frame, n, n' their normals
    (`crosswise`), L the length in the reference, s the size, a, a' the tilt sines in reference and
    frame, r the twist. With joints p0, p1 that move to q0, q1 the 2×4 matrix is [A | c | t] with

        A = (q1 - q0)·u^T / L + s·(n' - sin r·a'·u')·n^T   along and across the bone
        c = s·(-sin r·n' - (cos r·a' - a)·u')                  per unit of depth z
        t = q0 - A·p0

    Args:
        joints: (2, 2) ends in the reference.
        tracked: (n, 2, 2) ends in the frames.
        body_scale: (n,) scale of the body relative to the reference.
        tilt: sine of the angle out of the image plane in the reference, and (n,) in the frames;
            positive when the far end points towards the viewer.
        twist: (n,) rotation about the bone in radians, from `crosswise` towards the viewer.

    Returns:
        (n, 2, 4)
    """
    n = len(tracked)
    tilt_before, tilt_after = tilt if tilt is not None else (0.0, np.zeros(n))
    twist_angle = twist if twist is not None else np.zeros(n)
    before, after = joints[1] - joints[0], tracked[:, 1] - tracked[:, 0]
    bone_length = max(np.linalg.norm(before), 1e-6)
    along_before = before / bone_length
    # A bone that points at the viewer has no direction and keeps that of the reference.
    along = after + 1e-6 * before
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    across = crosswise(along)
    cos, sin, body_scale = (
        np.cos(twist_angle)[:, None],
        np.sin(twist_angle)[:, None],
        body_scale[:, None],
    )
    # A twist hides half of the visible surface. The width is not reduced accordingly, since there
    # are no pixels to show on the other half.
    width = body_scale * (across - sin * tilt_after[:, None] * along)
    out = np.zeros((n, 2, 4))
    out[:, :, :2] = after[:, :, None] / bone_length * along_before
    out[:, :, :2] += width[:, :, None] * crosswise(along_before)
    out[:, :, 2] = body_scale * (-sin * across - (cos * tilt_after[:, None] - tilt_before) * along)
    out[:, :, 3] = tracked[:, 0] - out[:, :, :2] @ joints[0]
    return out


def follow(transform: np.ndarray, seen: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """`transform` in frames where the bone is visible, the parent's transform elsewhere."""
    return np.where(seen[:, None, None], transform, parent)


def bone_ends(body: BodyModel, a: int, b: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Ends in the reference (2, 2) and in the frames (n, 2, 2), visibility (n,), and usability.

    A bone is usable if the reference shows both ends at a sufficient distance.
    """
    joints, tracked = body.joints[[a, b]], body.tracked[:, [a, b]]
    seen = body.tracked_seen[:, a] & body.tracked_seen[:, b]
    usable = bool(body.seen[a] and body.seen[b])
    usable &= bool(length(body.joints, a, b) > 0.05 * body.unit)
    return joints, np.where(seen[:, None, None], tracked, joints), seen, usable


def tilt_of(
    body: BodyModel, body_scale: np.ndarray, a: int, b: int, forward: int
) -> tuple[float, np.ndarray]:
    """Sine of the angle of bone a–b out of the image plane, estimated from its foreshortening.

    sin = forward · sqrt(1 - (l / L)²) for a bone of projected length l and true length L. The sign
    is not observable: `forward` is 1 where the far end tilts to the front of the body, -1 to the
    back.
    """
    true_length = max(_true_length(body, body_scale, a, b), 1e-6)
    seen = body.tracked_seen[:, a] & body.tracked_seen[:, b]
    lengths = np.where(seen, length(body.tracked, a, b), 0) / body_scale
    lengths = _smooth(lengths, seen)
    squares = 1 - (np.append(length(body.joints, a, b), lengths) / true_length) ** 2
    sines = forward * np.sqrt(np.clip(squares - _LENGTH_NOISE, 0, 0.96))
    sines *= body.facing * np.append(body.front[0], body.front)
    return float(sines[0]), np.where(seen, sines[1:], sines[0])


def _true_length(body: BodyModel, body_scale: np.ndarray, a: int, b: int) -> float:
    """Length of bone a–b parallel to the image plane, a high quantile over all frames.

    It is the mean over both sides of the body, whose bones are equally long.
    """
    side_lengths = []
    for c, d in ((a, b), (BODY_MIRROR[a], BODY_MIRROR[b])):
        seen = body.tracked_seen[:, c] & body.tracked_seen[:, d]
        if body.seen[c] and body.seen[d]:
            reference_length = length(body.joints, c, d)
            tracked_lengths = length(body.tracked, c, d)[seen] / body_scale[seen]
            side_lengths.append(
                max(reference_length, np.quantile(tracked_lengths, _LONGEST))
                if seen.any()
                else reference_length
            )
    return float(np.mean(side_lengths))


def measure_body_scale(body: BodyModel) -> np.ndarray:
    """(n,) size of the body relative to the reference.

    Bones appear shorter by tilting but hardly ever longer, so the size is the weighted 0.6 quantile
    of the ratios of bone lengths.
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
    cumulative = np.cumsum(np.take_along_axis(weight, order, 1), 1)
    total = cumulative[:, -1]
    index = (cumulative >= 0.6 * total[:, None]).argmax(1)
    body_scale = np.take_along_axis(np.take_along_axis(ratio, order, 1), index[:, None], 1)[:, 0]
    body_scale = np.where((total > 0) & np.isfinite(body_scale), body_scale, np.abs(body.turn))
    change = np.log(np.maximum(_smooth(body_scale, body.present), 1e-3))
    return np.exp(change * np.clip(np.abs(change) / _SIZE_NOISE - 1, 0, 1))


def _smooth(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Smooth (n,) values over frames 1…n-1 with the kernel ¼ ½ ¼; frame 0 is unchanged.

    Tilt depends on length through a square root, which amplifies noise. Only sizes and tilts are
    smoothed, not joint positions.
    """
    if len(values) < 2:
        return values
    weight = np.pad(seen[1:].astype(float), 1)
    masked = np.pad(np.where(seen, values, 0)[1:], 1)
    kernel = np.array([0.25, 0.5, 0.25])
    total = np.maximum(np.convolve(weight, kernel, "valid"), 1e-9)
    mean = np.convolve(masked, kernel, "valid") / total
    return np.append(values[0], np.where(seen[1:], mean, values[1:]))


def limb_radius(start: np.ndarray, end: np.ndarray, usual: float, thickness: np.ndarray) -> float:
    """Half the width of a limb in the mask: the median along the middle of the limb."""
    samples = start + np.linspace(0.25, 0.75, 9)[:, None] * (end - start)
    x = np.clip(samples[:, 0], 0, thickness.shape[1] - 1).astype(int)
    y = np.clip(samples[:, 1], 0, thickness.shape[0] - 1).astype(int)
    low, high = _RADIUS_BOUNDS
    # Joints may be off the centre line of the limb; the thickest pixel nearby lies on it.
    window = max(1, round(0.3 * usual))
    widths = [
        thickness[max(0, j - window) : j + window + 1, max(0, i - window) : i + window + 1].max()
        for i, j in zip(x, y, strict=True)
    ]
    return float(np.clip(np.median(widths), low * usual, high * usual))


def layer_of(body: BodyModel, name: str, side: str) -> float:
    """Drawing order; limbs are in front of a body seen from the front, behind one from the back."""
    return body.facing * (LAYERS[name] + (0.5 if side == "L" else 0.0))


def wrap(angle: np.ndarray) -> np.ndarray:
    """Wrap angles to -pi…pi."""
    return np.angle(np.exp(1j * angle))


def fit_affine(
    rows: np.ndarray, target: np.ndarray, weight: np.ndarray, pull: np.ndarray, expected: np.ndarray
) -> np.ndarray:
    """Regularised least-squares fit of linear maps from `rows` to `target`.

    Solves (R^T W R + P)·X = R^T W Y + P·E with the rows R, weights W, targets Y, expectation E and
    regularisation P = diag(pull, 1e-9); the translation is not regularised.

    Args:
        rows: (K, D) points in the reference, their last coordinate 1; finite.
        target: (n, K, 2) points in the frames; finite where `weight` (n, K) is not 0.
        weight: (n, K) weights of the points.
        pull: (D-1,) weight of each row of `expected`, in squared pixels.
        expected: (n, D-1, 2) expected rows.

    Returns:
        (n, 2, D)
    """
    target = np.where(weight[..., None] > 0, target, 0)
    weighted = rows.T * weight[:, None]
    # A tiny weight keeps the system regular where all points are missing.
    pull = np.diag(np.append(pull, 1e-9))
    expected = np.concatenate([expected, np.zeros_like(expected[:, :1])], 1)
    solution = np.linalg.solve(weighted @ rows + pull, weighted @ target + pull @ expected)
    return solution.swapaxes(1, 2)
