from __future__ import annotations

import json
import random
from io import StringIO

import pytest

from dispose_core.pose.json_stream import parse_json, read_text, write_list

TEXTS = [
    *("[]", "{}", " [ ] ", "3", '"a"', "null", "[1, 2.5, -1e3]", '{"a": [1, {"b": []}], "c": {}}'),
    *("[[1, 2], [3]]", '\n{"frames" : [ {"x": 1} , {"x": 2} ] , "n":\t2}\r\n', '{"a": 1, "a": 2}'),
]
BROKEN = [
    *(
        "",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[1 2]",
        "{",
        '{"a"',
        '{"a":',
        '{"a": 1',
        '{"a": 1,}',
        "{1: 2}",
    ),
    *('{"a" 1}', "[]]", "nothing", '[{"a": [1, 2}]', "[1] x"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_read_is_what_json_reads(text):
    assert parse_json(text) == json.loads(text)


@pytest.mark.parametrize("text", BROKEN)
def test_broken_json_is_refused_as_json_refuses_it(text):
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    with pytest.raises(json.JSONDecodeError):
        parse_json(text)


def test_a_cut_file_is_refused_wherever_it_is_cut():
    text = json.dumps([{"people": [{"a": [0.5] * 3}], "canvas_width": 8}] * 3)
    for end in random.Random(0).sample(range(1, len(text)), 60):
        with pytest.raises(json.JSONDecodeError):
            parse_json(text[:end])


@pytest.mark.parametrize("wrap", [lambda items: items, lambda items: {"frames": items}])
def test_the_callback_comes_between_items(wrap):
    text, heard = json.dumps(wrap([{"x": [1, 2]}] * 1024)), []
    parse_json(text, lambda *step: heard.append(step))
    assert len(heard) == 4
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert {total for _, total in heard} == {len(text)}


def test_reading_and_writing_can_be_interrupted():
    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_text(StringIO("[]"), 2, cancel)
    with pytest.raises(KeyboardInterrupt):
        parse_json(json.dumps([1] * 1000), cancel)
    with pytest.raises(KeyboardInterrupt):
        write_list(StringIO(), [{}] * 3, 3, cancel)


def test_what_is_written_has_no_spaces_and_no_nan():
    file = StringIO()
    write_list(file, [{"a": [1.5, 2]}, {}], 2)
    assert file.getvalue() == '[{"a":[1.5,2]},{}]'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_list(StringIO(), [float("nan")], 1)
