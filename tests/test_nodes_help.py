"""The help pages of the nodes: one for each, which says of its inputs, outputs and messages what the code says."""

import ast
import json
import re
import urllib.request
from collections import Counter

import host
import pytest

host.start()  # skips where there is no ComfyUI

DOCS = host.PACK / "web" / "docs"
SCHEMAS = {node.define_schema().node_id: node.define_schema() for node in host.pack_module("nodes").NODES}
SECTIONS = ["Inputs", "Outputs", "Mistakes", "Connects to"]
MAX_PICTURE = 60_000  # bytes
each_node = pytest.mark.parametrize("name", SCHEMAS)


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def entries(name: str, section: str) -> list[list[str]]:
    """The list below a heading, each entry by its lines. Tables would be cut off in the narrow panel of the page."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", page(name), re.MULTILINE | re.DOTALL)
    found = [line.removeprefix("- ").split("<br>") for line in text.splitlines() if line.startswith("- ")]
    return [[part.removeprefix("typical: ") for part in parts] for parts in found]


def messages() -> str:
    """All texts of the pack's code, a line for each, with … for what is filled in."""
    found = []
    for path in [*(host.PACK / "nodes").rglob("*.py"), *(host.PACK / "smcd_core").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def is_in(word: str, text: str) -> bool:
    """As a whole: 8 is not in 128."""
    return re.search(rf"(?<![\w.]){re.escape(word)}(?![\w]|\.\d)", text) is not None


def test_each_node_has_a_page_and_no_other_page_is_there():
    assert sorted(path.stem for path in DOCS.glob("*.md")) == sorted(SCHEMAS)


@each_node
def test_a_page_has_the_title_of_its_node_and_all_sections(name):
    text = page(name)
    assert text.startswith(f"# {SCHEMAS[name].display_name}\n\n")
    assert re.findall("^## (.*)", text, re.MULTILINE) == SECTIONS


@each_node
def test_a_page_names_every_input_and_no_other(name):
    assert [entry[0] for entry in entries(name, "Inputs")] == [f"`{one.id}`" for one in SCHEMAS[name].inputs]


@each_node
def test_a_page_tells_range_choices_and_default_of_each_input(name):
    for (_, unit, typical, _), slot in zip(entries(name, "Inputs"), SCHEMAS[name].inputs, strict=True):
        options = slot.as_dict()
        if {"min", "max"} <= options.keys():
            low, high = (f"{value:g}" if isinstance(value, float) else str(value) for value in (slot.min, slot.max))
            assert f"{low} to {high}" in unit, slot.id
            assert is_in(f"{slot.default:g}", typical), slot.id
        elif slot.io_type == "BOOLEAN":
            assert typical == ("on" if slot.default else "off"), slot.id
        elif slot.io_type == "COMBO":
            assert is_in(slot.default or slot.options[0], typical), slot.id
            if slot.id not in ("checkpoint", "lora"):  # whose choices are the user's files
                assert re.findall("`(.*?)`", unit) == slot.options, slot.id


@each_node
def test_a_page_names_every_output_with_its_type(name):
    expected = [[f"`{one.display_name or one.io_type}`", one.io_type] for one in SCHEMAS[name].outputs]
    assert [entry[:2] for entry in entries(name, "Outputs")] == expected


def test_messages_on_the_pages_are_those_of_the_code():
    code, count = messages(), 0
    for name in SCHEMAS:
        for message, advice in entries(name, "Mistakes"):
            assert advice, message
            if quoted := re.match("`(.*)`", message):
                count += 1
                assert quoted[1] in code, f"{name}: {quoted[1]}"
    assert count > 40


@each_node
def test_every_input_and_output_has_a_tooltip(name):
    slots = [*SCHEMAS[name].inputs, *SCHEMAS[name].outputs]
    assert [slot.id for slot in slots if not (slot.tooltip or "").strip()] == []


@each_node
def test_pictures_are_there_small_and_described(name):
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", page(name))
    assert pictures
    for description, path in pictures:
        assert description and (DOCS / path).stat().st_size < MAX_PICTURE, path


def test_no_picture_is_left_over():
    used = {path for name in SCHEMAS for path in re.findall(r"\]\((img/.*?)\)", page(name))}
    assert used == {path.relative_to(DOCS).as_posix() for path in (DOCS / "img").iterdir()}


# Pages in other languages ---------------------------------------------------------------------------------------------

# ComfyUI asks for NODE/LANGUAGE.md, then for NODE.md. A node is translated into all languages or into none.
LANGUAGES = sorted(path.name for path in (host.PACK / "locales").iterdir() if path.name != "en")
TRANSLATED = sorted(path.name for path in DOCS.iterdir() if path.is_dir() and path.name != "img")
each_translation = pytest.mark.parametrize(
    "name, language", [(name, language) for name in TRANSLATED for language in LANGUAGES]
)


def parts(text: str) -> list[list[list[str]]]:
    """The lists below the headings of a page, in order."""
    sections = re.split(r"^## .*\n", text, flags=re.MULTILINE)[1:]
    lists = [[line for line in section.splitlines() if line.startswith("- ")] for section in sections]
    return [[line.removeprefix("- ").split("<br>") for line in lines] for lines in lists]


def marks(entry: list[str]) -> tuple[Counter, Counter]:
    """Everything in backticks, such as messages, choices and files, and the numbers of an entry."""
    text = "<br>".join(entry)
    return Counter(re.findall("`.*?`", text)), Counter(re.findall(r"\d+(?:\.\d+)?", text))


def test_the_nodes_of_the_first_workflow_have_pages_in_all_languages():
    assert {"SMCD_Draw", "SMCD_Example", "SMCD_Generate", "SMCD_Load", "SMCD_Trajectory"} <= set(TRANSLATED)
    for name in TRANSLATED:
        assert sorted(path.name for path in (DOCS / name).iterdir()) == [f"{one}.md" for one in LANGUAGES], name


@each_translation
def test_a_translated_page_says_as_much_as_the_english_one(name, language):
    english, text = page(name), (DOCS / name / f"{language}.md").read_text(encoding="utf-8")
    names = json.loads((host.PACK / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))[name]
    assert text.startswith(f"# {names['display_name']}\n\n")
    assert re.findall(r"\]\((.*?)\)", text) == re.findall(r"\]\((.*?)\)", english)
    inputs = parts(text)[0]
    for entry, slot in zip(inputs, SCHEMAS[name].inputs, strict=True):
        assert entry[0].startswith(f"`{slot.id}`") and names["inputs"][slot.id]["name"] in entry[0], slot.id
    for found, expected in zip(parts(text), parts(english), strict=True):
        assert [len(entry) for entry in found] == [len(entry) for entry in expected]
        for entry, original in zip(found, expected, strict=True):
            (code, numbers), (kept_code, kept_numbers) = marks(original), marks(entry)
            assert kept_code == code and numbers <= kept_numbers, original[0]


def test_the_server_gives_pages_and_pictures_where_the_front_end_asks(server):
    """It asks for a page in the user's language first, and resolves pictures beside the English one."""
    for path in sorted(path for path in DOCS.rglob("*") if path.is_file()):
        url = f"{server.url}/extensions/smcd/docs/{path.relative_to(DOCS).as_posix()}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  this machine's own server
            assert answer.read() == path.read_bytes(), url
