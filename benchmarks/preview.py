"""The preview beside the real frames: likeness of the person, coverage, cleanness of the wall.

    python -m benchmarks.preview

Frames of the sample and of drawn people (`people.py`) whose truth is known. Prints a Markdown
table; `--save FOLDER` also writes each clip's frames beside the real ones.

- PSNR over the true person's pixels in each real frame, mean of the frames; *still* is the
  reference image's.
- *uncovered*: share of those pixels where the preview draws less than half of a person;
  *far*: share that also lies farther than 1 % of the image's width from where it draws one.
- *spill*: pixels where it draws a person and none is, in parts of the person's pixels.
- *wall*: PSNR where the person stood in the reference and neither stands nor is drawn any more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from dispose_core.errors import DisPoseError
from dispose_core.preview.preview import preview_frames

from . import people_images
from .motion_accuracy import (
    FRAMES,
    TRUTH,
    Case,
    detected,
    drawn,
    field_of,
    mirrored,
    read_frames,
    sample,
)  # fmt: skip
from .people import PEOPLE


def clips() -> Iterator[tuple[str, Case, list[np.ndarray], np.ndarray]]:
    """(name, case, real images of frames 1…n, their person (1+n, h, w) with the reference's)."""
    frames = read_frames()
    real = [frames[k] for k in FRAMES]
    masks = TRUTH["person_mask"]
    case = sample()
    yield "sample", case, real, masks
    try:
        yield "sample, MediaPipe's joints", detected(case, frames), real, masks
    except DisPoseError as e:
        print(f"MediaPipe's joints are not measured: {e}", file=sys.stderr)
    yield "sample, mirrored", mirrored(case), [f[:, ::-1] for f in real], masks[:, :, ::-1]
    for name, person in PEOPLE.items():
        clip = people_images.render(person)
        yield name, drawn(clip), clip.images[1:], clip.masks


def measure(
    case: Case, real: list[np.ndarray], masks: np.ndarray
) -> tuple[dict[str, float], list[np.ndarray]]:
    """The row of one clip, and its preview beside the real frames."""
    image = torch.from_numpy(case.image.copy()).permute(2, 0, 1) / 255
    height, width = case.image.shape[:2]
    large = [
        cv2.resize(m.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        for m in masks
    ]
    rows, pairs = [], []
    shown = preview_frames(image, field_of(case), range(1, len(real) + 1))
    for frame, truth, person in zip(shown, real, large[1:], strict=True):
        shot = frame.image.permute(1, 2, 0).numpy()
        covered = frame.coverage.numpy() >= 0.5
        away = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, 5)
        missed, wall = person & ~covered, large[0] & ~person & ~covered
        rows.append({
            "still": psnr(case.image, truth, person),
            "preview": psnr(shot, truth, person),
            "uncovered": 100 * missed.sum() / person.sum(),
            "far": 100 * (missed & (away > 0.01 * width)).sum() / person.sum(),
            "spill": 100 * (covered & ~person).sum() / person.sum(),
            "wall": psnr(shot, truth, wall),
        })  # fmt: skip
        marked = shot.copy()
        marked[missed] = (255, 0, 255)
        marked[covered & ~person] = marked[covered & ~person] // 2 + np.uint8([0, 127, 127])
        pairs.append(np.hstack([truth, shot, marked]))
    return {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]}, pairs


def psnr(image: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """dB over the pixels `where`; NaN where there are none."""
    if not where.any():
        return float("nan")
    off = (image[where].astype(float) - truth[where]) / 255
    return float(-10 * np.log10(max((off**2).mean(), 1e-10)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--save", type=Path, help="folder for the frames")
    options = parser.parse_args()
    print("| clip | still, dB | preview, dB | gain | uncovered | far | spill | wall, dB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, case, real, masks in clips():
        row, pairs = measure(case, real, masks)
        print(
            f"| {name} | {row['still']:.1f} | {row['preview']:.1f} "
            f"| {row['preview'] - row['still']:+.1f} | {row['uncovered']:.2f} % "
            f"| {row['far']:.2f} % | {row['spill']:.1f} % | {row['wall']:.1f} |",
            flush=True,
        )
        if options.save:
            folder = options.save / name.replace(" ", "_").replace("'", "").replace(",", "")
            folder.mkdir(parents=True, exist_ok=True)
            for frame, pair in enumerate(pairs, 1):
                Image.fromarray(pair).save(folder / f"{frame:02d}.png")


if __name__ == "__main__":
    main()
