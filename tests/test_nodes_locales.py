"""The nodes in other languages: all of what ComfyUI shows of them is translated, and the English is the schemas' own.

After a change of a schema, write the English files anew and bring the other languages up to them:

    python tests/test_nodes_locales.py
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import host
import pytest

LOCALES = host.PACK / "locales"
# As ComfyUI's page calls them: Portuguese is Brazilian there and only there, and German is not among them yet.
LANGUAGES = ["de", "en", "es", "fr", "ja", "ko", "pt-BR", "ru", "zh"]
TRANSLATED = [language for language in LANGUAGES if language != "en"]
NOT_OURS = {"SMCD", "conditioning"}  # parts of categories: the pack's name, and what ComfyUI has translated itself
# Names that are the same in English: in any language, and in one.
TERMS = {"AO", "SR50", "SR75", "clip", "vae", "fps", "json"}
ALIKE = {"es": {"prompt"}, "fr": {"format", "image", "images", "latent", "prompt"}, "pt-BR": {"prompt"}}
# A letter of the language's own, which every sentence has.
LETTER = {
    "ja": "[\u3040-\u30ff]",  # kana
    "ko": "[\uac00-\ud7a3]",  # syllables
    "ru": "[\u0430-\u044f]",
    "zh": "[\u4e00-\u9fff]",
}


def english() -> dict[str, dict[str, Any]]:
    """The English files by name."""
    infos = [node.GET_NODE_INFO_V1() for node in host.pack_module("nodes").NODES]
    categories = {part for info in infos for part in info["category"].split("/")} - NOT_OURS
    return {
        "nodeDefs.json": {info["name"]: _node(info) for info in infos},
        "main.json": {"nodeCategories": {part: part for part in sorted(categories)}},
    }


def _node(info: dict[str, Any]) -> dict[str, Any]:
    groups = (info["input"].get(group, {}) for group in ("required", "optional"))
    inputs = {name: _slot(name, options.get("tooltip")) for group in groups for name, (_, options) in group.items()}
    slots = zip(info["output"], info["output_name"], info["output_tooltips"], strict=True)
    # An output that is called as its type is translated by ComfyUI.
    outputs = {str(n): _slot("" if name == kind else name, tip) for n, (kind, name, tip) in enumerate(slots)}
    return {
        "display_name": info["display_name"],
        "description": info["description"],
        "inputs": inputs,
        "outputs": {n: slot for n, slot in outputs.items() if slot},
    }


def _slot(name: str, tooltip: str | None) -> dict[str, str]:
    return {key: text for key, text in (("name", name), ("tooltip", tooltip)) if text}


def read(language: str) -> dict[str, dict[str, Any]]:
    """Its files by name."""
    paths = sorted((LOCALES / language).iterdir())
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def texts(tree: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """All texts by the keys that lead to them."""
    if not isinstance(tree, dict):
        return {at: tree}
    return {path: text for key, part in tree.items() for path, text in texts(part, (*at, key)).items()}


def marks(text: str) -> tuple[Counter, set[str]]:
    """Parts of a text that every translation keeps: counts of its numbers, and words with two capitals or more."""
    return Counter(re.findall(r"\d+", text)), set(re.findall(r"\w*[A-Z]\w*[A-Z]\w*?(?=s?\b)", text))


def test_the_languages_are_those_of_the_list():
    assert sorted(path.name for path in LOCALES.iterdir()) == LANGUAGES


def test_english_is_what_the_schemas_say():
    host.start()
    assert read("en") == english(), "run this file as a program, then bring the other languages up to the English"


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_has_every_text_and_no_other(language):
    found, expected = texts(read(language)), texts(read("en"))
    assert found.keys() == expected.keys()
    assert [path for path, text in found.items() if not (isinstance(text, str) and text == text.strip() != "")] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_text_is_left_in_english(language):
    expected = texts(read("en"))
    same = {path: text for path, text in texts(read(language)).items() if text == expected[path]}
    names = TERMS | ALIKE.get(language, set())
    assert {path: text for path, text in same.items() if path[-1] != "name" or text not in names} == {}


@pytest.mark.parametrize("language", LETTER)
def test_sentences_are_in_the_writing_of_their_language(language):
    sentences = {path: text for path, text in texts(read(language)).items() if path[-1] in ("description", "tooltip")}
    assert {path: text for path, text in sentences.items() if not re.search(LETTER[language], text)} == {}


@pytest.mark.parametrize("language", TRANSLATED)
def test_numbers_and_technical_words_are_kept(language):
    """Words as parts of words: languages glue on endings, and write without spaces."""
    found, wrong = texts(read(language)), []
    for path, text in texts(read("en")).items():
        (numbers, words), translated = marks(text), found[path]
        if numbers != marks(translated)[0] or not all(word in translated for word in words):
            wrong.append((path, text, translated))
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_has_characters_with_a_meaning_to_the_page(language):
    """Its translator takes {..} for a value, | for a choice and @ for a link, and fails where they are none."""
    assert {path: text for path, text in texts(read(language)).items() if re.search(r"[{}|@]", text)} == {}


def test_the_server_hands_out_all_languages(server):
    served = host.ask(server, "/i18n")
    for language in LANGUAGES:
        files = read(language)
        assert served[language] == {**files["main.json"], "nodeDefs": files["nodeDefs.json"]}


def write_english(folder: Path = LOCALES / "en") -> None:
    host.start()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in english().items():
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_english()
