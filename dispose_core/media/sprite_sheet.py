"""Frames of a clip as a few JPEG sheets: what a browser scrubs through without decoding a video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

LONGEST = 512  # pixels of a frame's longer side at most
MOST_FRAMES = 96  # of one clip; a longer one is thinned
COLUMNS, ROWS = 4, 4  # frames of a sheet: browsers hold images of 2048×2048 without trouble
QUALITY = 80  # of JPEG
BLOCK = 16  # pixels that JPEG compresses together, with halved colour


@dataclass(frozen=True, eq=False)
class Strips:
    """Frames in reading order, `COLUMNS` beside each other and up to `ROWS` below.

    Attributes:
        frames: how many.
        size: (w, h) of a frame in pixels.
        step: (w, h) from one frame's corner to the next one's.
        sheets: JPEG files of up to COLUMNS·ROWS frames each.
    """

    num_frames: int
    size: tuple[int, int]
    step: tuple[int, int]
    sheets: list[bytes]

    def describe(self) -> dict:
        """Where each frame is, for the program that shows them."""
        return {
            "frames": self.num_frames,
            "size": list(self.size),
            "step": list(self.step),
            "columns": COLUMNS,
            "rows": ROWS,
        }


def every_nth(first: int, last: int, most: int = MOST_FRAMES) -> range:
    """Numbers from `first` up to before `last`, evenly thinned to at most `most`."""
    return range(first, last, max(1, -(-(last - first) // most)))


def fit_longest(size: tuple[int, int], longest: int = LONGEST) -> tuple[int, int]:
    """(h, w) made smaller, never larger, until its longer side is `longest`."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def frame_strips(frames: Iterable[np.ndarray]) -> Strips:
    """Compresses frames, holding one sheet at a time.

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
    """(H, W, 3) uint8 RGB as a JPEG file."""
    colours = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _fitted(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    height, width = fit_longest((height, width))
    return cv2.resize(np.ascontiguousarray(frame), (width, height), interpolation=cv2.INTER_AREA)


def _sheet(tiles: list[np.ndarray]) -> np.ndarray:
    """Frames apart by whole blocks, their edges continued, so that none bleeds into the next."""
    height, width = tiles[0].shape[:2]
    spare = ((0, _padded(height) - height), (0, _padded(width) - width), (0, 0))
    tiles = [np.pad(tile, spare, mode="edge") for tile in tiles]
    return np.concatenate([np.concatenate(row, 1) for row in _rows(tiles)])


def _rows(tiles: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    tiles = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    return (tiles[i : i + COLUMNS] for i in range(0, len(tiles), COLUMNS))


def _padded(side: int) -> int:
    return -(-side // BLOCK) * BLOCK
