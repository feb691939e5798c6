"""Feet that rest in the driver rest in the result: the root moves over them, the legs give.

Legs of other proportions carry the hips elsewhere, and a bone of constant length cannot show a
knee that bends towards the camera. So the root is corrected for the feet that stand, and what is
left between two standing feet is taken up by both legs: a little of their length, then the knee.
"""

from __future__ import annotations

import numpy as np

from ..frame_ranges import stretches
from ..skeleton import ANKLES, LEGS
from .body_proportions import Proportions

# Trunk, thigh and shin by the joints they end in.
_LEG_BONES = [list(pair) for pair in zip(*LEGS, strict=True)]

# In body sizes (trunk and leg of the driver): a foot rests while it is slower than this a frame,
# follows a pan that carries it further than that, and stands on the ground up to this height
# above the lower foot.
_RESTING_SPEED = 0.005
_PAN = 0.04
_ON_GROUND = 0.1
# Frames; a foot that turns round in the air is slow for three.
_SHORTEST_REST, _LONGEST_SLIP = 4, 2

# Frames in which a leg takes on and gives up its correction.
_EASE = 5
# The root's correction is averaged over so many frames on both sides.
_SOFT = 3
# Legs give this share of their length before the knee bends: they stay well within 2 %.
_GIVE = 0.015
# A knee that is bent further than this (radians) bends to its own side, others to the usual one.
_BENT = 0.35


def plant_feet(
    reference: Proportions, driver: Proportions, body: np.ndarray, scale: float, start: int
) -> tuple[np.ndarray, list[str]]:
    """Shift `body` and bend its legs so that resting feet do not slide.

    A foot stands where it would be on average without this; in the run of frames that holds
    `start`, where it would be then. The ground is the reference's lower foot, and the driver's
    steps up and down are scaled. Where no foot stands, as in a jump, the correction runs from
    the last contact's to the next.

    Args:
        reference: the reference person, one frame.
        driver: the driver, (T) frames.
        body: (T, 18, 2) joints of the result in pixels of the image, placed by their root.
        scale: pixels of the image for one of the driving frames.
        start: the first frame that shows the driver.

    Returns:
        The corrected joints (T, 18, 2), and the report.
    """
    feet = driver.joints[:, list(ANKLES)]
    usable = np.stack([driver.seen[:, leg].all(-1) for leg in LEGS], -1)
    if not usable.any():
        return body, ["the driver shows no whole leg; nothing is kept on the ground"]
    size = sum(driver.length(pair) for pair in _LEG_BONES)
    resting = _resting(feet, usable, size)
    heights = np.where(usable, feet[..., 1], -np.inf)  # y, downwards
    standing = resting & (heights >= heights.max(1, keepdims=True) - _ON_GROUND * size)
    if not standing.any():
        return body, ["no foot of the driver rests; nothing is kept on the ground"]

    first = int(standing.any(1).argmax())
    ground_by = heights[first].max()
    ground_of = _ground(reference.joints[0], reference.seen[0, list(ANKLES)])
    if ground_of is None:  # the feet are not in the image
        ground_of = _ground(body[first], standing[first])
    ankles = body[:, list(ANKLES)]
    planted = np.full(feet.shape, np.nan)  # (T, 2, 2)
    supporting = np.zeros_like(resting)
    for f in range(len(LEGS)):
        for begin, end in stretches(resting[:, f]):
            run = slice(begin, end + 1)
            path = _drift(feet[run, f], size)
            at = slice(start - begin, start - begin + 1) if begin <= start <= end else slice(None)
            planted[run, f] = (path - path[at].mean(0)) * scale + ankles[run, f][at].mean(0)
            if standing[run, f].any():
                height = ground_of + scale * (feet[run, f, 1][at].mean() - ground_by)
                planted[run, f, 1] += height - planted[run, f, 1][at].mean()
                supporting[run, f] = True
    shift = _root_shift(planted - ankles, supporting)
    body = body + shift[:, None]
    for f, leg in enumerate(LEGS):
        for begin, end in stretches(resting[:, f] & ~supporting[:, f]):
            # Held in the air: it keeps still at its height over the ground.
            planted[begin : end + 1, f] += shift[begin : end + 1].mean(0)
        body[:, leg] = _two_bone_ik(body[:, leg], planted[:, f], usable[:, f])
    return body, [
        f"feet kept where they rest: right in {resting[:, 0].sum()}, left in "
        f"{resting[:, 1].sum()} of {len(feet)} frames; the body moved by up to "
        f"{np.hypot(*shift.T).max():.0f} px for it"
    ]


def _resting(feet: np.ndarray, usable: np.ndarray, size: float) -> np.ndarray:
    """(T, 2) bool: ankles (T, 2, 2) that hardly move, for at least `_SHORTEST_REST` frames."""
    padded = np.pad(feet, ((1, 1), (0, 0), (0, 0)), mode="edge")
    steady = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    speed = np.hypot(*np.moveaxis(np.diff(steady, axis=0), -1, 0))
    if len(speed):
        # The slower side counts: a foot still rests in the frame before it goes.
        speed = np.fmin(np.concatenate([speed[:1], speed]), np.concatenate([speed, speed[-1:]]))
    else:
        speed = np.zeros(usable.shape)
    resting = usable & (speed < _RESTING_SPEED * size)
    for foot, there in zip(resting.T, usable.T, strict=True):  # views: changed in place
        for begin, end in stretches(there & ~foot):
            inside = begin > 0 and end < len(foot) - 1 and foot[begin - 1] and foot[end + 1]
            if inside and end - begin < _LONGEST_SLIP:
                foot[begin : end + 1] = True
        for begin, end in stretches(foot.copy()):
            if end - begin + 1 < min(_SHORTEST_REST, len(foot)):
                foot[begin : end + 1] = False
    return resting


def _ground(joints: np.ndarray, there: np.ndarray) -> float | None:
    """y of the lower ankle."""
    return float(joints[list(ANKLES), 1][there].max()) if there.any() else None


def _drift(feet: np.ndarray, size: float) -> np.ndarray:
    """(n, 2) the way that a camera carries a resting foot, evenly; zero when it carries none."""
    t = np.arange(len(feet)) - (len(feet) - 1) / 2
    step = t @ (feet - feet.mean(0)) / max(t @ t, 1.0)
    return t[:, None] * step * (np.hypot(*step) * len(feet) > _PAN * size)


def _root_shift(missing: np.ndarray, supporting: np.ndarray) -> np.ndarray:
    """(T, 2) the way of the body that brings the carrying feet (T, 2, 2) to where they stand."""
    carried = np.flatnonzero(supporting.any(1))
    way = np.where(supporting[..., None], missing, 0.0).sum(1)[carried]
    shift = way / supporting[carried].sum(1, keepdims=True)
    frames = np.arange(-_SOFT, len(supporting) + _SOFT)
    shift = np.stack([np.interp(frames, carried, column) for column in shift.T], -1)
    window = np.hanning(2 * _SOFT + 3)[1:-1]
    windows = np.lib.stride_tricks.sliding_window_view(shift, len(window), axis=0)
    return windows @ window / window.sum()


def _two_bone_ik(leg: np.ndarray, stand: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Hip, knee, ankle (T, 3, 2) with the ankle at `stand` (T, 2) where that is not NaN.

    Out of reach the leg points at it. Around a contact the leg takes on and gives up the change
    of its angles and its length evenly.
    """
    hip, knee, ankle = (leg @ (1, 1j)).T
    thigh, shin = knee - hip, ankle - knee
    bend = np.angle(shin * thigh.conj())
    contact = np.isfinite(stand).all(-1) & usable
    if not contact.any():
        return leg
    goal = stand @ (1, 1j) - hip
    distance = np.abs(goal)
    give = np.clip(distance / np.maximum(np.abs(ankle - hip), 1e-9), 1 - _GIVE, 1 + _GIVE)
    l1, l2 = np.abs(thigh) * give, np.abs(shin) * give
    cosine = (distance**2 - l1**2 - l2**2) / np.maximum(2 * l1 * l2, 1e-9)
    usual = np.sign(bend[contact].sum()) or 1.0
    side = np.where(np.abs(bend) > _BENT, np.sign(bend), usual)
    bent = side * np.arccos(np.clip(cosine, -1, 1))
    direct = np.exp(1j * np.angle(thigh)) * (
        l1 + l2 * np.exp(1j * bent)
    )  # hip to ankle, not yet turned
    turn = np.angle(goal * direct.conj())

    give = 1 + _eased(give - 1, contact)
    thigh = thigh * give * np.exp(1j * _eased(turn, contact))
    along = np.exp(1j * np.angle(thigh)) * np.abs(shin) * give
    shin = along * np.exp(1j * (bend + _eased(_wrapped(bent - bend), contact)))
    moved = np.stack([hip, hip + thigh, hip + thigh + shin], -1)
    return np.where(usable[:, None, None], np.stack([moved.real, moved.imag], -1), leg)


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return np.angle(np.exp(1j * angle))


def _eased(values: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """(T,) `values` in contacts, gone to 0 over `_EASE` frames before and after them."""
    frames = np.arange(len(values))
    after = np.flatnonzero(contact)
    nearest = np.abs(frames[:, None] - after).min(1)
    known = contact | (nearest >= _EASE)
    return np.interp(frames, frames[known], np.where(contact, values, 0.0)[known])
