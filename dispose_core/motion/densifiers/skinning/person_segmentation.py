"""Person segmentation in the reference image with GrabCut, seeded from the skeleton."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ....pose.sequence import PoseSequence
from ....pose.skeleton import (
    HAND_EDGES,
    L_ANKLE,
    L_EAR,
    L_ELBOW,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_WRIST,
    NECK,
    R_ANKLE,
    R_EAR,
    R_ELBOW,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
    R_WRIST,
)
from .body_model import BodyModel, build_body_model, length

_SIDE = 512  # longest side for GrabCut; full size takes a second for the same outline
_ROUNDS = 4
_LEAST_CONTRAST = 2.0  # least standard deviation of the colours, of 255
_MIXTURE = 5  # mixture components each of person and background
_WIDEST = 30_000  # widest line that OpenCV draws

# Half widths in shoulder widths: certainly the person; ordinary clothes, used when GrabCut fails;
# and the largest extent, in loose clothes.
_UPPER_ARM, _FOREARM = (0.05, 0.15, 0.28), (0.035, 0.11, 0.22)
_THIGH, _SHIN = (0.09, 0.25, 0.42), (0.06, 0.17, 0.36)
_LIMBS = {
    (R_SHOULDER, R_ELBOW): _UPPER_ARM, (R_ELBOW, R_WRIST): _FOREARM,
    (L_SHOULDER, L_ELBOW): _UPPER_ARM, (L_ELBOW, L_WRIST): _FOREARM,
    (R_HIP, R_KNEE): _THIGH, (R_KNEE, R_ANKLE): _SHIN,
    (L_HIP, L_KNEE): _THIGH, (L_KNEE, L_ANKLE): _SHIN,
}  # fmt: skip


def find_subject(image: Tensor, pose: PoseSequence) -> Tensor:
    """Segment the person.

    GrabCut seeds: the core of limbs, torso and face is foreground; pixels further from the skeleton
    than clothes and hair is background. If GrabCut fails (a tiny person, no contrast), the
    silhouette of the skeleton is used instead.

    Args:
        image: (3, H, W) 0…1.
        pose: one pose in fractions of the image; the mask is empty without a visible body point.

    Returns:
        (H, W) float32, 0…1.
    """
    full = image.shape[-2:]
    if not pose.body_visible[0].any():
        return torch.zeros(full)
    scale = min(1.0, _SIDE / max(full))
    size = max(1, round(full[0] * scale)), max(1, round(full[1] * scale))
    small = F.interpolate(image[None].float().cpu(), size, mode="area")[0]
    pixels = (small.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    body = build_body_model(pose[0], size)
    mask = _cut(np.ascontiguousarray(pixels), body)
    mask = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    soft = torch.from_numpy(mask)[None, None]
    return F.interpolate(soft, full, mode="bilinear", align_corners=False)[0, 0].clamp(0, 1)


def silhouette(body: BodyModel, size: tuple[int, int], kind: str = "usual") -> np.ndarray:
    """(h, w) uint8 0/1 silhouette of the skeleton, with the widths `sure`, `usual` or `most`."""
    canvas = np.zeros(size, np.uint8)
    unit, joints = body.unit, body.joints
    which = ("sure", "usual", "most").index(kind)

    def eighths(point: np.ndarray) -> tuple[int, int]:
        x, y = (int(v) for v in np.clip(np.round(point * 8), -(2**20), 2**20))
        return x, y

    def line(a: np.ndarray, b: np.ndarray, half: float) -> None:
        width = min(max(1, round(2 * half * unit)), _WIDEST)
        cv2.line(canvas, eighths(a), eighths(b), (1,), width, cv2.LINE_8, 3)

    def blob(points: np.ndarray, half: float) -> None:
        hull = cv2.convexHull(np.round(points * 8).clip(-(2**20), 2**20).astype(np.int32))
        cv2.fillConvexPoly(canvas, hull, (1,), cv2.LINE_8, 3)
        for a, b in zip(hull[:, 0], np.roll(hull[:, 0], -1, 0), strict=True):
            line(a / 8, b / 8, half)

    for (a, b), widths in _LIMBS.items():
        if body.seen[a] and body.seen[b]:
            line(joints[a], joints[b], widths[which])
    for ankle, knee in (
        (R_ANKLE, R_KNEE),
        (L_ANKLE, L_KNEE),
    ):
        if body.seen[ankle] and body.seen[knee]:
            down = (joints[ankle] - joints[knee]) / max(length(joints, ankle, knee), 1e-6)
            reach = (0.15, 0.3, 0.4)[which] * unit
            line(joints[ankle], joints[ankle] + reach * down, (0.05, 0.17, 0.6)[which])
    corners = joints[[R_SHOULDER, L_SHOULDER, L_HIP, R_HIP]]
    shrink = (0.8, 1.0, 1.05)[which]
    blob(corners.mean(0) + shrink * (corners - corners.mean(0)), (0.01, 0.12, 0.3)[which])
    ears = joints[[R_EAR, L_EAR]].mean(0)
    up = joints[NECK] - joints[[R_HIP, L_HIP]].mean(0)
    up = up / max(np.linalg.norm(up), 1e-6)
    line(joints[NECK], ears, (0.06, 0.16, 0.3)[which])
    half_width, half_height = ((0.85, 1.35), (1.15, 1.6), (2.2, 2.6))[which]
    centre = ears + 0.2 * body.ear * up
    angle = float(np.degrees(np.arctan2(up[1], up[0])))
    axes = (half_height * body.ear, half_width * body.ear)
    centre = tuple(float(v) for v in np.clip(centre, -_WIDEST, _WIDEST))
    box = centre, tuple(min(max(1.0, 2 * v), _WIDEST) for v in axes), angle
    cv2.ellipse(canvas, box, (1,), -1)
    _draw_hands(body, which, line, blob)
    return canvas


def _draw_hands(body: BodyModel, which: int, line, blob) -> None:
    joints, unit = body.joints, body.unit
    for hand, wrist, elbow in zip(
        body.hands,
        (L_WRIST, R_WRIST),
        (L_ELBOW, R_ELBOW),
        strict=True,
    ):
        known = hand[np.isfinite(hand[:, 0])]
        if len(known) >= 5:
            # Fingers are drawn singly, as the background between them often has similar colours.
            half = (0.012, 0.03, 0.07)[which]
            for a, b in HAND_EDGES:
                if np.isfinite(hand[[a, b]]).all():
                    line(hand[a], hand[b], half)
        elif body.seen[wrist] and body.seen[elbow]:
            out = joints[wrist] - joints[elbow]
            out = out / max(np.linalg.norm(out), 1e-6)
            tip = joints[wrist] + (0.4, 0.5, 0.55)[which] * unit * out
            line(joints[wrist], tip, (0.06, 0.18, 0.35)[which])


def _cut(pixels: np.ndarray, body: BodyModel) -> np.ndarray:
    """GrabCut segmentation, (h, w) uint8 0/1."""
    height, width = pixels.shape[:2]
    size = (height, width)
    usual = silhouette(body, size, "usual")
    sure, most = silhouette(body, size, "sure"), silhouette(body, size, "most")
    if sure.sum() < 50 or not (most == 0).any():
        return usual
    labels = np.full(size, cv2.GC_BGD, np.uint8)
    labels[most > 0] = cv2.GC_PR_BGD
    labels[usual > 0] = cv2.GC_PR_FGD
    labels[sure > 0] = cv2.GC_FGD
    # Only the surroundings are representative of the background next to the person.
    rows, columns = (np.flatnonzero(most.any(axis)) for axis in (1, 0))
    margin = round(0.5 * body.unit)
    box = tuple(slice(max(0, at[0] - margin), at[-1] + margin + 1) for at in (rows, columns))
    crop, seeds = np.ascontiguousarray(pixels[box]), np.ascontiguousarray(labels[box])
    if crop.std((0, 1)).max() < _LEAST_CONTRAST:
        return usual
    back, front = (_colours(crop[(seeds & 1) == side]) for side in (cv2.GC_BGD, cv2.GC_FGD))
    try:
        cv2.grabCut(crop, seeds, None, back, front, _ROUNDS, cv2.GC_EVAL)  # type: ignore[call-overload]
    except cv2.error:  # one colour everywhere
        return usual
    cut = np.zeros_like(labels)
    cut[box] = seeds & 1  # GC_FGD and GC_PR_FGD are odd
    cut = _clean(cut, sure)
    overlap = (cut & usual).sum() / max((cut | usual).sum(), 1)
    return cut if overlap > 0.5 else usual


def _colours(pixels: np.ndarray) -> np.ndarray:
    """Initial Gaussian mixture of GrabCut, (1, 65): weights, means, covariances of five components.

    GrabCut's own initialisation uses OpenCV's global random state and is not reproducible. Here
    k-means starts from the order of the colours along their principal axis.
    """
    colours = pixels[:: max(1, len(pixels) // 20_000)].astype(float)
    main = np.linalg.eigh(np.cov(colours.T) + np.eye(3))[1][:, -1]
    order = np.argsort(colours @ main, kind="stable")
    nearest = np.empty(len(colours), int)
    nearest[order] = np.arange(len(colours)) * _MIXTURE // len(colours)
    for _ in range(10):
        means = np.stack([
            colours[nearest == k].mean(0) if (nearest == k).any() else colours.mean(0)
            for k in range(_MIXTURE)
        ])  # fmt: skip
        nearest = ((colours[:, None] - means) ** 2).sum(-1).argmin(1)
    weights, spreads = [], []
    for k in range(_MIXTURE):
        members = colours[nearest == k]
        weights.append(len(members) / len(colours))
        spreads.append((np.cov(members.T) if len(members) > 1 else 0) + np.eye(3))
    return np.concatenate([weights, means.ravel(), np.ravel(spreads)])[None]


def _clean(cut: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Remove islands that contain no part of the skeleton, specks and small holes."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    opened = cv2.morphologyEx(cut, cv2.MORPH_OPEN, kernel) | (cut & sure)
    count, islands = cv2.connectedComponents(opened, connectivity=4)
    is_person = np.zeros(count, np.uint8)
    is_person[np.unique(islands[sure > 0])] = 1
    is_person[0] = 0
    person = is_person[islands]
    count, holes, stats, _ = cv2.connectedComponentsWithStats(1 - person, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < 0.0005 * person.sum()
    small[0] = False  # label 0 is the person
    return person | small[holes].astype(np.uint8)
