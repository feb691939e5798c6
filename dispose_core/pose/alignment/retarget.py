"""Driving motion on another body: bone lengths of the reference, directions of the driver.

A bone keeps its length in the image in every frame, so a limb that points at the camera is not
shortened: an image does not tell how deep it reaches. Eyes, ears and the points of the face keep
the driver's layout, which shows where the head looks, at the size of the reference's head.
"""

from __future__ import annotations

import numpy as np

from ...errors import PoseError
from .. import skeleton
from ..sequence import PoseSequence
from ..skeleton import BONES, HIPS, NECK, NOSE
from .body_proportions import FULL_LENGTH, Proportions, body_scale, bone_lengths
from .foot_contact import plant_feet
from .hands_and_face import follow_joints
from .pose_transform import Placement

# A bone that is shorter than this share of its length has no direction of its own: it swings from
# the last sure direction to the next.
_FORESHORTENED = 0.2
# Hips are brought nearer or apart by this factor at most: seen from the side they have no width.
_MOST_SPREAD = 1.5


def retarget_limbs(
    reference: PoseSequence,
    driver: PoseSequence,
    frame_size: tuple[int, int],
    size: tuple[int, int],
) -> tuple[PoseSequence, Placement, list[str]]:
    """The driver's motion, done by the reference person.

    The middle of the hips, or the neck where no hips are seen, starts at the reference's and
    moves as the driver's does, scaled by the body sizes; feet that rest in the driver stay where
    they stand (`ground.plant_feet`). Hands follow their wrist, the face follows the nose.

    A joint is there when the driver shows it, also where the reference does not: the legs of a
    half-length portrait hang out of the image, a hidden hand may come up.

    Args:
        reference: one frame.
        driver: (T) frames of the person to take the motion of, gaps filled.
        frame_size: (H, W) of the driving frames.
        size: (H, W) of the reference image.

    Returns:
        The retargeted poses with canvas `size`; scale and shift for the other people of the
        clip; the report.

    Raises:
        PoseError: the driver has no trunk or head, or shares no joint with the reference.
    """
    reference_body, driver_body = (
        Proportions.measure(reference, size),
        Proportions.measure(driver, frame_size),
    )
    scale, report = _scale(reference_body, driver_body)
    lengths, borrowed = bone_lengths(reference_body, driver_body, scale)
    if borrowed:
        names = ", ".join(skeleton.BODY[child] for child in borrowed)
        report.append(f"not seen in the reference, lengths from the driver's body: to {names}")

    necks, roots, known = _roots(reference_body, driver_body, scale)
    there = driver_body.joints.copy()
    there[:, NECK] = necks
    anchors = _anchors(driver_body.seen)
    body = _forward(reference_body, driver_body, there, anchors, lengths, scale)
    hips = body[:, HIPS].mean(1)
    root = np.where(driver_body.seen[:, HIPS].all(-1)[:, None], hips, (roots - necks) * scale)
    start, way = _start(reference_body, driver_body, body, known)
    target = root[start] + way
    body += (target + (roots - roots[start]) * scale - root)[:, None]
    body, lines = plant_feet(reference_body, driver_body, body, scale, start)

    bones = np.where(
        np.isfinite(lengths / driver_body.lengths), lengths / driver_body.lengths, scale
    )
    points = follow_joints(reference_body, driver_body, there, body, anchors, bones)
    pixels = np.array([size[1], size[0]], dtype=np.float64)
    others = Placement(
        scale * np.array([frame_size[1], frame_size[0]]) / pixels,
        (target - roots[start] * scale) / pixels,
    )
    return PoseSequence(points / pixels, driver.scores, size), others, report + lines


def _scale(reference_body: Proportions, driver_body: Proportions) -> tuple[float, list[str]]:
    """The ratio of the body sizes, and what the report says of it."""
    scale = body_scale(reference_body, driver_body)
    if scale is None:
        return 1.0, ["the reference shows no bone of the driver: the driver keeps the own size"]
    ratios = reference_body.lengths / driver_body.lengths
    return scale, [
        f"body scaled by {scale:.3f} in pixels, its bones by {np.nanmin(ratios):.2f} to "
        f"{np.nanmax(ratios):.2f}"
    ]


def _roots(
    reference_body: Proportions, driver_body: Proportions, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The driver's neck (T, 2) and root (T, 2) in every frame, and which frames show them (T,).

    The root is the middle of the hips. What is not seen keeps its last distance from what is, so
    where hips are never seen the root moves as the neck.
    """
    neck_seen, hips_seen = driver_body.seen[:, NECK], driver_body.seen[:, HIPS].all(-1)
    necks, hips = driver_body.joints[:, NECK].copy(), driver_body.joints[:, HIPS].mean(1)
    if not (neck_seen | hips_seen).any():
        # A close-up: the neck hangs below the nose as in the reference.
        nose_seen = driver_body.seen[:, NOSE]
        if not nose_seen.any():
            raise PoseError(
                "driving poses: no neck, shoulders, pair of hips or nose found in any frame, "
                "which the method 'limbs' starts from. Use a clip that shows head or trunk, or "
                "set the method to 'fit'."
            )
        drop = reference_body.joints[0, NECK] - reference_body.joints[0, NOSE]
        below = drop / scale if reference_body.seen[0, [NOSE, NECK]].all() else np.zeros(2)
        necks, neck_seen = driver_body.joints[:, NOSE] + below, nose_seen
    torso = np.zeros_like(necks)
    both = neck_seen & hips_seen
    if both.any():
        torso = _held(hips - necks, both)
    elif reference_body.seen[0, [NECK, *HIPS]].all():
        torso += (reference_body.joints[0, HIPS].mean(0) - reference_body.joints[0, NECK]) / scale
    known = neck_seen | hips_seen
    necks = np.where(neck_seen[:, None], necks, hips - torso)
    hips = np.where(hips_seen[:, None], hips, necks + torso)
    return _held(necks, known), _held(hips, known), known


def _held(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(T, 2) interpolated where it is not known, held at the ends."""
    frames, at = np.arange(len(values)), np.flatnonzero(known)
    return np.stack([np.interp(frames, at, column) for column in values[at].T], -1)


def _anchors(seen: np.ndarray) -> np.ndarray:
    """(T, 18) the nearest joint up the body that is seen; the neck counts as known."""
    anchors = np.full(seen.shape, NECK)
    for parent, child in BONES:
        anchors[:, child] = np.where(seen[:, parent], parent, anchors[:, parent])
    return anchors


def _forward(
    reference_body: Proportions,
    driver_body: Proportions,
    there: np.ndarray,
    anchors: np.ndarray,
    lengths: np.ndarray,
    scale: float,
) -> np.ndarray:
    """(T, 18, 2) joints about the neck, bone by bone; eyes and ears come later.

    A joint whose parent is not seen keeps its way from the nearest joint that is, in the bone's
    ratio of lengths. `there` are the driver's joints, the neck known in every frame.
    """
    frames = np.arange(len(there))
    body = np.full(there.shape, np.nan)
    body[:, NECK] = 0.0
    spread = _hip_spread(reference_body, driver_body)
    for parent, child in BONES:
        anchor = anchors[:, child]
        way = there[:, child] - there[frames, anchor]
        whole = driver_body.seen[:, parent] & driver_body.seen[:, child]
        ratio = lengths[child] / driver_body.lengths[child]
        bone = way * (ratio if np.isfinite(ratio) else scale)
        if whole.any() and np.isfinite(lengths[child]):
            bone[whole] = _directions(way, whole) * lengths[child]
        if child in spread:
            turn = np.where(np.isfinite(spread[child]), spread[child], 0.0)
            bone = _turned(bone, turn)
        body[:, child] = body[frames, anchor] + bone
    return body


def _directions(way: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Unit vectors (seen, 2) along a bone; where it has no length, between its neighbours'."""
    length = np.hypot(*way[seen].T)
    angle = np.arctan2(way[seen, 1], way[seen, 0])
    sure = length >= _FORESHORTENED * np.percentile(length, FULL_LENGTH)
    frames = np.flatnonzero(seen)
    between = np.interp(frames, frames[sure], np.unwrap(angle[sure]))
    angle = np.where(sure, angle, between)
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def _hip_spread(reference_body: Proportions, driver_body: Proportions) -> dict[int, np.ndarray]:
    """How far to turn neck-hip bones outwards (T,) radians, for hips as wide as the reference's.

    The angle at the neck between the hips is scaled by one factor for the clip.
    """
    if not reference_body.seen[0, [NECK, *HIPS]].all():
        return {}
    both = driver_body.seen[:, [NECK, *HIPS]].all(-1)
    half_width, target = _hip_angle(driver_body.joints), abs(_hip_angle(reference_body.joints)[0])
    typical = np.percentile(np.abs(half_width[both]), FULL_LENGTH) if both.any() else 0.0
    if typical < 1e-6:
        return {}
    factor = np.clip(target / typical, 1 / _MOST_SPREAD, _MOST_SPREAD)
    more = np.where(both, half_width * (factor - 1), 0.0)
    return {HIPS[0]: more, HIPS[1]: -more}


def _hip_angle(joints: np.ndarray) -> np.ndarray:
    """(T,) half the angle from the left hip to the right one, seen from the neck."""
    right, left = ((joints[:, hip] - joints[:, NECK]) @ (1, 1j) for hip in HIPS)
    return np.angle(right * left.conj()) / 2


def _turned(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    turned = vectors @ (1, 1j) * np.exp(1j * angle)
    return np.stack([turned.real, turned.imag], -1)


def _start(
    reference_body: Proportions, driver_body: Proportions, body: np.ndarray, known: np.ndarray
) -> tuple[int, np.ndarray]:
    """The first frame to place `body` by, and the way (2,) from there to the reference.

    By the hips, else the neck, else all joints that both show.
    """
    shared = reference_body.seen[0] & driver_body.seen & np.isfinite(body[..., 0]) & known[:, None]
    if not shared.any():
        raise PoseError(
            "reference and driving poses share no visible joint of trunk or limbs to start from. "
            "Use a clip that shows the part of the body that the image shows, or set the method "
            "to 'none'."
        )
    start = int(shared.any(1).argmax())
    for joints in (list(HIPS), [NECK], np.flatnonzero(shared[start])):
        if shared[start, joints].all():
            break
    return start, (reference_body.joints[0, joints] - body[start, joints]).mean(0)
