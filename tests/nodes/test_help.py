"""Help pages and translations: every node, input and output has them, and they tell the truth."""

from __future__ import annotations

import ast
import json
import os
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "web" / "docs"
LOCALES = ROOT / "locales"
SETTINGS = ROOT / "web" / "js"
LANGUAGES = ("en", "zh")
# Headings of the help pages. Escaped, because Python files stay within cp1252.
INPUTS = {"en": "Inputs", "zh": "\u8f93\u5165"}
OUTPUTS = {"en": "Outputs", "zh": "\u8f93\u51fa"}
ERRORS = {"en": "What can go wrong", "zh": "\u5e38\u89c1\u95ee\u9898"}
LARGEST_IMAGE = 100_000  # bytes

language = pytest.mark.parametrize("language", LANGUAGES)


def page(node_id: str, language: str) -> str:
    return (DOCS / node_id / f"{language}.md").read_text(encoding="utf-8")


def names_below(text: str, heading: str) -> list[str]:
    """What the list below a heading is about, without the quotes."""
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.findall(r"^- `(.+?)`", rest.partition("\n## ")[0], re.MULTILINE)


def locale(language: str, file: str) -> dict:
    return json.loads((LOCALES / language / f"{file}.json").read_text(encoding="utf-8"))


def leaves(tree: dict, *path: str) -> dict[tuple[str, ...], str]:
    """The texts of a translation by their path."""
    found = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= leaves(value, *path, key)
        else:
            found[(*path, key)] = value
    return found


def english(pack) -> dict:
    """What the schemas say, as ComfyUI's translations are laid out."""

    def texts(parts) -> dict:
        return {name: {"name": label, "tooltip": part.tooltip} for name, label, part in parts}

    result = {}
    for node_id, node in pack.items():
        schema = node.GET_SCHEMA()
        entry = {"display_name": schema.display_name, "description": schema.description}
        if schema.inputs:
            entry["inputs"] = texts((part.id, part.id, part) for part in schema.inputs)
        entry["outputs"] = texts(
            (str(i), part.display_name, part) for i, part in enumerate(schema.outputs)
        )
        result[node_id] = entry
    return result


def test_the_english_texts_are_those_of_the_nodes(pack):
    """UPDATE_LOCALES=1 writes them anew."""
    path = LOCALES / "en" / "nodeDefs.json"
    if os.environ.get("UPDATE_LOCALES"):
        text = json.dumps(english(pack), ensure_ascii=False, indent=2)
        path.write_text(text + "\n", encoding="utf-8")
    assert locale("en", "nodeDefs") == english(pack)


def test_every_text_is_there_in_chinese(pack):
    told, translated = leaves(locale("en", "nodeDefs")), leaves(locale("zh", "nodeDefs"))
    assert set(told) == set(translated)
    for path, text in translated.items():
        # Names such as x, VAE and PoseNet are the same in both languages.
        assert path[-1] == "name" or re.search(r"[\u4e00-\u9fff]", text), path
    for path, text in told.items():
        assert text and translated[path], path


@language
def test_no_text_holds_what_the_front_end_would_take_for_a_placeholder(language):
    for file in ("nodeDefs", "settings", "main"):
        for path, text in leaves(locale(language, file)).items():
            assert not re.search(r"[{}@|]", text), path


@language
def test_categories_and_settings_are_translated(pack, language):
    main, settings = locale(language, "main"), locale(language, "settings")
    categories = {part for n in pack.values() for part in n.GET_SCHEMA().category.split("/")}
    assert set(main["nodeCategories"]) == categories
    ids = re.findall(r'"(DisPose\.\w+\.\w+)"', (SETTINGS / "preferences.js").read_text())
    assert set(settings) == {name.replace(".", "_") for name in ids}
    assert set(main["settingsCategories"]) == {part for name in ids for part in name.split(".")[:2]}
    assert set(leaves(settings)) == set(leaves(locale("en", "settings")))


def test_the_settings_say_in_english_what_their_translation_says():
    source = re.sub(r'" \+\s+"', "", (SETTINGS / "settings.js").read_text(encoding="utf-8"))
    for entry in locale("en", "settings").values():
        assert f'name: "{entry["name"]}"' in source
        assert f'"{entry["tooltip"]}"' in source


def test_there_are_help_pages_for_the_nodes_and_for_nothing_else(pack):
    assert {path.parent.name for path in DOCS.glob("*/en.md")} == set(pack)


@language
def test_a_page_names_every_input_and_output_and_no_other(pack, language):
    for node_id, node in pack.items():
        schema, text = node.GET_SCHEMA(), page(node_id, language)
        told = names_below(text, INPUTS[language]) if schema.inputs else []
        assert told == [part.id for part in schema.inputs], node_id
        outputs = names_below(text, OUTPUTS[language])
        assert outputs == [part.display_name for part in schema.outputs], node_id


@language
def test_a_page_begins_with_the_name_that_the_node_shows(pack, language):
    names = locale(language, "nodeDefs")
    for node_id in pack:
        assert page(node_id, language).startswith(f"# {names[node_id]['display_name']}\n"), node_id


@language
def test_the_messages_of_a_page_are_the_ones_the_code_raises(pack, language):
    known = messages()
    for node_id in pack:
        quoted = names_below(page(node_id, language), ERRORS[language])
        assert quoted, node_id
        for message in quoted:
            assert message in known, (node_id, message)


@cache
def messages() -> str:
    """Every text in the code, a line each, with … for what is filled in."""

    def read(node: ast.AST) -> str:
        if isinstance(node, ast.JoinedStr):
            return "".join(map(read, node.values))
        return node.value if isinstance(node, ast.Constant) else "…"

    return "\n".join(
        read(node)
        for folder in ("dispose_core", "nodes")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    )


@language
def test_the_snippet_of_a_page_is_a_node_that_the_server_would_take(pack, language):
    for node_id, node in pack.items():
        (snippet,) = re.findall(r"```json\n(.+?)```", page(node_id, language), re.DOTALL)
        (entry,) = json.loads(snippet).values()
        assert entry["class_type"] == node_id
        parts = {part.id: part for part in node.GET_SCHEMA().inputs}
        assert set(entry["inputs"]) <= set(parts), node_id
        needed = {name for name, part in parts.items() if not part.optional}
        assert needed <= set(entry["inputs"]), node_id
        for name, value in entry["inputs"].items():
            low, high = getattr(parts[name], "min", None), getattr(parts[name], "max", None)
            if low is not None and not isinstance(value, list):
                assert low <= value <= high, (node_id, name)


@language
def test_a_page_shows_images_that_are_there_and_small(pack, language):
    for node_id in pack:
        # The front end looks for them from web/docs on, not from the page's own folder.
        shown = re.findall(r"!\[.+?\]\((.+?)\)", page(node_id, language))
        assert shown, node_id
        there = {p for p in (DOCS / node_id).iterdir() if p.suffix != ".md"}
        assert {DOCS / name for name in shown} == there, node_id
        for path in there:
            assert path.suffix in (".jpg", ".webp") and path.stat().st_size < LARGEST_IMAGE


def test_nodes_are_found_by_words_that_are_not_their_names(pack):
    for node_id, node in pack.items():
        assert node.GET_SCHEMA().search_aliases, node_id


def test_widgets_can_be_set_to_what_their_inputs_allow(pack):
    for node_id, node in pack.items():
        for part in node.GET_SCHEMA().inputs:
            low, high = getattr(part, "min", None), getattr(part, "max", None)
            if low is None:
                continue
            step, where = getattr(part, "step", None) or 1, f"{node_id}: {part.id}"
            assert low <= part.default <= high and step > 0, where
            steps = (part.default - low) / step
            assert abs(steps - round(steps)) < 1e-6, f"{where}: its default is between two steps"
