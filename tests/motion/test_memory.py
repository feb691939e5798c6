"""What the motion stage holds at most, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def peak(frames: int) -> dict[str, float]:
    """MB of the whole stage at 576×1024, flow and maps handed out eight frames at a time."""
    command = [sys.executable, "-m", "benchmarks.preprocess", "--peak", str(frames)]
    output = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


@pytest.mark.slow  # two processes at full size
@pytest.mark.skipif(sys.platform == "win32", reason="the peak is read from Linux or macOS")
def test_memory_grows_with_the_field_alone():
    short, long = peak(24), peak(72)

    assert long["peak"] < 1500
    beyond = (long["peak"] - long["field"]) - (short["peak"] - short["field"])
    assert beyond <= 2 * (72 - 24)
