"""`animate --jobs`: many clips, one loading, each on its own, and what is left to do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dispose_core.cli import main
from dispose_core.media.video_read import read_frames
from dispose_core.pipeline.run import run_animation

from .conftest import assert_same_clip


@pytest.fixture
def loaded(monkeypatch, tiny_networks):
    """Each making of networks adds to this list."""
    made = []

    def make(*arguments):
        made.append(arguments)
        return tiny_networks(*arguments)

    monkeypatch.setattr("dispose_core.pipeline.components.Components", make)
    return made


@pytest.fixture
def run(models, job, tmp_path, capsys):
    """run(lines) -> exit code and summary; a line is settings over the tiny clip's, or text."""

    def jobs(lines, *more: str):
        base = {key: value for key, value in job.items() if key != "device"}
        texts = (line if isinstance(line, str) else json.dumps({**base, **line}) for line in lines)
        (tmp_path / "jobs.jsonl").write_text("\n".join(texts))
        capsys.readouterr()
        code = main(["animate", "--json", "--jobs", str(tmp_path / "jobs.jsonl"),
                     "--models", str(models), "--device", "cpu", *more])  # fmt: skip
        return code, json.loads(capsys.readouterr().out)

    return jobs


def states(summary) -> list[str]:
    return [job["state"] for job in summary["jobs"]]


def test_a_job_is_the_same_alone_and_among_three_and_bad_ones_stop_nothing(
    run, arguments, loaded, tmp_path, encoded
):
    lines = [
        {"output": "a.mp4", "seed": 1},
        "",
        '{"reference": "a.png"',
        {"output": "b.mp4", "reference": "none.png"},
        {"output": "deep/c.mp4", "seed": 3, "compare": True},
        {"output": "c.mp4", "stepz": 3},
        {"output": "./a.mp4"},
        {"output": "d.mp4", "unet": "x.pth"},
        {"output": "e.mp4", "densifier": "cmp"},
        {"driving": "x.mp4"},
        {"output": "f.mp4", "seed": 5},
    ]
    code, summary = run(lines)

    assert code == 5 and len(loaded) == 1
    jobs = {one["line"]: one for one in summary["jobs"]}
    assert {n: one["state"] for n, one in jobs.items() if one["state"] != "failed"} == {
        1: "done", 5: "done", 11: "done",
    }  # fmt: skip
    for number, words in {
        3: "not valid JSON", 4: "none.png", 6: "unknown key 'stepz'",
        7: "the same output as line 1", 8: "unet: the same for all jobs",
        9: "cmp: nothing found", 10: "output is not given",
    }.items():  # fmt: skip
        assert words in jobs[number]["message"], number
    assert summary["report"][-1] == "3 done, 7 failed"
    assert summary["report"][0].startswith("line    1  done") and len(summary["report"]) == 11
    assert (tmp_path / "deep" / "c_compare.mp4").is_file()
    assert not (tmp_path / "b.mp4").exists()

    assert main(arguments(output=tmp_path / "alone.mp4", seed=5)) == 0
    assert_same_clip(encoded["alone.mp4"], encoded["f.mp4"])
    assert len(encoded["f.mp4"]) == len(list(read_frames(tmp_path / "f.mp4"))) == 4
    assert np.abs(encoded["f.mp4"].astype(int) - encoded["a.mp4"]).max() > 1  # another seed

    made = (tmp_path / "a.mp4").stat().st_mtime_ns
    lines[10]["seed"] = 6
    code, summary = run([lines[0], lines[4], lines[10]])
    assert code == 0 and states(summary) == ["done before", "done before", "done"]
    assert (tmp_path / "a.mp4").stat().st_mtime_ns == made


def test_a_batch_that_was_stopped_goes_on_where_it_was(run, monkeypatch, tmp_path):
    lines = [{"output": f"{name}.mp4"} for name in "abc"]
    begun = []

    def stop_in_the_second(plan, components, stage_progress):
        begun.append(plan.settings.output.name)

        def stages(stage: str):
            if begun == ["a.mp4", "b.mp4"] and stage == "decoding":
                raise KeyboardInterrupt
            return stage_progress(stage)

        return run_animation(plan, components, stages)

    monkeypatch.setattr("dispose_core.pipeline.batch.run_animation", stop_in_the_second)
    code, summary = run(lines)
    assert code == 130 and states(summary) == ["done", "cancelled", "not begun"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.toml", "jobs.jsonl"]

    (tmp_path / "b.mp4").write_bytes(b"a clip without its settings is not finished")
    code, summary = run(lines)
    assert code == 0 and states(summary) == ["done before", "done", "done"]
    assert begun == ["a.mp4", "b.mp4", "b.mp4", "c.mp4"]
    assert len(list(read_frames(tmp_path / "b.mp4"))) == 4


def test_a_list_without_jobs_is_an_error(run, capsys):
    code, summary = run(["", " "])
    assert code == 2 and "no job in it" in summary["error"]
