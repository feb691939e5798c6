"""Settings from files and back, and what is no setting."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dispose_core.cli import build_parser
from dispose_core.errors import SettingsError
from dispose_core.pipeline.config import Settings, keys, load_settings, save_settings, with_values
from dispose_core.pose.tracking.person_selection import PersonChoice
from dispose_core.sampling.options import SamplingOptions


def test_all_settings_survive_a_file(tmp_path):
    settings = Settings(
        reference=tmp_path / 'a "quoted" picture\\ä.png',
        duration=1.5,
        max_frames=3,
        person=PersonChoice("nearest", point=(0.25, 1.0), frame=2),
        densifier="cmp",
        compare=True,
        sampling=SamplingOptions(steps=3, reference=True, fps=9, augmentation=1e-5, seed=2**63),
    )
    save_settings(tmp_path / "run.toml", settings)

    assert load_settings(tmp_path / "run.toml") == settings


def test_a_file_says_only_what_differs_and_paths_count_from_its_folder(tmp_path):
    (tmp_path / "run.toml").write_text('reference = "a.png"\nmax_guidance = 3\nofficial = true\n')

    settings = load_settings(tmp_path / "run.toml", Settings(stride=5))

    sampling = SamplingOptions(max_guidance=3.0, reference=True)
    assert settings == Settings(reference=tmp_path / "a.png", stride=5, sampling=sampling)
    assert with_values(settings, {"reference": "b.png"}, "here").reference == Path("b.png")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stepz": 3}, r"here: unknown key 'stepz'\. Allowed are reference, .*steps.*official"),
        ({"steps": "3"}, "here: steps is '3'; allowed is a whole number"),
        ({"steps": True}, "steps is True; allowed is a whole number"),
        ({"steps": None}, "steps is None; allowed is a whole number"),
        ({"steps": 0}, "steps is 0, needed at least 1"),
        ({"start": float("nan")}, "start is nan; allowed is a number"),
        ({"offload": "all"}, "allowed is 'none' or 'stages' or 'sequential'"),
        ({"stride": 0}, r"here: stride is 0; allowed is 1 \(every frame\) or more"),
        ({"duration": 0}, "duration is 0.0; allowed is more than 0 seconds"),
        ({"detector": "eyes"}, "detector is eyes; allowed is dwpose or"),
        ({"person": "tallest"}, "person: 'tallest' is not a person: largest"),
        ({"reference": 3}, "reference is 3; allowed is a path"),
        ({"compare": 1}, "compare is 1; allowed is true or false"),
    ],
)
def test_what_is_no_setting_is_named_with_what_is_allowed(values, message):
    with pytest.raises(SettingsError, match=message):
        with_values(Settings(), values, "here")


def test_a_file_that_is_no_toml_says_so(tmp_path):
    (tmp_path / "run.toml").write_text("steps: 3")
    with pytest.raises(SettingsError, match=r"run\.toml: no TOML file .*steps = 25"):
        load_settings(tmp_path / "run.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")


def test_every_setting_is_an_option_and_the_help_shows_its_default():
    (commands,) = (a for a in build_parser()._actions if a.dest == "command")
    parser = commands.choices["animate"]
    options = {action.dest: action for action in parser._actions}
    settings, sampling = Settings(), SamplingOptions()

    assert set(options) == {*keys(), "help", "json", "config", "jobs"}
    names = {"model_fps": "fps", "official": "reference"}
    for name, action in options.items():
        shown = re.search(r"default: ([\w.]+)", action.help)
        if shown and name != "densifier":
            key = names.get(name, name)
            on = settings if name in vars(settings) and name != "official" else sampling
            value = getattr(on, key)
            assert shown[1] == str(value) or float(shown[1]) == value, name
    assert vars(parser.parse_args(["--steps", "3"])) == {
        "json": False, "config": None, "jobs": None, "steps": 3,
    }  # fmt: skip


def test_only_sampling_settings_make_features_needless():
    settings = Settings()
    assert settings.makes_features
    for changed in (
        replace(settings, features=Path("f.safetensors")),
        replace(settings, sampling=SamplingOptions(point_strength=0.0)),
        replace(settings, sampling=SamplingOptions(control_strength=0.0)),
    ):
        assert not changed.makes_features
