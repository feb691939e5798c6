"""Values that options take; each raises what argparse shows with the usage."""

from __future__ import annotations

import argparse
import re

from ..errors import PoseError
from ..pose.tracking.person_selection import PersonChoice


def size(text: str) -> tuple[int, int]:
    """ "WxH" -> (H, W)."""
    match = re.fullmatch(r"(\d+)[x×](\d+)", text)
    if not match or not all(16 <= int(side) <= 8192 for side in match.groups()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size such as 576x1024 with sides of 16 to 8192"
        )
    return int(match[2]), int(match[1])


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def not_negative(text: str) -> float:
    """A finite number of at least 0."""
    value = number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


def positive(text: str) -> float:
    """A finite number above 0."""
    value = number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def number(text: str) -> float:
    """Any number; "inf" and "nan" too."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def person(text: str) -> PersonChoice:
    """Which of several people, as `PersonChoice.parse` reads it."""
    try:
        return PersonChoice.parse(text)
    except PoseError as e:
        raise argparse.ArgumentTypeError(str(e)) from None
