"""Motion retargeting: bone lengths of the reference with bone directions of the driver.

Bones keep a constant length in the image, so limbs are not foreshortened, because the image does
not give their depth. Eyes, ears and face points keep the driver's layout, which shows the
direction of the head, at the size of the reference's head.
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
from .pose_transform import PoseTransform

# A bone that appears shorter than this share of its length has no reliable direction; its angle is
# interpolated between reliable frames.
_FORESHORTENED = 0.2
# Largest change of the hip width; hips seen from the side have none.
_MOST_SPREAD = 1.5


def retarget_limbs(
    reference: PoseSequence,
    driver: PoseSequence,
    frame_size: tuple[int, int],
    size: tuple[int, int],
) -> tuple[PoseSequence, PoseTransform, list[str]]:
    """Retarget the driver's motion to the reference person.

    The root (midpoint of the hips, or the neck if no hips are visible) starts at the reference's
    root and moves as the driver's does, scaled by the body sizes. Feet that rest in the driver are
    locked (`foot_contact.plant_feet`). Hands follow the wrists, the face follows the nose. A joint
    is present where the driver shows it, even if the reference does not: the legs of a half-length
    portrait lie outside the image, and a hidden hand may appear.

    Args:
        reference: one frame.
        driver: (T) frames of the driving person, gaps filled.
        frame_size: (H, W) of the driving frames.
        size: (H, W) of the reference image.

    Returns:
        The retargeted poses with canvas `size`; the placement for other people of the driving
        video; a report.

    Raises:
        PoseError: the driver has no trunk or head, or shares no joint with the reference.
    """
    reference_body, driver_body = (
        Proportions.measure(reference, size),
        Proportions.measure(driver, frame_size),
    )
    scale, report = _scale(reference_body, driver_body)
    lengths, foreshortened, borrowed = bone_lengths(reference_body, driver_body, scale)
    if foreshortened:
        names = ", ".join(skeleton.BODY[child] for child in foreshortened)
        report.append(
            f"foreshortened in the reference, lengths from the rest of the limb: to {names}"
        )
    if borrowed:
        names = ", ".join(skeleton.BODY[child] for child in borrowed)
        report.append(f"not seen in the reference, lengths from the driving person: to {names}")

    necks, roots, known = _roots(reference_body, driver_body, scale)
    joints = driver_body.joints.copy()
    joints[:, NECK] = necks
    anchors = _anchors(driver_body.seen)
    body = _forward(reference_body, driver_body, joints, anchors, lengths, scale)
    hips = body[:, HIPS].mean(1)
    both_hips = np.all(driver_body.seen[:, HIPS], axis=-1)
    root = np.where(both_hips[:, None], hips, (roots - necks) * scale)
    start, offset = _start(reference_body, driver_body, body, known)
    target = root[start] + offset
    body += (target + (roots - roots[start]) * scale - root)[:, None]
    body, lines = plant_feet(reference_body, driver_body, body, scale, start)

    ratios = lengths / driver_body.lengths
    bones = np.where(np.isfinite(ratios), ratios, scale)
    points = follow_joints(reference_body, driver_body, joints, body, anchors, bones)
    pixels = np.array([size[1], size[0]], dtype=np.float64)
    others = PoseTransform(
        scale * np.array([frame_size[1], frame_size[0]]) / pixels,
        (target - roots[start] * scale) / pixels,
    )
    return PoseSequence(points / pixels, driver.scores, size), others, report + lines


def _scale(reference_body: Proportions, driver_body: Proportions) -> tuple[float, list[str]]:
    """Ratio of the body sizes, reference / driver, and its report line."""
    scale = body_scale(reference_body, driver_body)
    if scale is None:
        return 1.0, ["the reference shows no bone of the driving person, who keeps their own size"]
    ratios = reference_body.lengths / driver_body.lengths
    return scale, [
        f"body scaled by {scale:.3f} in pixels, its bones by {np.nanmin(ratios):.2f} to "
        f"{np.nanmax(ratios):.2f}"
    ]


def _roots(
    reference_body: Proportions, driver_body: Proportions, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The driver's neck (T, 2) and root (T, 2) in every frame, and a (T,) mask of known frames.

    The root is the midpoint of the hips. Where one of the two is missing, it is derived from the
    other with the trunk vector, which is interpolated over time.
    """
    neck_seen = driver_body.seen[:, NECK]
    hips_seen = np.all(driver_body.seen[:, HIPS], axis=-1)
    necks, hips = driver_body.joints[:, NECK].copy(), driver_body.joints[:, HIPS].mean(1)
    if not (neck_seen | hips_seen).any():
        # In a close-up the neck is placed below the nose as in the reference.
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
        torso = _interpolate(hips - necks, both)
    elif reference_body.seen[0, [NECK, *HIPS]].all():
        torso += (reference_body.joints[0, HIPS].mean(0) - reference_body.joints[0, NECK]) / scale
    known = neck_seen | hips_seen
    necks = np.where(neck_seen[:, None], necks, hips - torso)
    hips = np.where(hips_seen[:, None], hips, necks + torso)
    return _interpolate(necks, known), _interpolate(hips, known), known


def _interpolate(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Interpolate (T, 2) values linearly where not `known`; constant at the ends."""
    frames, indices = np.arange(len(values)), np.flatnonzero(known)
    return np.stack([np.interp(frames, indices, column) for column in values[indices].T], -1)


def _anchors(seen: np.ndarray) -> np.ndarray:
    """(T, 18) nearest visible ancestor of each joint; the neck counts as visible."""
    anchors = np.full(seen.shape, NECK)
    for parent, child in BONES:
        anchors[:, child] = np.where(seen[:, parent], parent, anchors[:, parent])
    return anchors


def _forward(
    reference_body: Proportions,
    driver_body: Proportions,
    source: np.ndarray,
    anchors: np.ndarray,
    lengths: np.ndarray,
    scale: float,
) -> np.ndarray:
    """Forward kinematics: (T, 18, 2) joints relative to the neck, without eyes and ears.

    From parent to child, child = parent + direction·length, with directions of the driver and
    lengths of the reference. A joint whose parent is invisible is offset from its nearest visible
    ancestor by the driver's offset, scaled. `source` are the driver's joints, the neck known in
    every frame.
    """
    frames = np.arange(len(source))
    body = np.full(source.shape, np.nan)
    body[:, NECK] = 0.0
    spread = _hip_spread(reference_body, driver_body)
    for parent, child in BONES:
        anchor = anchors[:, child]
        offset = source[:, child] - source[frames, anchor]
        visible = driver_body.seen[:, parent] & driver_body.seen[:, child]
        ratio = lengths[child] / driver_body.lengths[child]
        bone = offset * (ratio if np.isfinite(ratio) else scale)
        if visible.any() and np.isfinite(lengths[child]):
            bone[visible] = _directions(offset, visible) * lengths[child]
        if child in spread:
            angle = np.where(np.isfinite(spread[child]), spread[child], 0.0)
            bone = _rotate(bone, angle)
        body[:, child] = body[frames, anchor] + bone
    return body


def _directions(offset: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Unit vectors (seen, 2) along a bone; angles are interpolated where it is foreshortened."""
    length = np.hypot(*offset[seen].T)
    angle = np.arctan2(offset[seen, 1], offset[seen, 0])
    reliable = length >= _FORESHORTENED * np.percentile(length, FULL_LENGTH)
    frames = np.flatnonzero(seen)
    interpolated = np.interp(frames, frames[reliable], np.unwrap(angle[reliable]))
    angle = np.where(reliable, angle, interpolated)
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def _hip_spread(reference_body: Proportions, driver_body: Proportions) -> dict[int, np.ndarray]:
    """(T,) outward rotation in radians of each neck-hip bone that gives the reference's hip width.

    The angle between the hips, seen from the neck, is scaled by one factor for all frames.
    """
    if not reference_body.seen[0, [NECK, *HIPS]].all():
        return {}
    both = driver_body.seen[:, [NECK, *HIPS]].all(-1)
    half_width, target = _hip_angle(driver_body.joints), abs(_hip_angle(reference_body.joints)[0])
    typical = np.percentile(np.abs(half_width[both]), FULL_LENGTH) if both.any() else 0.0
    if typical < 1e-6:
        return {}
    factor = np.clip(target / typical, 1 / _MOST_SPREAD, _MOST_SPREAD)
    rotation = np.where(both, half_width * (factor - 1), 0.0)
    return {HIPS[0]: rotation, HIPS[1]: -rotation}


def _hip_angle(joints: np.ndarray) -> np.ndarray:
    """(T,) half the angle between right and left hip, seen from the neck: arg(r · conj(l)) / 2."""
    right, left = ((joints[:, hip] - joints[:, NECK]) @ (1, 1j) for hip in HIPS)
    return np.angle(right * left.conj()) / 2


def _rotate(vectors: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotate vectors (T, 2) by `angle` (T,), as complex multiplication by exp(i·angle)."""
    rotated = vectors @ (1, 1j) * np.exp(1j * angle)
    return np.stack([rotated.real, rotated.imag], -1)


def _start(
    reference_body: Proportions, driver_body: Proportions, body: np.ndarray, known: np.ndarray
) -> tuple[int, np.ndarray]:
    """Frame at which `body` is placed, and the offset (2,) from there to the reference.

    It is the first frame with a shared joint. The offset is measured at the hips, else at the neck,
    else as the mean of all shared joints.
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
