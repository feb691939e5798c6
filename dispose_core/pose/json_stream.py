"""JSON read and written item by item, with a callback in between that may interrupt.

Python's own functions read a file of a gigabyte in one go: for a quarter of a minute nothing else
runs in the process.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from json import JSONDecodeError, JSONDecoder, JSONEncoder
from typing import Any, TextIO, cast

from ..progress import Progress, no_progress

_SPACE = re.compile(r"[ \t\n\r]*")
_CHARACTERS = 1 << 24  # of a file between two calls of the callback
_ITEMS = 256  # of a list
_ENCODER = JSONEncoder(separators=(",", ":"), allow_nan=False)


def read_text(file: TextIO, size: int, on_item: Progress = no_progress) -> str:
    """Text of an open file of about `size` characters, of which the callback is told."""
    parts, done = [], 0
    while part := file.read(_CHARACTERS):
        parts.append(part)
        done += len(part)
        on_item(done, max(size, done))
    return "".join(parts)


def parse_json(text: str, on_item: Progress = no_progress) -> Any:
    """`json.loads`, with a callback between the items of the outermost list or object.

    The items of lists in an outermost object count too, as formats wrap the frames in one.

    Args:
        on_item: called as (characters done, all).

    Raises:
        ValueError: not JSON.
        RecursionError: too many levels.
    """
    with many_lists():
        value, end = _Parser(text, on_item).value(_skip(text, 0), 2)
    end = _skip(text, end)
    if end != len(text):
        raise JSONDecodeError("Extra data", text, end)
    return value


def write_list(
    file: TextIO, items: Iterable[Any], total: int, on_item: Progress = no_progress
) -> None:
    """Write a JSON array without spaces.

    Raises:
        ValueError: an item holds NaN or an infinite number.
    """
    file.write("[")
    for done, item in enumerate(items):
        file.write(("," if done else "") + _ENCODER.encode(item))
        if done % _ITEMS == 0:
            on_item(done, total)
    file.write("]")


@contextmanager
def many_lists() -> Iterator[None]:
    """Keep the garbage collector to new objects while many lists are made and none is garbage.

    It would go through all numbers of all poses again and again, each time for seconds in which
    nothing can be interrupted.
    """
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, 1_000_000)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


def _skip(text: str, at: int) -> int:
    return cast(re.Match, _SPACE.match(text, at)).end()


class _Parser:
    def __init__(self, text: str, on_item: Progress) -> None:
        self.text, self.on_item = text, on_item
        self._decode = JSONDecoder().raw_decode
        self._count = 0

    def value(self, at: int, levels: int) -> tuple[Any, int]:
        """The value that begins at `at`, and where it ends; divided into items at some levels."""
        first = self.text[at : at + 1]
        if levels and first == "[":
            # Frames are objects, of which the whole is read at once.
            return self._items(at, "]", lambda at: self._decode(self.text, at))
        if levels and first == "{":
            return self._object(at, levels)
        if not first:
            raise JSONDecodeError("Expecting value", self.text, at)
        return self._decode(self.text, at)

    def _object(self, at: int, levels: int) -> tuple[dict[str, Any], int]:
        def pair(at: int) -> tuple[tuple[str, Any], int]:
            if self.text[at : at + 1] != '"':
                raise JSONDecodeError(
                    "Expecting property name enclosed in double quotes", self.text, at
                )
            key, at = self._decode(self.text, at)
            at = _skip(self.text, at)
            if self.text[at : at + 1] != ":":
                raise JSONDecodeError("Expecting ':' delimiter", self.text, at)
            value, at = self.value(_skip(self.text, at + 1), levels - 1)
            return (key, value), at

        pairs, at = self._items(at, "}", pair)
        return dict(pairs), at

    def _items(
        self, at: int, closing: str, read: Callable[[int], tuple[Any, int]]
    ) -> tuple[list[Any], int]:
        items: list[Any] = []
        at = _skip(self.text, at + 1)
        if self.text[at : at + 1] == closing:
            return items, at + 1
        while True:
            item, at = read(at)
            items.append(item)
            self._count += 1
            if self._count % _ITEMS == 0:
                self.on_item(at, len(self.text))
            at = _skip(self.text, at)
            mark = self.text[at : at + 1]
            if mark == closing:
                return items, at + 1
            if mark != ",":
                raise JSONDecodeError("Expecting ',' delimiter", self.text, at)
            at = _skip(self.text, at + 1)
