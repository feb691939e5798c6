"""MediaPipe Holistic 0.10.21: body, hands and face of one person, on the CPU.

The wheel contains the models (the full pose network), so no download is needed.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType

import numpy as np

from ...errors import MissingPackage
from ...progress import Progress, no_progress
from .. import skeleton
from ..alignment.gap_filling import smooth
from ..sequence import PoseSequence
from .base import checked_frames

_INSTALL = (
    "Install it with: pip install --no-deps mediapipe==0.10.21, and beside it: "
    'pip install "numpy<2" "protobuf>=4.25.3,<5" attrs matplotlib and one OpenCV. '
    "There are wheels for Python 3.10 to 3.12. Or load poses from a file."
)

# Indices among MediaPipe's 33 body points.
_EYES_AND_NOSE = [0, 2, 5]
_SHOULDERS = [11, 12]

# For each of the 18 OpenPose body points its index among MediaPipe's 33. The neck entry is a
# placeholder; it is computed as the midpoint of the shoulders.
_BODY = np.array([0, 11, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7])

# Indices of the iBUG 68 face points in MediaPipe's canonical face mesh (468 points), starting at
# the person's right as in iBUG.
_FACE = np.array([
    127, 234, 93, 132, 58, 136, 149, 148, 152, 377, 378, 365, 288, 361, 323, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 1, 98, 97, 2, 326, 327,  # nose: bridge to tip, then below the nostrils
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91,  # outer lips
    78, 81, 13, 311, 308, 402, 14, 178,  # inner lips
])  # fmt: skip

# Prefixes of log lines that MediaPipe always writes to stderr when a graph starts.
_CHATTER = ("I0000 ", "W0000 ", "INFO: Created TensorFlow Lite", "WARNING: All log messages")

# Redirecting stderr is process-wide, so only one thread may do it at a time.
_STREAM_LOCK = threading.Lock()


class MediaPipeDetector:
    """Tracks one person through a video; see `PoseDetector`.

    Body scores are MediaPipe's visibility. A hand takes the score of its wrist, a face that of eyes
    and nose. Points outside the image are extrapolated by MediaPipe and count as missing.
    """

    name = "mediapipe"

    def __init__(self, smoothing: bool = True) -> None:
        """
        Args:
            smoothing: reduce the jitter of the points (`gap_filling.smooth`).

        Raises:
            MissingPackage: MediaPipe is not installed or a dependency does not fit.
        """
        self.smoothing = smoothing
        self._holistic = _import_holistic()

    def detect(
        self,
        frames: Iterable[np.ndarray],
        total: int | None = None,
        on_frame: Progress = no_progress,
    ) -> list[PoseSequence]:
        images = checked_frames(frames)
        first = next(images)
        with ExitStack() as closing:
            with _quiet():  # the graph starts with its first image
                graph = closing.enter_context(self._start())
                found = [_read(graph.process(first))]
            on_frame(1, total or 1)
            for image in images:
                found.append(_read(graph.process(image)))
                on_frame(len(found), total or len(found))
        points, scores = (np.stack(part) for part in zip(*found, strict=True))
        height, width = first.shape[:2]
        pose = PoseSequence(points, scores, (height, width))
        return [smooth(pose) if self.smoothing else pose]

    def _start(self):
        try:
            # MediaPipe's smoothing is causal and lags; `smooth` uses the whole sequence.
            return self._holistic.Holistic(smooth_landmarks=False)
        except RuntimeError as e:  # protobuf 5 writes a graph that MediaPipe cannot read
            raise MissingPackage(
                f"MediaPipe cannot start with protobuf {importlib.metadata.version('protobuf')}"
                f", which it needs below 5. {_INSTALL}"
            ) from e


def _import_holistic() -> ModuleType:
    try:
        with warnings.catch_warnings(), _quiet():
            warnings.simplefilter("ignore")
            from mediapipe.python.solutions import holistic
    except (ImportError, AttributeError, TypeError) as e:
        # An incompatible protobuf raises AttributeError or TypeError.
        raise MissingPackage(
            f"pose detector 'mediapipe': MediaPipe 0.10.21 cannot be used here ({e}). {_INSTALL}"
        ) from e
    return holistic


def _read(result) -> tuple[np.ndarray, np.ndarray]:
    """Convert a Holistic result to points (128, 2) and scores (128,)."""
    points, scores = np.full((skeleton.N_POINTS, 2), np.nan), np.zeros(skeleton.N_POINTS)
    if result.pose_landmarks is None:
        return points, scores
    found = [(mark.x, mark.y, mark.visibility) for mark in result.pose_landmarks.landmark]
    pose = np.array(found)  # (33, 3)
    body = pose[_BODY]
    body[1, :2] = pose[_SHOULDERS, :2].mean(0)
    body[1, 2] = pose[_SHOULDERS, 2].min()
    points[skeleton.BODY_SLICE], scores[skeleton.BODY_SLICE] = body[:, :2], body[:, 2]
    for part, marks, indices, score in (
        (skeleton.LEFT_HAND_SLICE, result.left_hand_landmarks, slice(None), body[7, 2]),
        (skeleton.RIGHT_HAND_SLICE, result.right_hand_landmarks, slice(None), body[4, 2]),
        (skeleton.FACE_SLICE, result.face_landmarks, _FACE, pose[_EYES_AND_NOSE, 2].mean()),
    ):
        if marks is not None:
            points[part] = np.array([(mark.x, mark.y) for mark in marks.landmark])[indices]
            scores[part] = score
    outside = ((points < 0) | (points > 1)).any(-1)
    scores[outside] = 0.0
    return points, scores


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress MediaPipe's start-up log lines on stderr; all other output is passed on.

    The native code writes to the file descriptor, so the descriptor itself is redirected.
    """
    with _STREAM_LOCK:
        try:
            sys.stderr.flush()
            saved_stderr = os.dup(2)
        except (OSError, AttributeError, ValueError):  # a program without an error stream
            yield
            return
        with tempfile.TemporaryFile() as captured:
            os.dup2(captured.fileno(), 2)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(saved_stderr, 2)
                os.close(saved_stderr)
                captured.seek(0)
                lines = captured.read().decode(errors="replace").splitlines(keepends=True)
                os.write(2, "".join(s for s in lines if not s.startswith(_CHATTER)).encode())
