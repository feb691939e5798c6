"""Parse the JSON text format of pose edits.

    {"version": 1,
     "made_for": {"frames": 72, "people": 1, "width": 576, "height": 1024},
     "edits": [
      {"do": "move", "frames": 12, "points": "RWrist", "to": [0.41, 0.55]},
      {"do": "interpolate", "frames": [12, 20], "points": ["RElbow", "right_hand"]}]}

Version 2 adds keys, reverse, ease, and copying from several frames; the editor writes it only where
one of them is used, so that texts without them can be read by versions of the pack before it.

`web/js/editor/edits_text.js` parses the same format; `tests/web/edits_cases.json` tests both.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from ...errors import PoseError
from .. import skeleton

VERSIONS = (1, 2)
# Limits far above manual work, so that any file is parsed within a second.
MOST_CHARACTERS = 4_000_000
MOST_EDITS = 20_000
LAST_FRAME = 1_000_000
# Largest coordinate; joints further outside are not drawn (`render.py`).
FARTHEST = 10.0
EASES = ("linear", "smooth", "hold")
# Between two keys the poses may also stay as they are.
KEY_EASES = (*EASES, "keep")

_GROUPS = {
    "body": skeleton.BODY_SLICE,
    "left_hand": skeleton.LEFT_HAND_SLICE,
    "right_hand": skeleton.RIGHT_HAND_SLICE,
    "face": skeleton.FACE_SLICE,
    "left_foot": skeleton.LEFT_FOOT_SLICE,
    "right_foot": skeleton.RIGHT_FOOT_SLICE,
    "all": slice(0, skeleton.N_POINTS),
}
_NAMED = {
    **{name: [i] for i, name in enumerate(skeleton.BODY)},
    **{name: list(range(part.start, part.stop)) for name, part in _GROUPS.items()},
    **{
        f"{name}.{i}": [point]
        for name in ("left_hand", "right_hand", "face", "left_foot", "right_foot")
        for i, point in enumerate(range(_GROUPS[name].start, _GROUPS[name].stop))
    },
}
# Required and optional keys of each kind, besides do, frames and person.
_KEYS = {
    "move": (("points", "to"), ()),
    "hide": (("points",), ()),
    "restore": (("points",), ()),
    "copy": (("points", "from"), ()),
    "interpolate": (("points",), ("ease",)),
    "transform": (("points",), ("about", "scale", "shift")),
    "mirror": (("about",), ()),
    "swap": ((), ()),
    "reverse": (("points",), ()),
    "keys": (("points", "keys"), ()),  # has no frames: they are those of the keys
}


@dataclass(frozen=True)
class Key:
    """Place of a point in a frame.

    Attributes:
        to: (x, y) as fractions of the canvas.
        ease: how the point goes on to the next key: "linear", "smooth", "hold" or "keep".
    """

    frame: int
    to: tuple[float, float]
    ease: str = "linear"


@dataclass(frozen=True)
class Edit:
    """A single edit.

    Attributes:
        do: "move", "hide", "restore", "copy", "interpolate", "transform", "mirror", "swap",
            "reverse" or "keys"; see `apply_edits`.
        first, last: frame range, inclusive.
        person: counted from 0.
        points: indices (`skeleton.py`), in the order given.
        label: the points as named in the text, for the report.
        to: (x, y) as fractions of the canvas.
        source, source_last: frames to copy from, inclusive.
        about: (x, y) fixed point of scaling or mirroring.
        scale: factor.
        shift: (dx, dy) as fractions of the canvas.
        ease: of interpolate: "linear", "smooth" or "hold".
        keys: in the order of their frames.
    """

    do: str
    first: int
    last: int
    person: int = 0
    points: tuple[int, ...] = tuple(range(skeleton.N_POINTS))
    label: str = ""
    to: tuple[float, float] = (0.0, 0.0)
    source: int = 0
    source_last: int = 0
    about: tuple[float, float] = (0.5, 0.5)
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    ease: str = "linear"
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Edits:
    """Edits in order of application, and what is known of the poses they were made for."""

    edits: tuple[Edit, ...]
    made_for: dict[str, int]


def parse_edits(text: str) -> Edits:
    """Parse the text of pose edits; an empty text has none.

    Raises:
        PoseError: the text is damaged, too large, of another version, or has an unknown key or
            value; the message names the edit, counted from 1.
    """
    if not text.strip():
        return Edits((), {})
    if len(text) > MOST_CHARACTERS:
        raise PoseError(
            f"edits: {len(text)} characters, at most {MOST_CHARACTERS}. "
            "Clear the node's edits and correct the poses' file itself."
        )
    try:
        raw = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as e:
        raise PoseError(
            f"edits: not valid JSON ({e}). Undo the last change to this text, or clear it to "
            "start again."
        ) from e
    if not isinstance(raw, dict) or not isinstance(raw.get("edits"), list):
        raise PoseError('edits: needed {"version": 1, "edits": [ … ]}. Clear it to start again.')
    _check_keys(raw, ("version", "made_for", "edits"), "edits")
    if raw.get("version") not in VERSIONS or isinstance(raw["version"], bool):
        raise PoseError(
            f"edits: version {_short_json(raw.get('version'))}, needed "
            f"{' or '.join(map(str, VERSIONS))}. Update the pack if the workflow is newer than it."
        )
    if len(raw["edits"]) > MOST_EDITS:
        raise PoseError(
            f"edits: {len(raw['edits'])} of them, at most {MOST_EDITS}. "
            "Clear the node's edits and correct the poses' file itself."
        )
    edits = tuple(_edit(edit, f"edit {n}") for n, edit in enumerate(raw["edits"], 1))
    return Edits(edits, _made_for(raw.get("made_for", {})))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _edit(raw: Any, where: str) -> Edit:
    if not isinstance(raw, dict):
        raise PoseError(
            f'{where}: {_short_json(raw)} is not an object such as {{"do": "hide", … }}.'
        )
    kind = raw.get("do")
    if not isinstance(kind, str) or kind not in _KEYS:
        raise PoseError(f"{where}: do {_short_json(kind)}, needed one of {', '.join(_KEYS)}.")
    needed, optional = _KEYS[kind]
    frames = () if kind == "keys" else ("frames",)
    _check_keys(raw, ("do", *frames, "person", *needed, *optional), where)
    for key in (*frames, *needed):
        if key not in raw:
            raise PoseError(f"{where} ({kind}): {key} is missing.")
    values: dict[str, Any] = {}
    if kind == "keys":
        keys = _keys(raw["keys"], f"{where}, keys")
        first, last = keys[0].frame, keys[-1].frame
        values["keys"] = keys
    else:
        first, last = _frames(raw["frames"], f"{where}, frames")
    if kind == "interpolate" and last - first < 2:
        raise PoseError(f"{where}: frames {first} and {last} have none between them.")
    if kind == "reverse" and first == last:
        raise PoseError(f"{where}: frame {first} alone cannot be reversed, needed [first, last].")
    if "points" in raw:
        values["points"], values["label"] = _points(raw["points"], where)
        if kind == "keys" and len(values["points"]) != 1:
            raise PoseError(f"{where}: keys are of one point, not {len(values['points'])}.")
    if "from" in raw:
        values["source"], values["source_last"] = _frames(raw["from"], f"{where}, from")
    if "ease" in raw:
        values["ease"] = _ease(raw["ease"], EASES, where)
    if "scale" in raw:
        values["scale"] = _number(raw["scale"], f"{where}, scale", 0.01, 100.0)
    if "about" in raw:
        about = raw["about"]
        values["about"] = (
            (_number(about, f"{where}, about"), 0.5)
            if kind == "mirror"
            else _pair(about, f"{where}, about")
        )
    values |= {key: _pair(raw[key], f"{where}, {key}") for key in ("to", "shift") if key in raw}
    person = _integer(raw.get("person", 0), f"{where}, person")
    return Edit(kind, first, last, person, **values)


def _frames(raw: Any, where: str) -> tuple[int, int]:
    pair = raw if isinstance(raw, list) else [raw, raw]
    if len(pair) != 2:
        raise PoseError(f"{where}: {_short_json(raw)}, needed a frame or [first, last].")
    first, last = (_integer(frame, where) for frame in pair)
    if first > last:
        raise PoseError(f"{where}: {_short_json(raw)}, needed the first one first.")
    return first, last


def _keys(raw: Any, where: str) -> tuple[Key, ...]:
    if not isinstance(raw, list) or not raw:
        raise PoseError(f"{where}: {_short_json(raw)}, needed [[frame, x, y, ease], … ].")
    keys: list[Key] = []
    for key in raw:
        if not isinstance(key, list) or len(key) not in (3, 4):
            raise PoseError(f"{where}: {_short_json(key)}, needed [frame, x, y, ease].")
        frame = _integer(key[0], where)
        if keys and frame <= keys[-1].frame:
            raise PoseError(f"{where}: frame {frame} after {keys[-1].frame}, needed in order.")
        ease = _ease(key[3], KEY_EASES, where) if len(key) == 4 else "linear"
        keys.append(Key(frame, (_number(key[1], where), _number(key[2], where)), ease))
    return tuple(keys)


def _ease(raw: Any, known: tuple[str, ...], where: str) -> str:
    if raw not in known:
        raise PoseError(f"{where}: ease {_short_json(raw)}, needed one of {', '.join(known)}.")
    return raw


def _points(raw: Any, where: str) -> tuple[tuple[int, ...], str]:
    names = raw if isinstance(raw, list) else [raw]
    indices: dict[int, None] = {}
    for name in names:
        if isinstance(name, str) and name in _NAMED:
            indices |= dict.fromkeys(_NAMED[name])
        elif isinstance(name, int) and not isinstance(name, bool) and 0 <= name < skeleton.N_POINTS:
            indices[name] = None
        else:
            raise PoseError(
                f"{where}: no point is called {_short_json(name)}. Use a joint such as RWrist, "
                f"left_hand.4, face.30, an index from 0 to {skeleton.N_POINTS - 1}, or a group: "
                f"{', '.join(_GROUPS)}."
            )
    if not indices:
        raise PoseError(f"{where}: points is empty.")
    return tuple(indices), ", ".join(str(name) for name in names[:3]) + (", …" * (len(names) > 3))


def _made_for(raw: Any) -> dict[str, int]:
    if not isinstance(raw, dict):
        raise PoseError(f"edits: made_for {_short_json(raw)} is not an object.")
    _check_keys(raw, ("frames", "people", "width", "height"), "edits, made_for")
    return {key: _integer(value, f"edits, made_for, {key}") for key, value in raw.items()}


def _check_keys(raw: dict, keys: tuple[str, ...], where: str) -> None:
    for key in raw:
        if key not in keys:
            raise PoseError(
                f"{where}: unknown key {_short_json(key)}. Known are {', '.join(keys)}."
            )


def _integer(raw: Any, where: str) -> int:
    whole = isinstance(raw, int) or (isinstance(raw, float) and raw.is_integer())
    if isinstance(raw, bool) or not whole or not 0 <= raw <= LAST_FRAME:
        raise PoseError(
            f"{where}: {_short_json(raw)}, needed a whole number from 0 to {LAST_FRAME}."
        )
    return int(raw)


def _number(raw: Any, where: str, low: float = -FARTHEST, high: float = FARTHEST) -> float:
    is_number = isinstance(raw, (int, float)) and not isinstance(raw, bool)
    if not is_number or not low <= raw <= high or not math.isfinite(raw):
        raise PoseError(f"{where}: {_short_json(raw)}, needed a number from {low:g} to {high:g}.")
    return float(raw)


def _pair(raw: Any, where: str) -> tuple[float, float]:
    if not isinstance(raw, list) or len(raw) != 2:
        raise PoseError(f"{where}: {_short_json(raw)}, needed [x, y] as fractions of the image.")
    return _number(raw[0], where), _number(raw[1], where)


def _short_json(value: Any) -> str:
    """The value as JSON, cut to fit a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"
