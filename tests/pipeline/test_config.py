"""Configuration from files and back, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispose_core.cli import build_parser
from dispose_core.errors import SettingsError
from dispose_core.pipeline.config import RunConfig, load_config, to_toml, with_values
from dispose_core.pose.tracking.person_selection import PersonChoice
from dispose_core.sampling.options import SamplingOptions


def test_all_settings_survive_a_file(tmp_path):
    config = RunConfig(
        reference=tmp_path / 'a "quoted" image\\ä.png',
        duration=1.5,
        max_frames=3,
        person=PersonChoice("nearest", point=(0.25, 1.0), frame=2),
        densifier="cmp",
        compare=True,
        steps=3,
        official=True,
        model_fps=9,
        augmentation=1e-5,
        seed=2**63,
    )
    (tmp_path / "run.toml").write_text(to_toml(config), encoding="utf-8")

    back = load_config(tmp_path / "run.toml")

    assert back.model_dump() == config.model_dump()
    assert back.sampling == SamplingOptions(
        steps=3, official=True, model_fps=9, augmentation=1e-5, seed=2**63
    )


def test_a_file_says_only_what_differs_and_paths_count_from_its_folder(tmp_path):
    (tmp_path / "run.toml").write_text('reference = "a.png"\nmax_guidance = 3\nofficial = true\n')

    config = load_config(tmp_path / "run.toml", RunConfig(stride=5))

    wanted = RunConfig(reference=tmp_path / "a.png", stride=5, max_guidance=3.0, official=True)
    assert config.model_dump() == wanted.model_dump()
    assert with_values(config, {"reference": "b.png"}, "here").reference == Path("b.png")
    assert with_values(config, {"stride": 3, "reference": None}, "here").reference is None


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    (tmp_path / "run.toml").write_text("split_halves = true\n")

    assert load_config(tmp_path / "run.toml").split_cfg is True


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stepz": 3}, r"here: unknown key 'stepz'\. Allowed are steps, .*official, reference"),
        ({"steps": "3"}, "here: steps is '3'. Input should be a valid integer"),
        ({"steps": True}, "steps is True. Input should be a valid integer"),
        ({"steps": None}, "steps is None. Input should be a valid integer"),
        ({"steps": 0}, "here: sampling: steps is 0, needed at least 1"),
        ({"start": float("nan")}, "start is nan. Input should be a finite number"),
        ({"offload": "all"}, "offload is 'all'. Input should be 'none', 'stages' or 'sequential'"),
        ({"stride": 0}, "here: stride is 0. Input should be greater than or equal to 1"),
        ({"duration": 0}, "duration is 0. Input should be greater than 0"),
        ({"threshold": 1.5}, "threshold is 1.5. Input should be less than or equal to 1"),
        ({"detector": "eyes"}, "detector is 'eyes'. Input should be dwpose or openpose"),
        ({"densifier": "glue"}, "densifier is 'glue'. Input should be skinning or cmp"),
        ({"person": "tallest"}, "person is 'tallest'. 'tallest' is not a person: largest"),
        ({"reference": 3}, "reference is 3. Input should be a path"),
        ({"compare": 1}, "compare is 1. Input should be a valid boolean"),
    ],
)
def test_what_is_no_setting_is_named_with_what_is_allowed(values, message):
    with pytest.raises(SettingsError, match=message):
        with_values(RunConfig(), values, "here")


def test_a_file_that_is_no_toml_says_so(tmp_path):
    (tmp_path / "run.toml").write_text("steps: 3")
    with pytest.raises(SettingsError, match=r"run\.toml: not a TOML file .*steps = 25"):
        load_config(tmp_path / "run.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_config(tmp_path / "none.toml")


def test_every_field_is_an_option_of_animate_and_only_given_ones_come_out():
    (commands,) = (a for a in build_parser()._actions if a.dest == "command")
    parser = commands.choices["animate"]
    options = {action.dest: action for action in parser._actions}

    assert set(options) == {*RunConfig.model_fields, "help", "json", "config", "jobs"}
    assert "default: 25" in options["steps"].help and "default: fit" in options["method"].help
    given = vars(parser.parse_args(["--steps", "3"]))
    del given["run"]
    assert given == {"json": False, "config": None, "jobs": None, "steps": 3}


def test_only_sampling_settings_make_features_needless():
    assert RunConfig().makes_features
    for changed in (
        {"features": Path("f.safetensors")},
        {"point_strength": 0.0},
        {"control_strength": 0.0},
    ):
        assert not RunConfig(**changed).makes_features
