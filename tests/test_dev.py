from __future__ import annotations

import errno
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def dev():
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def installer(dev, monkeypatch):
    """Records what would be run; makes the .venv's interpreter appear, as the real one does."""
    commands = []

    def run(command, watch_errors=False):
        commands.append(command)
        if "venv" in command:
            python = dev.venv_python(Path(command[-1]))
            python.parent.mkdir(parents=True)
            python.touch()
        if len(commands) == run.fail_at:
            raise run.error

    run.fail_at, run.error = None, subprocess.CalledProcessError(1, "pip")
    monkeypatch.setattr(dev, "run", run)
    run.commands = commands
    return run


@pytest.mark.parametrize("minor", range(10, 15))
def test_supported_pythons_pass(dev, minor):
    dev.check_python((3, minor))


@pytest.mark.parametrize("version", [(3, 8), (3, 15)])
def test_another_python_is_told_what_is_needed_and_where_it_is(dev, monkeypatch, version):
    monkeypatch.setattr(dev, "starts", lambda name: name == "python3.11")
    with pytest.raises(
        dev.Stop,
        match=rf"this is Python 3\.{version[1]}; .* 3\.10 to 3\.14: .*start `python3\.11 dev",
    ):
        dev.check_python(version)

    monkeypatch.setattr(dev, "starts", lambda name: False)
    with pytest.raises(dev.Stop, match="install one beside it"):
        dev.check_python(version)


def test_a_stand_in_for_a_python_that_is_not_installed_is_not_named(dev, tmp_path, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("the stand-in is a shell script")
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, script in (("python3.13", f'exec {sys.executable} "$@"'), ("python3.14", "exit 127")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    assert dev.starts("python3.13")
    assert not dev.starts("python3.14") and not dev.starts("python3.12")


def test_the_first_start_installs_torch_first_and_the_second_nothing(dev, installer, tmp_path):
    venv = tmp_path / ".venv"
    dev.ensure_environment(venv)

    made, *installs = installer.commands
    assert made == [sys.executable, "-m", "venv", str(venv)]
    python = sys.version_info[:2]
    assert [command[-1] for command in installs] == [
        dev.pins(packages, python)[-1] for _, packages, _ in dev.STEPS
    ]
    assert all(command[0] == str(dev.venv_python(venv)) for command in installs)
    assert ["--no-deps" in command for command in installs] == [False, False, True]

    dev.ensure_environment(venv)
    assert len(installer.commands) == 4


@pytest.mark.parametrize("step", [1, 2, 4])
def test_an_installation_that_was_cut_off_begins_again_from_nothing(dev, installer, tmp_path, step):
    venv = tmp_path / ".venv"
    installer.fail_at, installer.error = step, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        dev.ensure_environment(venv)
    leftover = venv / "lib" / "half.py"
    leftover.parent.mkdir()
    leftover.touch()

    installer.fail_at = None
    installer.commands.clear()
    dev.ensure_environment(venv)

    assert len(installer.commands) == 4
    assert not leftover.exists()


def test_a_removed_interpreter_is_installed_again(dev, installer, tmp_path):
    dev.ensure_environment(tmp_path / ".venv")
    dev.venv_python(tmp_path / ".venv").unlink()
    installer.commands.clear()

    dev.ensure_environment(tmp_path / ".venv")
    assert len(installer.commands) == 4


def test_new_pins_update_the_environment_in_place(dev, installer, tmp_path, monkeypatch):
    dev.ensure_environment(tmp_path / ".venv")
    installer.commands.clear()
    monkeypatch.setitem(dev.PACKAGES, "new", "1")

    dev.ensure_environment(tmp_path / ".venv")
    assert len(installer.commands) == 3  # no new .venv
    dev.ensure_environment(tmp_path / ".venv")
    assert len(installer.commands) == 3

    # An update that is cut off leaves nothing to build on.
    monkeypatch.setitem(dev.PACKAGES, "newer", "1")
    installer.commands.clear()
    installer.fail_at = 2
    with pytest.raises(dev.Stop):
        dev.ensure_environment(tmp_path / ".venv")
    assert dev.read_stamp(tmp_path / ".venv")["state"] == "installing"


def test_another_index_serves_torch_alone(dev, installer, tmp_path):
    dev.ensure_environment(tmp_path / ".venv", "https://wheels.example/cpu")

    with_index = [c for c in installer.commands if "https://wheels.example/cpu" in c]
    assert [command[-1] for command in with_index] == [f"torch=={dev.TORCH['torch']}"]


@pytest.mark.parametrize(
    ("said", "explained"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
         r"the disk is full: [\d.]+ GB are free"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError(...)': /simple/torch/",
         r"cannot reach the package index.*HTTPS_PROXY.*PIP_INDEX_URL"),
        ("ERROR: [Errno 13] Permission denied: '/x/.venv/lib'", r"may not write to .*\.venv"),
        ("ERROR: No matching distribution found for torch==2.13.0",
         r"pip could not install .* exist for Windows x64"),
    ],
)  # fmt: skip
def test_why_pip_failed_is_told_apart(dev, installer, tmp_path, said, explained):
    installer.fail_at = 2
    installer.error = subprocess.CalledProcessError(1, "pip", stderr=said)
    with pytest.raises(dev.Stop, match=explained):
        dev.ensure_environment(tmp_path / ".venv")


def test_what_a_command_writes_to_stderr_is_shown_and_kept(dev, capsys):
    program = "import sys; print('one', file=sys.stderr); sys.exit(3)"
    with pytest.raises(subprocess.CalledProcessError) as failure:
        dev.run([sys.executable, "-c", program], watch_errors=True)
    assert failure.value.stderr == "one\n" and capsys.readouterr().err == "one\n"


@pytest.mark.parametrize(
    ("number", "explained"),
    [
        (errno.EROFS, "cannot be written .*Copy the pack to a folder that you may write to"),
        (errno.EACCES, "cannot be written"),
        (errno.ENOSPC, "the disk is full"),
    ],
)
def test_a_folder_that_cannot_be_written_is_explained(
    dev, called, monkeypatch, capsys, number, explained
):
    def broken(*_):
        raise OSError(number, os.strerror(number), "/read/only/.venv")

    monkeypatch.setattr(dev, "ensure_environment", broken)
    assert dev.main(["test"]) == 1
    assert re.match(rf"dev\.py: .*{explained}", capsys.readouterr().err)


def test_the_networks_are_downloaded_once(dev, installer, tmp_path):
    dev.ensure_models(tmp_path)
    assert installer.commands[0][-5:] == [
        *("models", "--models", str(tmp_path), "--download", "mediapipe")
    ]
    (tmp_path / "detection").mkdir()
    (tmp_path / "detection" / dev.NETWORKS).touch()
    dev.ensure_models(tmp_path)
    assert len(installer.commands) == 1

    installer.fail_at = 2
    with pytest.raises(dev.Stop, match="could not be downloaded"):
        dev.ensure_models(tmp_path / "other")


def test_a_python_without_venv_is_explained(dev, installer, tmp_path):
    installer.fail_at = 1
    with pytest.raises(dev.Stop, match="apt install python3-venv"):
        dev.ensure_environment(tmp_path / ".venv")


def test_somebody_elses_venv_is_left_alone(dev, installer, tmp_path):
    venv = tmp_path / ".venv"
    precious = venv / "lib" / "precious.py"
    precious.parent.mkdir(parents=True)
    precious.touch()

    with pytest.raises(dev.Stop, match=r"not made by this program.*torch missing \(2.*left as it"):
        dev.ensure_environment(venv)
    assert precious.exists() and not installer.commands


def test_somebody_elses_venv_with_the_pinned_versions_is_used(
    dev, installer, tmp_path, monkeypatch
):
    venv = tmp_path / ".venv"
    venv.mkdir()
    (venv / "pyvenv.cfg").touch()
    monkeypatch.setattr(dev, "venv_python", lambda venv: Path(sys.executable))
    from importlib.metadata import version

    torch = version("torch").split("+")[0]  # a CPU build calls itself 2.13.0+cpu
    monkeypatch.setattr(dev, "OTHER_VERSIONS", {})
    pinned = {"torch": torch, "pytest": version("pytest")}
    monkeypatch.setattr(dev, "STEPS", (("everything", pinned, ()),))
    dev.ensure_environment(venv)
    assert [frame.name for frame in venv.iterdir()] == ["pyvenv.cfg"]

    pinned.update(numpy=version("numpy"), pytest="0.1")
    with pytest.raises(dev.Stop, match=rf"pytest {version('pytest')} \(0\.1 is needed\)"):
        dev.ensure_environment(venv)


@pytest.fixture
def called(dev, monkeypatch):
    calls = []
    monkeypatch.setattr(dev, "ensure_environment", lambda *a: None)
    monkeypatch.setattr(dev, "ensure_models", lambda *a: None)
    monkeypatch.setattr(dev, "check_python", lambda version: None)
    monkeypatch.setattr(
        dev.subprocess, "call", lambda command, **options: calls.append((command, options)) or 5
    )
    return calls


def test_the_tests_run_in_the_repository_and_their_exit_code_comes_out(dev, called, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    assert dev.main(["test", "tests/test_dev.py", "-k", "pins"]) == 5
    assert dev.main(["test", "--all"]) == 5

    (some, options), (every, _) = called
    assert some[1:] == ["-m", "pytest", "-m", "not slow", "tests/test_dev.py", "-k", "pins"]
    assert every[1:] == ["-m", "pytest"]
    assert options["cwd"] == str(ROOT)
    assert options["env"]["PYTHONNOUSERSITE"] == "1" and "PYTHONPATH" not in options["env"]


def test_the_demo_passes_its_options_on_and_runs_where_the_user_is(dev, called):
    dev.main(["demo"])
    dev.main(["demo", "--reference", "me.jpg", "--stride", "2", "--output=out", "--models", "m"])

    (default, options), (own, _) = called
    assert default[1] == "-c" and default[3:] == [
        *("demo", "--output", str(ROOT / "output" / "demo")),
        *("--detector-files", str(ROOT / ".models" / "detection")),
    ]
    assert own[3:] == [
        *("demo", "--reference", "me.jpg", "--stride", "2", "--output=out", "--models", "m")
    ]
    assert "cwd" not in options


def test_the_library_starts_from_a_folder_with_modules_of_the_same_name(dev, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    command = [sys.executable, *dev.library_command("inspect", "--help")[1:]]
    result = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert result.returncode == 0 and "usage: python -m dispose_core inspect" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["dance"]])
def test_an_unknown_command_or_option_is_refused(dev, arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        dev.main(arguments)
    assert stop.value.code == 2
    assert "dev.py" in capsys.readouterr().err


def test_a_stop_is_one_line_and_exit_code_one(dev, called, monkeypatch, capsys):
    def stop(version):
        raise dev.Stop("no.")

    monkeypatch.setattr(dev, "check_python", stop)
    assert dev.main(["test"]) == 1
    assert capsys.readouterr().err == "dev.py: no.\n"


def test_an_interruption_ends_with_the_usual_exit_code(dev, called, monkeypatch, capsys):
    def interrupt(version):
        raise KeyboardInterrupt

    monkeypatch.setattr(dev, "check_python", interrupt)
    assert dev.main(["test"]) == 130
    assert "The next start picks up the work" in capsys.readouterr().err


def test_nothing_is_pinned_twice_and_every_exception_is_used(dev):
    names = [name for _, packages, _ in dev.STEPS for name in packages]

    assert len(set(names)) == len(names)
    assert sum("opencv" in name for name in names) == 1
    assert "torchvision" not in names
    for python, others in dev.OTHER_VERSIONS.items():
        assert python in dev.SUPPORTED and set(others) <= set(names)
        assert f"numpy=={others.get('numpy', dev.PACKAGES['numpy'])}" in dev.all_pins(python)


def test_the_pins_of_an_environment_are_those_of_its_python(dev, tmp_path):
    assert dev.python_of(tmp_path) == sys.version_info[:2]
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.10.13\n")
    assert dev.python_of(tmp_path) == (3, 10)
    (tmp_path / "pyvenv.cfg").write_text("version_info = 3.13.0.final.0\n")
    assert dev.python_of(tmp_path) == (3, 13)


def test_requirements_and_package_metadata_name_the_same(dev):
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 brings it")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    required = (ROOT / "requirements.txt").read_text("utf-8").splitlines()

    assert project["project"]["dependencies"] == required
    assert not any("opencv" in line for line in required)  # see install.py
    versions = [line.split(";")[0] for line in required]
    assert not any("==" in line for line in versions)
    assert [line for line in versions if "<" in line] == ["ai-edge-litert>=2.1,<2.2"]
    assert "web" not in project["tool"]["comfy"]


def test_the_stamp_says_how_far_an_installation_came(dev, tmp_path):
    assert dev.read_stamp(tmp_path) == {}
    dev.write_stamp(tmp_path, "installing")
    assert json.loads((tmp_path / dev.STAMP).read_text())["state"] == "installing"
    (tmp_path / dev.STAMP).write_text('{"state": "re')
    assert dev.read_stamp(tmp_path) == {"state": "unreadable"}
