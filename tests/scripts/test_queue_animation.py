"""The program that queues animations: what it sends and how it speaks to people."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "scripts" / "queue_animation.py"


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("queue_animation", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prompt():
    def node(kind, title, **inputs):
        return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}

    return {
        "1": node("LoadImage", "Reference image", image="a.png"),
        "2": node("LoadVideo", "Load Video", file="a.mp4"),
        "3": node("KSampler", "KSampler", seed=1, sampler_name="euler", model=["9", 0]),
        "4": node("LoadImage", "Subject mask", image="b.png"),
    }


class Uploads:
    """Stands for the server where only uploads matter."""

    def upload(self, path):
        return f"uploaded-{path.name}"


def test_a_node_is_found_by_number_title_or_class(program, prompt):
    assert program.find_node(prompt, "4") == "4"
    assert program.find_node(prompt, "mask") == "4"
    assert program.find_node(prompt, "ksampler") == "3"
    assert program.find_node(prompt, "reference", ("LoadImage",)) == "1"
    assert program.find_node(prompt, "driving", ("LoadVideo",)) == "2"  # the only one


def test_a_name_that_fits_several_nodes_or_none_lists_them(program, prompt):
    with pytest.raises(program.JobError, match=r"several nodes are 'loadimage': Refer.*\(1\), Sub"):
        program.find_node(prompt, "loadimage")
    with pytest.raises(program.JobError, match=r"no node is 'upscale': .*Load Video \(2\)"):
        program.find_node(prompt, "upscale")


def test_settings_change_inputs_as_json_text_or_uploaded_files(program, prompt):
    settings = ["KSampler.seed=7", "3.sampler_name=dpm_2", "mask.image=@masks/m.png"]
    program.fill(prompt, settings, Uploads())
    assert prompt["3"]["inputs"]["seed"] == 7 and prompt["3"]["inputs"]["sampler_name"] == "dpm_2"
    assert prompt["4"]["inputs"]["image"] == "uploaded-m.png"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seed=7", "needed NODE.INPUT=VALUE"),
        ("3.seed", "needed NODE.INPUT=VALUE"),
        ("3.sead=7", "no input sead: seed, sampler_name, model"),
    ],
)
def test_a_setting_that_fits_nothing_says_what_would(program, prompt, setting, message):
    with pytest.raises(program.JobError, match=message):
        program.fill(prompt, [setting], Uploads())


def test_a_refused_workflow_names_nodes_by_title(program, prompt):
    answer = {
        "error": {"message": "Prompt outputs failed validation", "details": ""},
        "node_errors": {"3": {"errors": [{"message": "Value too big", "details": "seed 9"}]}},
    }
    assert list(program.complaints(answer, prompt)) == [
        "Prompt outputs failed validation",
        "KSampler (3): Value too big: seed 9",
    ]


def history(outputs=None, *messages):
    return {"status": {"messages": list(messages)}, "outputs": outputs or {}}


def test_results_are_the_saved_files_not_the_temporary_ones(program, prompt):
    saved = {"filename": "out.mp4", "subfolder": "video", "type": "output"}
    shown = {"filename": "x.png", "subfolder": "", "type": "temp"}
    frame = history({"5": {"images": [saved], "animated": [True]}, "6": {"images": [shown]}})
    assert program.results(frame, prompt) == [saved]


def test_a_failed_job_says_which_node_and_why(program, prompt):
    event = {"node_id": "3", "exception_message": "no person found\n"}
    with pytest.raises(program.JobError, match=r"KSampler \(3\): no person found$"):
        program.results(history(None, ["execution_error", event]), prompt)
    with pytest.raises(program.JobError, match="interrupted on the server"):
        program.results(history(None, ["execution_interrupted", {}]), prompt)


def test_a_workflow_in_the_format_of_the_editor_is_refused(program, tmp_path, capsys):
    path = tmp_path / "saved.json"
    path.write_text(json.dumps({"nodes": [], "links": []}))
    assert program.main(["--workflow", str(path)]) == program.FAILED
    assert "Export (API)" in capsys.readouterr().err


def test_a_server_that_does_not_answer_has_an_exit_code_of_its_own(program, tmp_path, capsys):
    path = tmp_path / "workflow.json"
    path.write_text("{}")
    code = program.main(["--workflow", str(path), "--server", "127.0.0.1:9"])
    assert code == program.UNREACHABLE
    assert "127.0.0.1:9 does not answer" in capsys.readouterr().err
