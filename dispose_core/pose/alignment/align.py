"""Align driving poses to the reference person by one of three methods.

"fit" is the paper's method: one scale and one shift for all frames, from the least-squares fit of
the driving joints' y coordinates to the reference's
(docs/reference_behaviour.md#pose-alignment). `official` reproduces the official code; the default
ignores invisible points, fills gaps, and falls back where no fit is possible. "limbs" keeps the
reference's proportions (`retarget.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...errors import PoseError
from .. import skeleton
from ..canvas import require_canvas, same_shape
from ..fit import fit_poses
from ..frame_ranges import name_frames
from ..sequence import PoseSequence
from ..tracking.list_order import order_report
from .body_proportions import Proportions, difference
from .far_points import drop_far_points
from .gap_filling import SMOOTHING_FPS, fill_gaps, hold_pose, one_euro
from .pose_transform import PoseTransform
from .retarget import retarget_limbs

# Joints used for the fit: all but elbows and wrists, which move too much
# (docs/reference_behaviour.md#alignment-joints).
FIT_JOINTS = np.array([0, 1, 2, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17])

# Largest factor between the fitted scale and the ratio of the body sizes. Beyond it the fit is
# rejected: the person moves further than the shared joints are apart, or lies down.
MOST_DISAGREEMENT = 2.0

# Difference in the proportions of arms, legs, trunk, shoulders or neck above which one scale
# distorts the body. Smaller differences may be foreshortening.
OTHER_BUILD = 0.2


@dataclass(frozen=True)
class AlignOptions:
    """Options of `align_poses`.

    Attributes:
        method: "fit" scales and shifts the poses onto the reference body; "limbs" applies the
            driver's joint directions to the reference's bones; "none" keeps them as they lie in
            the image, cropped to its shape if theirs is another.
        max_gap: longest gap to fill, in frames (`gap_filling.fill_gaps`).
        smoothing: 24ths of a second over which a resting point is averaged
            (`gap_filling.one_euro`); 0 = off.
        fps: frames per second of the driving poses, for the smoothing.
        hold: keep the nearest pose in frames that show nobody (`gap_filling.hold_pose`).
    """

    method: Literal["fit", "limbs", "none"] = "fit"
    max_gap: int = 12
    smoothing: float = 0.0
    fps: float = SMOOTHING_FPS
    hold: bool = True


def align_poses(
    reference: Sequence[PoseSequence],
    driving: Sequence[PoseSequence],
    size: tuple[int, int],
    options: AlignOptions | None = None,
    official: bool = False,
) -> tuple[list[PoseSequence], list[str]]:
    """Align the driving poses to the reference image.

    See docs/reference_behaviour.md#pose-alignment. The transform is estimated from the first person
    of both sides. "fit" applies the same scale and shift to everybody in the driving video,
    estimated from frames that show nobody else, if there are any. "limbs" retargets the first
    person and moves the others by the scale between the two bodies.

    Args:
        reference: people of the reference image, one frame each.
        driving: people of the driving video; `canvas` is the size of the driving frames.
        size: (H, W) of the resized reference image.
        options: see `AlignOptions`.
        official: reproduce the official code and ignore the options. It only has "fit", weights
            low-score points like others, uses only frames with one person, accepts any scale, and
            neither fills gaps nor smooths.

    Returns:
        The aligned people, with canvas `size`, and a report.

    Raises:
        PoseError: a side shows nobody, the two share no joint to fit, or the size of the image that
            poses were found in is not known.
    """
    options = options or AlignOptions()
    if len(reference[0]) != 1:
        raise PoseError(
            f"reference pose: {len(reference[0])} poses, needed 1. "
            "Give the pose of the reference image alone."
        )
    _require_driver(driving)
    require_canvas(size, "reference pose")
    require_canvas(driving[0].canvas, "driving poses")
    frame_size = driving[0].canvas
    order = order_report(driving, "driving poses")
    to_frame_ratio = (frame_size[0] / frame_size[1]) / size[0] * size[1]
    if official:
        placement = _official_fit(reference[0], driving, to_frame_ratio)
        aligned = [placement(person, size) for person in driving]
        return aligned, [_describe(placement, frame_size, size), *order]

    person, _ = drop_far_points(reference[0])
    driving, left_out = _without_far_points(driving)
    repaired, repairs = _repair(driving, options)
    if options.method == "none":
        aligned, report = _as_they_are(repaired, frame_size, size)
    elif options.method == "limbs":
        first, placement, report = retarget_limbs(person, repaired[0], frame_size, size)
        aligned = [first, *(placement(other, size) for other in repaired[1:])]
    else:
        placement, report = _robust_fit(person, driving, to_frame_ratio)
        aligned = [placement(other, size) for other in repaired]
        report.append(_describe(placement, frame_size, size))
        report += _other_build(person, driving[0], frame_size, size)
    if options.hold:
        aligned[0], held = hold_pose(aligned[0])
        repairs += held
    return aligned, report + left_out + repairs + order


def _without_far_points(
    people: Sequence[PoseSequence],
) -> tuple[list[PoseSequence], list[str]]:
    """The people without points far outside the image, if anybody is left then, and a report."""
    kept = [drop_far_points(person) for person in people]
    count = sum(number for _, number in kept)
    if not count or not kept[0][0].present.any():
        return list(people), []
    return [person for person, _ in kept], [
        f"{count} joints that were guessed far outside the driving frames are left out"
    ]


def _repair(
    people: Sequence[PoseSequence], options: AlignOptions
) -> tuple[list[PoseSequence], list[str]]:
    """Fill gaps, then smooth, so that filled points take part in the smoothing."""
    repaired, report = [], []
    for p, person in enumerate(people):
        filled, lines = fill_gaps(person, options.max_gap)
        repaired.append(one_euro(filled, options.smoothing, options.fps))
        report += [f"person {p}, {line}" for line in lines] if len(people) > 1 else lines
    return repaired, report


def _official_fit(
    reference: PoseSequence, driving: Sequence[PoseSequence], frame_ratio: float
) -> PoseTransform:
    """The fit of docs/reference_behaviour.md#pose-alignment; only missing points are left out."""
    joints = _reference_joints(reference)
    alone = _alone(driving)
    if not alone.any():
        raise PoseError(
            f"driving poses: none of the {len(alone)} frames shows exactly one person, which the "
            "official alignment needs. Turn off `official`, or use a clip of one person."
        )
    target, source = _pairs(reference, driving[0][alone], joints, lambda pose: pose.body_scores > 0)
    if len(source) < 2 or np.ptp(source[:, 1]) == 0:
        raise PoseError(
            f"driving poses: {len(source)} points to fit the scale on, needed 2 at different "
            "heights. Turn off `official`, or set the method to 'none'."
        )
    scale_y = _slope(source[:, 1], target[:, 1])
    return _placement(target, source, scale_y, frame_ratio)


def _robust_fit(
    reference: PoseSequence, driving: Sequence[PoseSequence], frame_ratio: float
) -> tuple[PoseTransform, list[str]]:
    """The fit on visible points only, with fallbacks where it is impossible."""
    report = []
    joints = _reference_joints(reference)
    used_frames = _alone(driving)
    if not (driving[0].body_visible[:, joints].any(-1) & used_frames).any():
        used_frames = driving[0].present
    if len(driving) > 1:
        report.append(
            f"{len(driving)} people: fitted on person 0, in {int(used_frames.sum())} frames"
        )
    driver = driving[0][used_frames]
    target, source = _pairs(reference, driver, joints, lambda pose: pose.body_visible)
    if len(source) == 0:
        raise PoseError(
            "reference and driving poses share no visible joint to fit on (the reference shows "
            f"{', '.join(skeleton.BODY[j] for j in joints)}). Use a clip that shows the same "
            "part of the body, or set the method to 'none'."
        )
    unseen = len(driver) * len(joints) - len(source)
    if unseen:
        report.append(f"{unseen} of {unseen + len(source)} points were not seen and left out")

    size_ratio = _size_ratio(reference, driver, joints, frame_ratio)
    scale_y = _slope(source[:, 1], target[:, 1])
    if size_ratio is None:
        # A single joint determines the position but not the scale.
        report.append("only one shared joint at a time: the driving person keeps its own size")
        scale_y = 1.0
    elif not size_ratio / MOST_DISAGREEMENT <= scale_y <= size_ratio * MOST_DISAGREEMENT:
        report.append(
            f"the fitted scale ({scale_y:.3g} of the frame height) does not suit the body sizes "
            f"({size_ratio:.3g}); scaled by the body sizes"
        )
        scale_y = size_ratio
    return _placement(target, source, scale_y, frame_ratio), report


def _reference_joints(reference: PoseSequence) -> np.ndarray:
    joints = FIT_JOINTS[reference.body_visible[0, FIT_JOINTS]]
    if len(joints) == 0:
        best = reference.body_scores[0, FIT_JOINTS].max()
        raise PoseError(
            f"reference pose: no joint of head, trunk or legs visible (best score {best:.2f}, "
            f"needed more than {skeleton.VISIBLE}). Use an image that shows head and shoulders, "
            "load "
            "the pose from a file, or set the method to 'none'."
        )
    return joints


def _require_driver(driving: Sequence[PoseSequence]) -> None:
    if not driving[0].present.any():
        everybody = np.ones(len(driving[0]), dtype=bool)
        where = name_frames(everybody) if len(everybody) else "an empty list"
        raise PoseError(
            f"driving poses: no person found ({where}). Use a clip in which one person is seen "
            "from head to hip at least, or another pose detector."
        )


def _alone(driving: Sequence[PoseSequence]) -> np.ndarray:
    """(T,) bool: frames that show the first person and nobody else."""
    others = [person.present for person in driving[1:]]
    return driving[0].present & ~np.any(others, axis=0) if others else driving[0].present


def _pairs(reference, driver, joints, usable) -> tuple[np.ndarray, np.ndarray]:
    """Corresponding points (n, 2) of the reference and the driver over all frames."""
    keep = usable(driver)[:, joints]  # (K, joints)
    source = driver.body[:, joints]
    target = np.broadcast_to(reference.body[0, joints], source.shape)
    return target[keep], source[keep]


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Slope of the least-squares line; NaN where x is constant."""
    x, y = x - x.mean(), y - y.mean()
    variance = (x * x).sum()
    return float((x * y).sum() / variance) if variance > 0 else float("nan")


def _placement(
    target: np.ndarray, source: np.ndarray, scale_y: float, frame_ratio: float
) -> PoseTransform:
    """Placement with equal scale in pixels along both axes that maps centroid to centroid."""
    scale = np.array([scale_y / frame_ratio, scale_y])
    return PoseTransform(scale, (target - source * scale).mean(0))


def _size_ratio(
    reference: PoseSequence, driver: PoseSequence, joints: np.ndarray, frame_ratio: float
) -> float | None:
    """Ratio of the body sizes, reference / driver, as a factor on fractions of the height.

    Size is the root of the summed squared distances of the shared joints from their centroid; the
    ratio is the median over the frames. None if no frame has two shared joints.
    """
    keep = driver.body_visible[:, joints, None]
    aspect = np.array([1 / frame_ratio, 1.0])  # brings the driver's x and y to one unit
    target = np.broadcast_to(reference.body[0, joints], (*keep.shape[:2], 2))
    counts = keep.sum(1)

    def spread(points: np.ndarray) -> np.ndarray:
        points = np.where(keep, points, 0.0)
        centred = np.where(keep, points - (points.sum(1) / np.maximum(counts, 1))[:, None], 0.0)
        return np.sqrt((centred**2).sum((1, 2)))

    reference_spread, driver_spread = spread(target), spread(driver.body[:, joints] * aspect)
    usable = (counts[:, 0] >= 2) & (driver_spread > 1e-6) & (reference_spread > 1e-6)
    if not usable.any():
        return None
    return float(np.median(reference_spread[usable] / driver_spread[usable]))


def _describe(placement: PoseTransform, frame_size: tuple[int, int], size: tuple[int, int]) -> str:
    factor = placement.scale[1] * size[0] / frame_size[0]
    dx, dy = placement.shift * (size[1], size[0])
    return f"driving poses scaled by {factor:.3f} in pixels, then moved by ({dx:.0f}, {dy:.0f}) px"


def _other_build(
    reference: PoseSequence,
    driver: PoseSequence,
    frame_size: tuple[int, int],
    size: tuple[int, int],
) -> list[str]:
    share = difference(
        Proportions.measure(reference, size), Proportions.measure(driver, frame_size)
    )
    if share <= OTHER_BUILD:
        return []
    return [
        f"proportions of the two bodies differ by up to {share:.0%}; the method 'limbs' keeps the "
        "reference's"
    ]


def _as_they_are(
    people: Sequence[PoseSequence], frame_size: tuple[int, int], size: tuple[int, int]
) -> tuple[list[PoseSequence], list[str]]:
    if same_shape(frame_size, size):
        aligned = [PoseSequence(person.points, person.scores, size) for person in people]
        return aligned, ["poses taken as they are"]
    return fit_poses(people, frame_size, size), [
        f"poses taken as they are; the driving frames ({frame_size[1]}×{frame_size[0]}) are "
        f"cropped to the shape of the image ({size[1]}×{size[0]})"
    ]
