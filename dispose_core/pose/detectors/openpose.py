"""OpenPose networks of controlnet_aux: body, hands and face of several people, from local files.

The package is imported when the detector is created. Its own loader is bypassed, because it
unpickles the files; nothing is downloaded.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from ...checkpoints.state_dict import open_weights
from ...checkpoints.weights import Weights
from ...errors import CheckpointError, MissingPackage, PoseError
from ...progress import Progress, no_progress
from .. import skeleton
from ..sequence import PoseSequence
from .base import checked_frames
from .slots import Found, people_in_slots

# File names at https://huggingface.co/lllyasviel/Annotators.
BODY_FILE, HAND_FILE, FACE_FILE = "body_pose_model.pth", "hand_pose_model.pth", "facenet.pth"

_INSTALL = (
    "Install it with: pip install controlnet-aux (0.0.10 is known to work; it wants torchvision "
    "and timm). Or use dwpose, which needs no package, or load poses from a file."
)

# The last layer and its number of heatmaps identify each of the three files.
_LAST_LAYERS = {
    "OpenPose's body network": ("Mconv7_stage6_L2.weight", 19),
    "OpenPose's hand network": ("Mconv7_stage6.weight", 22),
    "OpenPose's face network": ("Mconv7_stage6.weight", 71),
}
# Largest aspect ratio. The network resizes images to a height of 184 pixels, so a thin strip would
# take hours or vanish.
_LONGEST = 8
# Heatmap peak below which a face point counts as missing.
_LEAST_HEAT = 0.05


class OpenPoseDetector:
    """Detects several people in each frame independently; see `PoseDetector`.

    People are ordered by falling total score in each frame; `tracking` matches them across frames.
    The score of a body point is the height of its heatmap peak; hand and face points have score 1.
    """

    name = "openpose"

    def __init__(
        self,
        body_file: str | Path,
        hand_file: str | Path,
        face_file: str | Path,
        device: str = "cpu",
    ) -> None:
        """
        Args:
            body_file: body_pose_model.pth
            hand_file: hand_pose_model.pth
            face_file: facenet.pth
            device: torch device name, such as "cuda:0".

        Raises:
            CheckpointError: a file is missing, damaged, or not that network.
            MissingPackage: controlnet_aux is not installed, cannot be imported or is incompatible.
        """
        parts = _import_parts()
        files = (body_file, hand_file, face_file)
        makers = (parts.Body, parts.Hand, parts.Face)
        networks = [
            _load(maker, Path(file), what)
            for maker, file, what in zip(makers, files, _LAST_LAYERS, strict=True)
        ]
        self._detector = parts.OpenposeDetector(*networks)
        self._device = device

    def detect(
        self,
        frames: Iterable[np.ndarray],
        total: int | None = None,
        on_frame: Progress = no_progress,
    ) -> list[PoseSequence]:
        found: list[list[Found]] = []
        self._detector.to(self._device)
        try:
            for image in checked_frames(frames):
                height, width = image.shape[:2]
                found.append(self._people(image))
                on_frame(len(found), total or len(found))
        finally:
            self._detector.to("cpu")
        return people_in_slots(found, (height, width))

    @torch.inference_mode()
    def _people(self, image: np.ndarray) -> list[Found]:
        """Detect all people of an image, by falling score."""
        height, width = image.shape[:2]
        if max(width, height) > _LONGEST * min(width, height):
            raise PoseError(
                f"openpose: an image of {width}×{height} is more than {_LONGEST} times as long "
                "one way as the other. Crop it to the people, or use another detector."
            )
        bgr = np.ascontiguousarray(image[..., ::-1])
        network = self._detector.body_estimation
        bodies = network.format_body_result(*network(bgr))
        bodies.sort(key=lambda body: -body.total_score)
        return [self._person(body, bgr) for body in bodies]

    def _person(self, body, bgr: np.ndarray) -> Found:
        height, width = bgr.shape[:2]
        points, scores = np.full((skeleton.N_POINTS, 2), np.nan), np.zeros(skeleton.N_POINTS)
        for i, joint in enumerate(body.keypoints):
            if joint is not None:
                points[i] = joint.x, joint.y
                scores[i] = min(max(float(joint.score), 0.0), 1.0)
        left, right = self._detector.detect_hands(body, bgr)
        face = self._detector.detect_face(body, bgr)
        for part, marks in (
            (skeleton.LEFT_HAND_SLICE, left),
            (skeleton.RIGHT_HAND_SLICE, right),
            (skeleton.FACE_SLICE, face),
        ):
            num_points = part.stop - part.start
            # The face has two pupils and the background after its 68 points.
            if marks is not None and len(marks) >= num_points:
                fractions = np.array([(mark.x, mark.y) for mark in marks[:num_points]])
                points[part] = fractions * (width, height)
                scores[part] = (fractions >= 0).all(1)  # missing points are at -1 pixel
        return points, scores


def _import_parts() -> SimpleNamespace:
    try:
        with warnings.catch_warnings():  # about packages that are not used here
            warnings.simplefilter("ignore")
            from controlnet_aux.open_pose import OpenposeDetector
            from controlnet_aux.open_pose.body import Body
            from controlnet_aux.open_pose.face import Face
            from controlnet_aux.open_pose.hand import Hand
    except Exception as e:  # a torchvision that does not fit torch may raise anything
        raise MissingPackage(
            f"pose detector 'openpose': controlnet_aux cannot be used here ({e}). {_INSTALL}"
        ) from e
    methods = {
        OpenposeDetector: ("detect_hands", "detect_face", "to"),
        Body: ("format_body_result",),
        Face: ("compute_peaks_from_heatmaps",),
    }
    for owner, names in methods.items():
        missing = [name for name in names if not hasattr(owner, name)]
        if missing:
            raise MissingPackage(
                f"pose detector 'openpose': this controlnet_aux has no {owner.__name__}."
                f"{missing[0]}. {_INSTALL}"
            )

    class AlignedFace(Face):
        """Keeps a row for every face point; the original drops missing ones and shifts the rest."""

        def compute_peaks_from_heatmaps(self, heatmaps: np.ndarray) -> np.ndarray:
            flat = heatmaps.reshape(len(heatmaps), -1)
            rows, columns = np.divmod(flat.argmax(1), heatmaps.shape[2])
            found = flat.max(1) > _LEAST_HEAT
            return np.stack([columns, rows], 1) * found[:, None]  # (0, 0) is "not found"

    return SimpleNamespace(
        OpenposeDetector=OpenposeDetector, Body=Body, Hand=Hand, Face=AlignedFace
    )


def _load(maker: Callable, path: Path, what: str):
    """Create a controlnet_aux network with the weights of a file.

    Its constructor unpickles the file it is given, so it receives a file rewritten from safely read
    tensors only.
    """
    weights = open_weights(path)
    matches = [name for name, signature in _LAST_LAYERS.items() if _has(weights, *signature)]
    if what not in matches:
        first = f"a file with {next(iter(weights.shapes))} and {len(weights.tensors) - 1} others"
        raise CheckpointError(
            f"{path.name}: this is {matches[0] if matches else first}, needed {what}. The three "
            f"files {BODY_FILE}, {HAND_FILE} and {FACE_FILE} are at "
            "https://huggingface.co/lllyasviel/Annotators."
        )
    safe = io.BytesIO()
    torch.save({k: tensor.contiguous() for k, tensor in weights.tensors.items()}, safe)
    safe.seek(0)
    try:
        return maker(safe)
    except (KeyError, RuntimeError) as e:
        raise CheckpointError(
            f"{path.name}: parts of {what} are missing ({str(e).splitlines()[-1][:200]}). "
            "Download it again."
        ) from e


def _has(weights: Weights, key: str, maps: int) -> bool:
    return weights.shapes.get(key, ())[:1] == (maps,)
