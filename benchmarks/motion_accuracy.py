"""How far the motion field is from the truth, beside simpler ways to spread joint motion.

    python benchmarks/motion_accuracy.py

Mean end-point error over the person in pixels of 288×512, averaged over the 11 frames of
`assets/ground_truth.npz`, from the true joints. Prints three markdown tables: all methods on the
sample, and skinning against plain bone skinning in variations of it and on drawn people.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import people_images  # noqa: E402
from benchmarks.people import PEOPLE  # noqa: E402
from dispose_core.errors import DisPoseError  # noqa: E402
from dispose_core.motion.densifiers.skinning.densifier import SkinningDensifier  # noqa: E402
from dispose_core.motion.densify import motion_field  # noqa: E402
from dispose_core.motion.motion_field import MotionField  # noqa: E402
from dispose_core.pose.detectors.registry import detector_from_folder  # noqa: E402
from dispose_core.pose.sequence import PoseSequence  # noqa: E402
from dispose_core.pose.skeleton import LIMBS  # noqa: E402

MODELS = ROOT / ".models" / "detection"  # where dev.py puts MediaPipe's networks
SIZE = (512, 288)  # (h, w) of the truth
TRUTH = np.load(ROOT / "assets" / "ground_truth.npz", allow_pickle=False)
FRAMES = [int(f) for f in TRUTH["flow_frames"]]


@dataclass(frozen=True, eq=False)
class Case:
    """A reference, joints of a clip, and where points of the person really go.

    Attributes:
        image: (H, W, 3) uint8 reference.
        body, hands: (n+1, 18, 2) and (n+1, 2, 21, 2) or None, pixels of a grid of `size`.
        size: (h, w) in which errors are measured.
        points: (N, 2) on the person in the reference; truth: (n, N, 2) their way.
        mask: (h, w) bool person in the reference, or None to have it found.
    """

    image: np.ndarray
    body: np.ndarray
    hands: np.ndarray | None
    size: tuple[int, int]
    points: np.ndarray
    truth: np.ndarray
    mask: np.ndarray | None = None


def read_frames() -> list[np.ndarray]:
    """self_driving.mp4, (H, W, 3) uint8 each."""
    with av.open(str(ROOT / "assets" / "self_driving.mp4")) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


# -- cases ----------------------------------------------------------------------------------


def sample() -> Case:
    """The sample as it is: self_driving.mp4, frame 0 being the reference."""
    wanted = [0, *FRAMES]
    rows, columns = np.nonzero(TRUTH["flow_valid"])
    return Case(
        np.asarray(Image.open(ROOT / "assets" / "reference.png").convert("RGB")),
        TRUTH["keypoints"][wanted, :, :2].astype(float) / 2,
        TRUTH["hands"][wanted][:, ::-1].astype(float) / 2,  # the file holds right, left
        SIZE,
        np.stack([columns + 0.5, rows + 0.5], 1),
        TRUTH["flow"][:, :, rows, columns].astype(float).transpose(0, 2, 1),
    )


def detected(case: Case, frames: list[np.ndarray]) -> Case:
    """The joints that MediaPipe finds in the video, in place of the true ones."""
    detector = detector_from_folder("mediapipe", MODELS, "cpu")
    (pose,) = detector.detect(frames)
    pose = pose[[0, *FRAMES]]
    pixels = np.array(case.size[::-1])
    return replace(case, body=pose.body * pixels, hands=pose.hands * pixels)


def drawn(clip: people_images.Clip) -> Case:
    """A drawn person, whose hands no detector finds."""
    return Case(clip.images[0], clip.body, None, SIZE, clip.points, clip.truth)


def mirrored(case: Case) -> Case:
    """Left is right: joints change sides, as a detector would see them."""
    swap = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
    width = case.size[1]

    def flip(points: np.ndarray) -> np.ndarray:
        return np.stack([width - points[..., 0], points[..., 1]], -1)

    return replace(
        case,
        image=case.image[:, ::-1],
        body=flip(case.body)[:, swap],
        hands=flip(case.hands)[:, ::-1],
        points=flip(case.points),
        truth=case.truth * (-1, 1),
    )


def scaled(case: Case, by: float) -> Case:
    """The person smaller in an image of the same size."""
    height, width = case.image.shape[:2]
    small = cv2.resize(case.image, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    top, left = (height - h) // 2, (width - w) // 2
    image = cv2.copyMakeBorder(
        small, top, height - h - top, left, width - w - left, cv2.BORDER_REPLICATE
    )
    shift = np.array([left, top]) * case.size[0] / height
    return replace(
        case,
        image=image,
        body=case.body * by + shift,
        hands=case.hands * by + shift,
        points=case.points * by + shift,
        truth=case.truth * by,
    )


def cropped(case: Case, bottom: int) -> Case:
    """The image ends at row `bottom` of the grid; what lies below is not seen by anyone."""
    body, hands = case.body.copy(), case.hands.copy()
    body[body[..., 1] >= bottom] = np.nan
    hands[hands[..., 1] >= bottom] = np.nan
    inside = case.points[:, 1] < bottom
    rows = round(bottom * len(case.image) / case.size[0])
    return replace(
        case,
        image=case.image[:rows],
        body=body,
        hands=hands,
        size=(bottom, case.size[1]),
        points=case.points[inside],
        truth=case.truth[:, inside],
    )


def from_frame(case: Case, frames: list[np.ndarray], index: int) -> Case:
    """Another frame of the clip as reference: the truth of points that are visible there."""
    seen = TRUTH["flow_visible"][index][TRUTH["flow_valid"]]
    others = [k for k in range(len(FRAMES)) if k != index]
    start = case.truth[index][seen]
    order = [index + 1, *(k + 1 for k in others)]
    return replace(
        case,
        image=frames[FRAMES[index]],
        body=case.body[order],
        hands=case.hands[order],
        points=case.points[seen] + start,
        truth=case.truth[others][:, seen] - start,
    )


def noisy(case: Case, pixels: float, seed: int) -> Case:
    """Every joint of every frame off by noise of `pixels` of the 576×1024 image."""
    random = np.random.default_rng(seed)
    return replace(
        case,
        body=case.body + random.normal(0, pixels / 2, case.body.shape),
        hands=case.hands + random.normal(0, pixels / 2, case.hands.shape),
    )


# -- methods: (Case) -> (n, N, 2) -----------------------------------------------------------


def zero(case: Case) -> np.ndarray:
    return np.zeros_like(case.truth)


def _joint_weights(case: Case, power: float) -> np.ndarray:
    away = np.linalg.norm(case.points[:, None] - case.body[0], axis=-1)
    weight = np.maximum(away, 1e-3) ** -power
    return weight / weight.sum(1, keepdims=True)


def nearest_joint(case: Case) -> np.ndarray:
    nearest = _joint_weights(case, 1).argmax(1)
    return (case.body[1:] - case.body[0])[:, nearest]


def inverse_distance(case: Case) -> np.ndarray:
    return np.einsum("pk,nkc->npc", _joint_weights(case, 4), case.body[1:] - case.body[0])


def thin_plate(case: Case) -> np.ndarray:
    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        square = ((a[:, None] - b) ** 2).sum(-1)
        return 0.5 * square * np.log(np.maximum(square, 1e-12))

    joints, one = case.body[0], np.ones((len(case.body[0]), 1))
    plane = np.hstack([one, joints])
    system = np.block([[kernel(joints, joints), plane], [plane.T, np.zeros((3, 3))]])
    moved = (case.body[1:] - joints).transpose(1, 0, 2).reshape(len(joints), -1)
    solved = np.linalg.solve(system, np.vstack([moved, np.zeros((3, moved.shape[1]))]))
    at = np.hstack([kernel(case.points, joints), np.ones((len(case.points), 1)), case.points])
    return (at @ solved).reshape(len(case.points), -1, 2).transpose(1, 0, 2)


def dis_flow(frames: list[np.ndarray]) -> Callable[[Case], np.ndarray]:
    """Optical flow between the real frames: knows the images, not the joints."""

    def run(case: Case) -> np.ndarray:
        grey = [
            cv2.cvtColor(
                cv2.resize(f, SIZE[::-1], interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
            )
            for f in frames
        ]
        flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        fields = [flow.calc(grey[0], grey[f], None) for f in FRAMES]
        column, row = case.points.astype(int).T
        return np.stack([field[row, column] for field in fields])

    return run


def plain_bones(case: Case) -> np.ndarray:
    """The 17 limbs of the skeleton, stretched along themselves and weighted by 1 / distance^6."""
    limbs = [(a, b) for a, b in LIMBS if np.isfinite(case.body[:, [a, b]]).all()]
    moves, weights = [], []
    for a, b in limbs:
        start, axis = case.body[0, a], case.body[0, b] - case.body[0, a]
        long = np.linalg.norm(axis)
        unit = axis / long
        to = case.body[1:, b] - case.body[1:, a]
        to_unit = to / np.linalg.norm(to, axis=1, keepdims=True)
        away = case.points - start
        along, across = away @ unit, away @ (-unit[1], unit[0])
        normal = np.stack([-to_unit[:, 1], to_unit[:, 0]], -1)
        moved = along[:, None] / long * to[:, None] + across[:, None] * normal[:, None]
        moves.append(case.body[1:, a][:, None] + moved - case.points)
        clipped = np.clip(along, 0, long)[:, None] * unit
        weights.append(np.maximum(np.linalg.norm(away - clipped, axis=1), 0.5) ** -6)
    weights = np.array(weights) / np.sum(weights, axis=0)
    return np.einsum("bp,bnpc->npc", weights, np.array(moves))


def field_of(case: Case) -> MotionField:
    """Ours, through the library's front door."""
    pixels = np.array(case.size[::-1])

    def scores(points: np.ndarray) -> np.ndarray:
        return np.isfinite(points).all(-1).astype(float)

    hands = case.hands
    clip = PoseSequence.from_parts(
        case.image.shape[:2], case.body / pixels, scores(case.body),
        None if hands is None else hands / pixels, None if hands is None else scores(hands),
    )  # fmt: skip
    image = torch.from_numpy(case.image.copy()).permute(2, 0, 1) / 255
    mask = None if case.mask is None else torch.from_numpy(case.mask.astype(np.float32))
    return motion_field(image, clip, SkinningDensifier(mask))


def skinning(case: Case) -> np.ndarray:
    """Where our field moves the points of a case."""
    field = field_of(case)
    flow = field.flow(range(1, len(field)), case.size)
    at = torch.from_numpy(case.points / case.size[::-1] * 2 - 1).float().expand(len(flow), 1, -1, 2)
    picked = F.grid_sample(flow, at, align_corners=False, padding_mode="border")
    return picked[:, :, 0].permute(0, 2, 1).numpy()


def error(method: Callable[[Case], np.ndarray], case: Case) -> float:
    return float(np.linalg.norm(method(case) - case.truth, axis=-1).mean())


def main() -> None:
    started = time.time()
    frames, case = read_frames(), sample()
    body_only = replace(case, hands=None)
    true_mask = {"mask": TRUTH["flow_valid"]}

    print("| method | end-point error, px |\n| --- | --- |")
    for name, method, given in [
        ("zero flow", zero, case),
        ("nearest joint", nearest_joint, case),
        ("inverse distance", inverse_distance, case),
        ("thin plate", thin_plate, case),
        ("DIS optical flow of the real frames", dis_flow(frames), case),
        ("plain bone skinning, 18 joints", plain_bones, case),
        ("**skinning**, body, found mask", skinning, body_only),
        ("**skinning**, body, true mask", skinning, replace(body_only, **true_mask)),
        ("**skinning**, body and hands, found mask", skinning, case),
        ("**skinning**, body and hands, true mask", skinning, replace(case, **true_mask)),
    ]:
        print(f"| {name} | {error(method, given):.2f} |", flush=True)
    try:
        found = error(skinning, detected(case, frames))
        print(f"| **skinning**, joints and hands found by MediaPipe | {found:.2f} |", flush=True)
    except DisPoseError as e:
        print(f"MediaPipe's joints are not measured: {e}", file=sys.stderr)

    print("\n| variation | plain bones | skinning | ratio |\n| --- | --- | --- | --- |")
    variations = [
        ("as it is", [case]),
        ("mirrored", [mirrored(case)]),
        ("scaled 0.6×", [scaled(case, 0.6)]),
        ("cropped at the hips", [cropped(case, 305)]),
        ("cropped above the hips", [cropped(case, 265)]),
        ("frame 16 as reference", [from_frame(case, frames, 3)]),
        ("frame 32 as reference", [from_frame(case, frames, 7)]),
        ("joints with 3 px noise (3 draws)", [noisy(case, 3, seed) for seed in range(3)]),
    ]
    for name, cases in variations:
        plain = np.mean([error(plain_bones, c) for c in cases])
        ours = np.mean([error(skinning, c) for c in cases])
        print(f"| {name} | {plain:.2f} | {ours:.2f} | {ours / plain:.2f} |", flush=True)

    print("\n| drawn person | plain bones | skinning | ratio |\n| --- | --- | --- | --- |")
    for name, person in PEOPLE.items():
        other = drawn(people_images.render(person))
        plain, ours = error(plain_bones, other), error(skinning, other)
        print(f"| {name} | {plain:.2f} | {ours:.2f} | {ours / plain:.2f} |", flush=True)
    print(f"\n{time.time() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
