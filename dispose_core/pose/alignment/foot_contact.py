"""Foot locking: keep feet at rest in the retargeted motion where they rest in the driver.

Retargeting to other leg lengths makes resting feet slide. The root (hips) is shifted so that the
supporting feet stay in place; the remaining error of each foot is removed by two-bone inverse
kinematics, which may change the leg's length slightly and then bends the knee.
"""

from __future__ import annotations

import numpy as np

from ..frame_ranges import stretches
from ..skeleton import ANKLES, LEGS
from .body_proportions import Proportions

# Trunk, thigh and shin, each as (right, left) child joints.
_LEG_BONES = [list(pair) for pair in zip(*LEGS, strict=True)]

# In body sizes (trunk plus leg of the driver): largest speed per frame of a resting foot, least
# drift of a resting foot that is attributed to a camera pan, and largest height of a standing
# foot above the lower foot.
_RESTING_SPEED = 0.005
_PAN = 0.04
_ON_GROUND = 0.1
# Frames. A foot that reverses direction in the air is slow for three frames.
_SHORTEST_REST, _LONGEST_SLIP = 4, 2

# Frames over which the correction of a leg is blended in and out.
_EASE = 5
# The shift of the root is averaged over this many frames on either side.
_SOFT = 3
# Largest relative change of a leg's length; beyond it the knee bends.
_GIVE = 0.015
# A knee bent by more than this (radians) keeps its side; others bend to the usual side.
_BENT = 0.35


def plant_feet(
    reference: Proportions, driver: Proportions, body: np.ndarray, scale: float, start: int
) -> tuple[np.ndarray, list[str]]:
    """Shift `body` and bend its legs so that resting feet do not slide.

    A resting foot is locked to its mean position over the rest, or, in the rest that includes
    `start`, to its position in that frame. Standing feet are placed on the ground, the height of
    the reference's lower foot; height differences between steps of the driver are scaled. While no
    foot stands, as in a jump, the root shift is interpolated between contacts.

    Args:
        reference: the reference person, one frame.
        driver: the driver, (T) frames.
        body: (T, 18, 2) retargeted joints in pixels of the image, placed by their root.
        scale: image pixels per pixel of the driving frames.
        start: first frame that shows the driver.

    Returns:
        The corrected joints (T, 18, 2), and a report.
    """
    feet = driver.joints[:, list(ANKLES)]
    usable = np.stack([driver.seen[:, leg].all(-1) for leg in LEGS], -1)
    if not usable.any():
        return body, ["the driving person shows no whole leg; nothing is kept on the ground"]
    size = sum(driver.length(pair) for pair in _LEG_BONES)
    resting = _resting(feet, usable, size)
    heights = np.where(usable, feet[..., 1], -np.inf)  # y, downwards
    standing = resting & (heights >= heights.max(1, keepdims=True) - _ON_GROUND * size)
    if not standing.any():
        return body, ["no foot of the driving person rests; nothing is kept on the ground"]

    first = int(standing.any(1).argmax())
    driver_ground = heights[first].max()
    image_ground = _ground(reference.joints[0], reference.seen[0, list(ANKLES)])
    if image_ground is None:  # the reference's feet are outside the image
        image_ground = _ground(body[first], standing[first])
    ankles = body[:, list(ANKLES)]
    targets = np.full(feet.shape, np.nan)  # (T, 2, 2)
    supporting = np.zeros_like(resting)
    for f in range(len(LEGS)):
        for begin, end in stretches(resting[:, f]):
            run = slice(begin, end + 1)
            path = _drift(feet[run, f], size)
            anchor = (
                slice(start - begin, start - begin + 1) if begin <= start <= end else slice(None)
            )
            targets[run, f] = (path - path[anchor].mean(0)) * scale + ankles[run, f][anchor].mean(0)
            if standing[run, f].any():
                height = image_ground + scale * (feet[run, f, 1][anchor].mean() - driver_ground)
                targets[run, f, 1] += height - targets[run, f, 1][anchor].mean()
                supporting[run, f] = True
    shift = _root_shift(targets - ankles, supporting)
    body = body + shift[:, None]
    for f, leg in enumerate(LEGS):
        for begin, end in stretches(resting[:, f] & ~supporting[:, f]):
            # A foot at rest in the air keeps its height above the ground.
            targets[begin : end + 1, f] += shift[begin : end + 1].mean(0)
        body[:, leg] = _two_bone_ik(body[:, leg], targets[:, f], usable[:, f])
    return body, [
        f"feet kept where they rest: right in {resting[:, 0].sum()}, left in "
        f"{resting[:, 1].sum()} of {len(feet)} frames; the body moved by up to "
        f"{np.hypot(*shift.T).max():.0f} px for it"
    ]


def _resting(feet: np.ndarray, usable: np.ndarray, size: float) -> np.ndarray:
    """(T, 2) bool: feet slower than `_RESTING_SPEED` for at least `_SHORTEST_REST` frames.

    Positions (T, 2, 2) are smoothed with the kernel [1 2 1] / 4 first.
    """
    padded = np.pad(feet, ((1, 1), (0, 0), (0, 0)), mode="edge")
    steady = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    speed = np.hypot(*np.moveaxis(np.diff(steady, axis=0), -1, 0))
    if len(speed):
        # The smaller of the speeds before and after, so that the frame before a step still counts.
        speed = np.fmin(np.concatenate([speed[:1], speed]), np.concatenate([speed, speed[-1:]]))
    else:
        speed = np.zeros(usable.shape)
    resting = usable & (speed < _RESTING_SPEED * size)
    for foot, visible in zip(resting.T, usable.T, strict=True):  # views: changed in place
        for begin, end in stretches(visible & ~foot):
            enclosed = begin > 0 and end < len(foot) - 1 and foot[begin - 1] and foot[end + 1]
            if enclosed and end - begin < _LONGEST_SLIP:
                foot[begin : end + 1] = True
        for begin, end in stretches(foot.copy()):
            if end - begin + 1 < min(_SHORTEST_REST, len(foot)):
                foot[begin : end + 1] = False
    return resting


def _ground(joints: np.ndarray, visible: np.ndarray) -> float | None:
    """y of the lower visible ankle; None if neither is visible."""
    return float(joints[list(ANKLES), 1][visible].max()) if visible.any() else None


def _drift(feet: np.ndarray, size: float) -> np.ndarray:
    """(n, 2) displacement of a resting foot by a camera pan, or zeros if there is none.

    The pan is the least-squares line through the positions, step = sum t·(p - mean p) / sum t² with
    time t centred at 0. It counts if it moves the foot by more than `_PAN` body sizes in all.
    """
    t = np.arange(len(feet)) - (len(feet) - 1) / 2
    step = t @ (feet - feet.mean(0)) / max(t @ t, 1.0)
    return t[:, None] * step * (np.hypot(*step) * len(feet) > _PAN * size)


def _root_shift(offsets: np.ndarray, supporting: np.ndarray) -> np.ndarray:
    """(T, 2) shift of the body that brings the supporting feet to their targets.

    It is the mean of `offsets` (T, 2, 2; target minus ankle) over the supporting feet, interpolated
    over frames without support and averaged with a Hann window.
    """
    frames_with_support = np.flatnonzero(supporting.any(1))
    total = np.where(supporting[..., None], offsets, 0.0).sum(1)[frames_with_support]
    shift = total / supporting[frames_with_support].sum(1, keepdims=True)
    frames = np.arange(-_SOFT, len(supporting) + _SOFT)
    shift = np.stack([np.interp(frames, frames_with_support, column) for column in shift.T], -1)
    window = np.hanning(2 * _SOFT + 3)[1:-1]
    windows = np.lib.stride_tricks.sliding_window_view(shift, len(window), axis=0)
    return windows @ window / window.sum()


def _two_bone_ik(leg: np.ndarray, target: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Two-bone inverse kinematics: move the ankles of `leg` (T, 3, 2) to `target` (T, 2).

    A leg is hip, knee, ankle, as complex numbers. The knee angle b follows from the law of cosines,
    cos b = (d² - l1² - l2²) / (2·l1·l2) for a target at distance d from the hip and bones l1, l2;
    then the leg is rotated towards the target, which it falls short of if out of reach. Frames
    where `target` is NaN are not contacts; around contacts the change of angles and length is
    blended in and out.
    """
    hip, knee, ankle = (leg @ (1, 1j)).T
    thigh, shin = knee - hip, ankle - knee
    bend = np.angle(shin * thigh.conj())
    contact = np.isfinite(target).all(-1) & usable
    if not contact.any():
        return leg
    goal = target @ (1, 1j) - hip
    distance = np.abs(goal)
    stretch = np.clip(distance / np.maximum(np.abs(ankle - hip), 1e-9), 1 - _GIVE, 1 + _GIVE)
    l1, l2 = np.abs(thigh) * stretch, np.abs(shin) * stretch
    cosine = (distance**2 - l1**2 - l2**2) / np.maximum(2 * l1 * l2, 1e-9)
    default_side = np.sign(bend[contact].sum()) or 1.0
    side = np.where(np.abs(bend) > _BENT, np.sign(bend), default_side)
    bent = side * np.arccos(np.clip(cosine, -1, 1))
    unrotated = np.exp(1j * np.angle(thigh)) * (
        l1 + l2 * np.exp(1j * bent)
    )  # hip to ankle before the rotation
    turn = np.angle(goal * unrotated.conj())

    stretch = 1 + _blend(stretch - 1, contact)
    thigh = thigh * stretch * np.exp(1j * _blend(turn, contact))
    shin_axis = np.exp(1j * np.angle(thigh)) * np.abs(shin) * stretch
    shin = shin_axis * np.exp(1j * (bend + _blend(_wrap_angle(bent - bend), contact)))
    moved = np.stack([hip, hip + thigh, hip + thigh + shin], -1)
    return np.where(usable[:, None, None], np.stack([moved.real, moved.imag], -1), leg)


def _wrap_angle(angle: np.ndarray) -> np.ndarray:
    """Wrap angles to (-pi, pi]."""
    return np.angle(np.exp(1j * angle))


def _blend(values: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """(T,) `values` in contacts, blended linearly to 0 over `_EASE` frames around them."""
    frames = np.arange(len(values))
    contacts = np.flatnonzero(contact)
    after = np.searchsorted(contacts, frames)
    ends = contacts[np.clip([after - 1, after], 0, len(contacts) - 1)]  # (2, T) around each frame
    nearest = np.abs(ends - frames).min(0)
    known = contact | (nearest >= _EASE)
    return np.interp(frames, frames[known], np.where(contact, values, 0.0)[known])
