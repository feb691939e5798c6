"""A short version of `bad_inputs.py`: sixty bad inputs, each of another kind."""

from __future__ import annotations

from collections import Counter

from .bad_inputs import CLASSES, FAULTS, ask, cases, choose, prepare


def test_a_bad_input_is_answered_by_a_message(comfy, server):
    prepare(server)
    answers = {str(case): ask(comfy, case) for case in choose(comfy.object_info(), 60, seed=1)}

    assert {name: a.text for name, a in answers.items() if a.by in FAULTS} == {}
    counts = Counter(answer.by for answer in answers.values())
    assert set(counts) <= set(CLASSES) and counts["ours"] >= 15 and counts["ComfyUI"] >= 5


def test_every_input_of_every_node_has_cases(comfy):
    info = comfy.object_info()
    covered = {(case.node, case.input) for case in cases(info)}
    for name, described in info.items():
        if name.startswith("DisPose"):
            for group in ("required", "optional"):
                for part in described["input"].get(group, {}):
                    assert (name, part) in covered
