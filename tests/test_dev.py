from __future__ import annotations

import importlib.util
import json
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

    def run(command):
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


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12)])
def test_supported_pythons_pass(dev, version):
    dev.check_python(version)


@pytest.mark.parametrize("version", [(3, 8), (3, 13)])
def test_another_python_is_told_what_is_needed_and_where_it_is(dev, monkeypatch, version):
    monkeypatch.setattr(dev.shutil, "which", lambda name: name == "python3.11" or None)
    with pytest.raises(
        dev.Stop,
        match=rf"this is Python 3\.{version[1]}; .* 3\.10, 3\.11 or 3\.12.*start `python3\.11 dev",
    ):
        dev.check_python(version)

    monkeypatch.setattr(dev.shutil, "which", lambda name: None)
    with pytest.raises(dev.Stop, match="install one beside it"):
        dev.check_python(version)


def test_the_first_start_installs_torch_first_and_the_second_nothing(dev, installer, tmp_path):
    venv = tmp_path / ".venv"
    dev.ensure_environment(venv)

    made, *installs = installer.commands
    assert made == [sys.executable, "-m", "venv", str(venv)]
    assert [command[-1] for command in installs] == [
        dev.TORCH[-1],
        dev.PACKAGES[-1],
        dev.WITHOUT_DEPENDENCIES[-1],
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
    monkeypatch.setattr(dev, "PINS", (*dev.PINS, "new==1"))

    dev.ensure_environment(tmp_path / ".venv")
    assert len(installer.commands) == 3  # no new .venv
    dev.ensure_environment(tmp_path / ".venv")
    assert len(installer.commands) == 3

    # An update that is cut off leaves nothing to build on.
    monkeypatch.setattr(dev, "PINS", (*dev.PINS, "newer==1"))
    installer.commands.clear()
    installer.fail_at = 2
    with pytest.raises(dev.Stop):
        dev.ensure_environment(tmp_path / ".venv")
    assert dev.read_stamp(tmp_path / ".venv")["state"] == "installing"


def test_another_index_serves_torch_alone(dev, installer, tmp_path):
    dev.ensure_environment(tmp_path / ".venv", "https://wheels.example/cpu")

    with_index = [c for c in installer.commands if "https://wheels.example/cpu" in c]
    assert [command[-1] for command in with_index] == [dev.TORCH[-1]]


def test_what_pip_cannot_install_is_explained(dev, installer, tmp_path):
    installer.fail_at = 2
    with pytest.raises(dev.Stop, match=r"pip could not install .* network .* disk space"):
        dev.ensure_environment(tmp_path / ".venv")


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
    monkeypatch.setattr(dev, "PINS", (f"torch=={torch}", f"pytest=={version('pytest')}"))
    dev.ensure_environment(venv)
    assert [frame.name for frame in venv.iterdir()] == ["pyvenv.cfg"]

    monkeypatch.setattr(dev, "PINS", (f"numpy=={version('numpy')}", "pytest==0.1"))
    with pytest.raises(dev.Stop, match=rf"pytest {version('pytest')} \(0\.1 is needed\)"):
        dev.ensure_environment(venv)


@pytest.fixture
def called(dev, monkeypatch):
    calls = []
    monkeypatch.setattr(dev, "ensure_environment", lambda *a: None)
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


def test_the_demo_takes_the_samples_or_the_users_files_from_where_the_user_is(
    dev, called, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    dev.main(["demo"])
    dev.main(["demo", "--reference", "me.jpg", "--output", "out"])

    default, own = (dict(zip(c[4::2], c[5::2], strict=True)) for c, _ in called)
    assert called[0][0][1:4] == ["-m", "dispose_core", "demo"]
    assert default == {
        "--reference": str(ROOT / "assets" / "reference.png"),
        "--driving": str(ROOT / "assets" / "driving.mp4"),
        "--output": str(ROOT / "output" / "demo"),
    }
    assert Path(default["--reference"]).exists() and Path(default["--driving"]).exists()
    assert own["--reference"] == str(tmp_path / "me.jpg")
    assert own["--output"] == str(tmp_path / "out")


@pytest.mark.parametrize("arguments", [[], ["demo", "--fast"], ["dance"]])
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


def test_every_pin_is_exact_and_nothing_is_pinned_twice(dev):
    names = [pin.split("==")[0] for pin in dev.PINS]

    assert all(pin.count("==") == 1 for pin in dev.PINS)
    assert len(set(names)) == len(names)
    assert sum("opencv" in name for name in names) == 1
    assert "torchvision" not in names


def test_requirements_and_package_metadata_name_the_same(dev):
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 brings it")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    required = (ROOT / "requirements.txt").read_text("utf-8").split()

    assert project["project"]["dependencies"] == required
    versions = [line.split(";")[0] for line in required]
    assert not any("==" in line or "<" in line for line in versions)
    assert "web" not in project["tool"]["comfy"]
    # What is only an extra for users is pinned alike for developers.
    extra = project["project"]["optional-dependencies"]["mediapipe"][0]
    assert extra.split(" ;")[0] in dev.PINS


def test_the_stamp_says_how_far_an_installation_came(dev, tmp_path):
    assert dev.read_stamp(tmp_path) == {}
    dev.write_stamp(tmp_path, "installing")
    assert json.loads((tmp_path / dev.STAMP).read_text())["state"] == "installing"
    (tmp_path / dev.STAMP).write_text('{"state": "re')
    assert dev.read_stamp(tmp_path) == {"state": "unreadable"}
