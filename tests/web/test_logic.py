"""The pure logic of `web/js` under Node's own test runner."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def node() -> str:
    """A Node that takes .js files for modules by itself."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not on PATH: the JavaScript logic is not tested")
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip()
    if tuple(map(int, version.removeprefix("v").split(".")[:2])) < (20, 19):
        pytest.skip(f"node {version} does not know modules without being told, needed v20.19")
    return found


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.name)
def test_the_logic_passes_under_node(file):
    done = subprocess.run(
        [node(), "--test", str(file)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
