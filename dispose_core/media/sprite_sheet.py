"""Sprite sheets: frames as a few JPEG files, for scrubbing in a browser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

LONGEST = 512  # longer side of a frame in pixels
MOST_FRAMES = 96  # longer sequences are subsampled
COLUMNS, ROWS = 4, 4  # frames per sheet, at most 2048×2048 pixels
QUALITY = 80  # JPEG quality
BLOCK = 16  # JPEG block size with chroma subsampling


@dataclass(frozen=True, eq=False)
class Strips:
    """Sheets of frames in reading order, `COLUMNS` per row and up to `ROWS` rows.

    Attributes:
        size: (w, h) of a frame in pixels.
        step: (w, h) from one frame's corner to the next one's.
        sheets: JPEG files of up to COLUMNS·ROWS frames each.
    """

    num_frames: int
    size: tuple[int, int]
    step: tuple[int, int]
    sheets: list[bytes]

    def describe(self) -> dict:
        return {
            "frames": self.num_frames,
            "size": list(self.size),
            "step": list(self.step),
            "columns": COLUMNS,
            "rows": ROWS,
        }


def every_nth(first: int, last: int, most: int = MOST_FRAMES) -> range:
    """Evenly spaced numbers from `first` to before `last`, at most `most` of them."""
    return range(first, last, max(1, -(-(last - first) // most)))


def fit_longest(size: tuple[int, int], longest: int = LONGEST) -> tuple[int, int]:
    """Reduce (h, w), never enlarging it, until its longer side is at most `longest`."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def frame_strips(frames: Iterable[np.ndarray]) -> Strips:
    """Compress frames, with one sheet in memory at a time.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size, at least one.
    """
    tiles = (_fitted(frame) for frame in frames)
    sheets, count, height, width = [], 0, 0, 0
    while batch := list(islice(tiles, COLUMNS * ROWS)):
        height, width = batch[0].shape[:2]
        count += len(batch)
        sheets.append(jpeg(_sheet(batch)))
    return Strips(count, (width, height), (_padded(width), _padded(height)), sheets)


def jpeg(image: np.ndarray) -> bytes:
    """Encode an RGB image (H, W, 3) uint8 as JPEG."""
    colours = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _fitted(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    height, width = fit_longest((height, width))
    return cv2.resize(np.ascontiguousarray(frame), (width, height), interpolation=cv2.INTER_AREA)


def _sheet(tiles: list[np.ndarray]) -> np.ndarray:
    """Arrange frames, padded to whole JPEG blocks so that colours do not bleed between them."""
    height, width = tiles[0].shape[:2]
    spare = ((0, _padded(height) - height), (0, _padded(width) - width), (0, 0))
    tiles = [np.pad(tile, spare, mode="edge") for tile in tiles]
    return np.concatenate([np.concatenate(row, 1) for row in _rows(tiles)])


def _rows(tiles: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    tiles = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    return (tiles[i : i + COLUMNS] for i in range(0, len(tiles), COLUMNS))


def _padded(side: int) -> int:
    return -(-side // BLOCK) * BLOCK
