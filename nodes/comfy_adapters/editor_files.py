"""Files of the pose editor in the browser: poses and small images in ComfyUI's temp folder.

The folder of a run is named after its content, so that running again with other edits writes
nothing. ComfyUI empties its temp folder at start.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import folder_paths
import numpy as np
from torch import Tensor

from ...dispose_core.errors import MediaError
from ...dispose_core.pose.sequence import PoseSequence
from ...dispose_core.progress import Progress

FOLDER = "dispose_pose_editor"
KEPT_RUNS = 24
LONGEST_SIDE = 960
# Pixels of all images of a run, about 60 MB as JPEG; images of long sequences are smaller.
MOST_PIXELS = 400_000_000
# Largest number of poses of a run; further people are left out of the editor.
MOST_POSES = 20_000


def keep_run(
    people: Sequence[PoseSequence],
    images: Tensor | None,
    reference: PoseSequence | None,
    on_frame: Progress,
) -> tuple[dict[str, str], list[str]]:
    """Write the files with which the editor displays a run.

    Images are optional; if they do not match the poses, the editor works without them.

    Args:
        people: poses before edits.
        images: IMAGE (1 or T, H, W, C), one for each pose or one for all.
        reference: its first frame is shown behind the poses.

    Returns:
        The subfolder of ComfyUI's temp folder, for the node's ui output; and messages for the user.

    Raises:
        MediaError: the files cannot be written.
    """
    num_frames, report = len(people[0]), []
    if images is not None and len(images) not in (1, num_frames):
        without = ", without the reference" if len(images) == num_frames + 1 else ""
        report.append(
            f"pictures: got {len(images)} images for {num_frames} poses, so the editor shows none. "
            "Connect the images the poses were found in, one per pose"
            f"{without}, or a single image for all poses."
        )
        images = None
    editable = people[: max(1, MOST_POSES // num_frames)]
    if len(editable) < len(people):
        report.append(
            f"the editor shows the first {len(editable)} of {len(people)} people: it holds at most "
            f"{MOST_POSES} poses. Edits to the other people are still applied; to see them, choose "
            "a person or a shorter clip before this node."
        )
    name = _name_of(people, images, reference)
    root = Path(folder_paths.get_temp_directory()) / FOLDER
    if (root / name).is_dir():
        os.utime(root / name)
    else:
        data = _poses(editable) | {
            "crowd": len(people),
            "images": 0 if images is None else len(images),
            "reference": None if reference is None else _values(reference[:1]),
        }
        _write(root, name, data, images, on_frame)
        _forget_old(root)
    return {"subfolder": f"{FOLDER}/{name}", "type": "temp"}, report


def _name_of(
    people: Sequence[PoseSequence], images: Tensor | None, reference: PoseSequence | None
) -> str:
    digest = hashlib.sha256(repr(people[0].canvas).encode())
    for person in people:
        digest.update(person.points.tobytes() + person.scores.tobytes())
    if reference is not None:
        digest.update(
            b"reference" + reference.points[:1].tobytes() + reference.scores[:1].tobytes()
        )
    if images is not None:
        # Every 16th row and column suffices to distinguish images.
        sampled = images[:, ::16, ::16].contiguous().cpu().float().numpy()
        digest.update(repr(tuple(images.shape)).encode() + sampled.tobytes())
    return digest.hexdigest()[:32]


def _write(
    root: Path,
    name: str,
    data: dict,
    images: Tensor | None,
    on_frame: Progress,
) -> None:
    """Write a folder under another name and rename it, so that it is never incomplete."""
    temporary = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=root))
        temporary.chmod(0o755)
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
        (temporary / "poses.json").write_text(text, encoding="utf-8")
        for i, image in enumerate([] if images is None else images):
            (temporary / f"{i:05}.jpg").write_bytes(_small_jpeg(image, len(images)))
            on_frame(i + 1, len(images))
        if not (root / name).is_dir():  # a concurrent run may have written it
            temporary.rename(root / name)
    except OSError as e:
        raise MediaError(
            f"{root}: cannot be written ({e.strerror or e}). Free some space on the disk of "
            "ComfyUI's temp folder."
        ) from e
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _poses(people: Sequence[PoseSequence]) -> dict:
    height, width = people[0].canvas
    return {
        "width": width,
        "height": height,
        "frames": len(people[0]),
        "people": [_values(person) for person in people],
    }


def _values(person: PoseSequence) -> list[float]:
    """x, y, score with six decimals (a thousandth of a pixel); missing points are 0, 0, 0."""
    values = np.concatenate([person.points, person.scores[..., None]], -1)
    return np.nan_to_num(values).round(6).ravel().tolist()


def _small_jpeg(image: Tensor, count: int) -> bytes:
    pixels = image[..., :3].mul(255).round().clamp(0, 255).byte().cpu().numpy()
    height, width = pixels.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    scale = min(scale, (MOST_PIXELS / (count * height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, 85]
    return cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def _forget_old(root: Path) -> None:
    runs = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    runs.sort(key=lambda path: path.stat().st_mtime)
    for path in runs[:-KEPT_RUNS]:
        shutil.rmtree(path, ignore_errors=True)
