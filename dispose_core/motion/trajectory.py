"""Trajectory map: where each joint goes from one frame to the next, blurred (SPEC 5.1, 5.2)."""

from __future__ import annotations
