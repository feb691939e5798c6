"""install.py keeps the OpenCV that is there and installs one where there is none."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def install(monkeypatch):
    spec = importlib.util.spec_from_file_location("dispose_install", ROOT / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.calls = []
    monkeypatch.setattr(
        module.subprocess, "call", lambda command: module.calls.append(command) or 0
    )
    return module


def packages(monkeypatch, module, *names: str) -> None:
    found = {name: SimpleNamespace(origin=name) for name in names}
    monkeypatch.setattr(module.importlib.util, "find_spec", found.get)


def test_an_opencv_of_any_kind_is_kept_and_named(install, monkeypatch, capsys):
    packages(monkeypatch, install, "cv2", "pip")

    def version(name: str) -> str:
        if name == "opencv-contrib-python":
            return "4.11.0.86"
        raise install.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(install.importlib.metadata, "version", version)
    assert install.main() == 0 and install.calls == []
    assert "opencv-contrib-python 4.11.0.86" in capsys.readouterr().out


@pytest.mark.parametrize(("tools", "expected"), [(["pip"], ["pip"]), ([], ["uv", "pip"])])
def test_where_there_is_none_the_one_without_windows_is_installed(
    install, monkeypatch, tools, expected
):
    packages(monkeypatch, install, *tools)
    assert install.main() == 0
    assert install.calls == [
        [sys.executable, "-m", *expected, "install", "opencv-python-headless>=4.8"]
    ]
