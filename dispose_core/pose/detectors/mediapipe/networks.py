"""The six networks of MediaPipe Holistic, read from the wheel that MediaPipe publishes them in.

A wheel is a zip archive, so any Python on any system can open it; nothing of it is installed.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ....errors import CheckpointError, MissingPackage

_FOLDER = "mediapipe/modules"
# Path of each network below `_FOLDER`, and the SHA-256 of the file; the same in every wheel of
# 0.10.21.
NETWORKS = {
    "person": (
        "pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    ),
    "body": (
        "pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
    "hand_region": (
        "holistic_landmark/hand_recrop.tflite",
        "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
    ),
    "hand": (
        "hand_landmark/hand_landmark_full.tflite",
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    ),
    "face_region": (
        "face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "face": (
        "face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    ),
}

# The networks are too small to gain from more threads.
_MAX_THREADS = 4


class Network:
    """A network with one image as input, run on the CPU."""

    def __init__(self, model: bytes) -> None:
        """
        Raises:
            MissingPackage: LiteRT is not installed.
        """
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as e:
            raise MissingPackage(
                f"pose detector 'mediapipe': LiteRT cannot be used here ({e}). Install it with: "
                "pip install ai-edge-litert. It exists for Python 3.10 to 3.14 on Linux, Windows "
                "(x64) and macOS (Apple silicon); elsewhere use dwpose, or load poses from a file."
            ) from e
        self._interpreter = Interpreter(
            model_content=model, num_threads=min(_MAX_THREADS, os.cpu_count() or 1)
        )
        self._interpreter.allocate_tensors()
        (image,) = self._interpreter.get_input_details()
        self._input = image["index"]
        self.side = int(image["shape"][1])  # of the square input image, in pixels
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """Run the network.

        Args:
            image: (side, side, 3) float32 RGB in the range that the network expects.

        Returns:
            The outputs without their batch dimension.
        """
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]


def read_networks(wheel: str | Path) -> dict[str, Network]:
    """Read and verify the networks by their names in `NETWORKS`.

    Args:
        wheel: a wheel of mediapipe 0.10.21 for any system and Python version.

    Raises:
        CheckpointError: the file is damaged or not such a wheel.
        MissingPackage: LiteRT is not installed.
    """
    path = Path(wheel)
    models = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name, (member, digest) in NETWORKS.items():
                model = archive.read(f"{_FOLDER}/{member}")
                if hashlib.sha256(model).hexdigest() != digest:
                    raise CheckpointError(
                        f"{path.name}: {member} is not the network of mediapipe 0.10.21. "
                        "Delete the file and download it again."
                    )
                models[name] = model
    except OSError as e:
        raise CheckpointError(
            f"{path}: cannot be read ({e.strerror or e}). Check the path and its permissions."
        ) from e
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, KeyError) as e:
        raise CheckpointError(
            f"{path.name}: damaged, or not a wheel of mediapipe 0.10.21 ({e}). Delete the file and "
            "download it again."
        ) from e
    return {name: Network(model) for name, model in models.items()}
