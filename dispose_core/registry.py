"""Registries of named entries, such as detectors and densifiers.

Command-line choices, node combos, help texts and messages about missing files are derived from the
entries, so that a new detector or densifier needs one file and one entry.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from .errors import DisPoseError


class Entry(Protocol):
    """Required attributes of an entry: a one-word name and a summary of one or two sentences."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...


E = TypeVar("E", bound=Entry)


class Registry(Mapping[str, E], Generic[E]):
    """Entries by name, in display order.

    Args:
        what: kind of entry for messages, such as "pose detector".
        entries: built-in entries.
        error: raised for unknown names.
    """

    def __init__(self, what: str, entries: tuple[E, ...], error: type[DisPoseError]) -> None:
        self._what, self._error = what, error
        self._entries: dict[str, E] = {}
        for entry in entries:
            self.register(entry)

    def register(self, entry: E) -> E:
        """Add an entry, replacing one of the same name."""
        self._entries[entry.name] = entry
        return entry

    def unregister(self, name: str) -> None:
        del self._entries[name]

    def __getitem__(self, name: str) -> E:
        if name not in self._entries:
            raise self._error(
                f"{self._what} '{name}' is not known. Choose one of: {', '.join(self)}."
            )
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def summaries(self) -> str:
        """All entries in one text for tooltips and help: "name: summary name: summary"."""
        return " ".join(f"{name}: {entry.summary}" for name, entry in self.items())


def load_attribute(path: str, package: str | None = None) -> Any:
    """Import the module of "module:attribute" and return the attribute."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module, package), attribute)
