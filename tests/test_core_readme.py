"""Check the README and the docs: commands, file names, links, and the tables that repeat the program."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tiny_bundle import bare, write_components

import smcd_core
from smcd_core.__main__ import main, make_parser
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.weights import published
from smcd_core.weights.checkpoint import read_checkpoint
from smcd_core.weights.defaults import BUNDLED, DEFAULTS, FAST
from smcd_core.weights.export import write_released
from smcd_core.weights.hub import show_size

ROOT = Path(__file__).parent.parent
PATTERNS = ["*.md", "docs/*.md", "models/*.md", "workflows/*.md", "web/docs/*.md", "benchmarks/**/*.md"]
PAGES = sorted(path.relative_to(ROOT).as_posix() for pattern in PATTERNS for path in ROOT.glob(pattern))
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK_PAGES = ("README.md", "docs/command_line.md", "docs/weights.md")  # whose quick commands run here, in this order

LISTINGS = ("walk.mp4", "videos/walk.mp4")  # blocks that begin so show files, not commands
HOST_MODELS = ("smcd", "checkpoints", "diffusion_models", "text_encoders", "vae", "diffusers")  # below ComfyUI's models
OWN_FOLDERS = r"(?:\.github|benchmarks|demo|docs|models|nodes|smcd_core|tests|web|workflows)/"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text_of(page), re.M | re.S)


def prose(page: str) -> str:
    """All but the fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)


def commands(page: str) -> list[list[str]]:
    """The words of each command in the shell blocks, without variables that are set before it and an ellipsis."""
    found = []
    for language, block in blocks(page):
        if language not in ("", "bash", "sh") or block.startswith(LISTINGS):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words:
                found.append(words)
    return found


COMMANDS = [(page, words) for page in PAGES for words in commands(page)]


def relaxed_parser() -> argparse.ArgumentParser:
    """The real one, which lets an ellipsis stand for what is required."""
    parser = make_parser()
    waiting = [parser]
    for each in waiting:
        for group in each._mutually_exclusive_groups:
            group.required = False
        for action in each._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()
            else:
                action.required = False
    return parser


def parse(words: list[str]) -> None:
    """Words after smcd. Abbreviated options, which the parser takes, are no good in docs."""
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= options_of(words[0]), words
    parser = relaxed_parser() if words[-1] == "..." else make_parser()
    try:
        parser.parse_args(words[:-1] if words[-1] == "..." else words)
    except SystemExit as stop:
        pytest.fail(f"smcd {shlex.join(words)}: is refused ({stop.code})")


def options_of(command: str) -> set[str]:
    """Of a command of smcd and its actions; of all for an empty name."""
    choices = make_parser()._subparsers._group_actions[0].choices
    parsers = [*choices.values()] if not command else [choices[command]]
    for parser in parsers:
        actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        parsers += [one for action in actions for one in action.choices.values()]
    return {option for parser in parsers for action in parser._actions for option in action.option_strings}


def make_targets() -> set[str]:
    """Targets of rules in the Makefile; a line may define several."""
    return {target for line in re.findall(r"^([\w -]+):", text_of("Makefile"), re.M) for target in line.split()}


# Commands ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_every_command_exists_with_its_options_and_files(page, words):
    program, *rest = words
    if program == "smcd":
        parse(rest)
    elif program in ("accelerate", "torchrun"):
        parse(rest[rest.index("smcd_core") + 1 :])
        assert all((ROOT / word).is_file() for word in rest if word.endswith(".yaml"))
    elif program == "make":
        assert rest[0] in make_targets()
    elif program == "python":
        assert (ROOT / rest[0]).is_file()
    elif program == "pip":
        assert rest[0] == "install" and rest[1:-1] in ([], ["-e"])
        extras = re.fullmatch(r"\.\[([\w,]+)\]", rest[-1])[1].split(",")
        project = text_of("pyproject.toml")
        assert all(re.search(rf"^{extra} = \[", project, re.M) for extra in extras)
    elif program == "curl":
        assert all((ROOT / path).is_file() for path in re.findall(r"cat (\S+?)\)", shlex.join(rest)))
    else:
        pytest.fail(f"{page}: {program} is no program that is known here: {shlex.join(words)}")


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="not a checkout")
def test_what_the_commands_of_the_docs_write_is_not_committed():
    pages = [page for page in PAGES if page == "README.md" or page.startswith("docs/")]
    written = {
        words[n + 1].split("/")[0] + ("/" if "." not in words[n + 1] else "")
        for page, words in COMMANDS
        for n, word in enumerate(words[:-1])
        if page in pages and word in ("-o", "--out", "--folder")
    }
    defaults = {"out.mp4", "guide.mp4", "tracks.npy", "visibility.npy", "ati.json"}
    command = ["git", "check-ignore", "--no-index", *sorted(written | defaults)]
    ignored = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()  # noqa: S603
    assert set(ignored) == written | defaults


def test_what_make_demo_writes_is_what_the_readme_names():
    recipe = text_of("Makefile").split("demo: ")[1].split("\n\n")[0]
    named = re.search(r"make demo +# .* animates (\S+): (\S+), (\S+)", README).groups()
    assert all(name in recipe for name in named)
    words = shlex.split(recipe.split("$(BIN)/smcd ")[1].replace("\\\n", " ").split("\n")[0])
    parse(words)
    assert recipe.endswith('@echo "The command line is $(BIN)/smcd"') and "is\n`.venv/bin/smcd`" in README


SHORT = {  # options that make a command of QUICK_PAGES quick; its files are tiny ones
    "animate": ["--steps", "1", "--device", "cpu"],
    "info": [],
    "convert": [],
    "download": [],
}
TINY = ["--size", "32x32", "--frames", "2"]  # the released model's own size takes minutes


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the files that the commands of QUICK_PAGES name."""
    pytest.importorskip("av")
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    shutil.copy(ROOT / "demo" / "coffee.png", tmp_path / "picture.png")
    shutil.copy(ROOT / "demo" / "coffee.json", tmp_path / "boxes.json")
    write_released(tmp_path / "weights" / "animate-your-motion", bare())
    write_components(tmp_path / "weights" / "text-to-video-ms-1.7b")
    (tmp_path / "ComfyUI" / "models").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    return tmp_path


def test_the_quick_commands_of_the_docs_run_in_their_order(workplace, capsys):
    """Those that train, and those that fetch gigabytes, have tests of their own."""
    run = [words[1:] for quick in QUICK_PAGES for page, words in COMMANDS if page == quick and words[0] == "smcd"]
    run = [words for words in run if words[0] in SHORT and (words[0] != "download" or "--list" in words)]
    assert [words[0] for words in run].count("animate") >= 2 and {words[0] for words in run} == {*SHORT}
    for words in run:
        extra = TINY if "--checkpoint" in words else []
        assert main([*words, *SHORT[words[0]], *extra]) == 0, (words, capsys.readouterr().err)
    said = capsys.readouterr().out
    assert "system" in said and published.SMCD.page in said
    assert {path.name for path in workplace.iterdir() if path.is_file()} >= {"out.mp4", "smcd.safetensors"}
    assert main(["info", "out.mp4"]) == 0 and "trajectory" in capsys.readouterr().out


@pytest.mark.slow
def test_the_python_of_the_docs_runs(workplace):
    """In few steps."""
    (code,) = [block for language, block in blocks("docs/python.md") if language == "python"]
    assert code.count("seed=1") == 1
    command = [sys.executable, "-c", code.replace("seed=1", "seed=1, steps=1")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 0, run.stderr
    assert (workplace / "coffee.mp4").stat().st_size > 1000


@pytest.mark.slow
def test_the_dataset_of_the_docs_is_encoded_and_trained_on(tmp_path):
    (code,) = [block for language, block in blocks("docs/data.md") if language == "python" and "class " in block]
    (tmp_path / "own.py").write_text(code, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    run = subprocess.run(  # noqa: S603
        [sys.executable, "own.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    trained = read_checkpoint(tmp_path / "runs" / "squares" / "checkpoint.safetensors")
    assert trained.info["training"][-1]["step"] == 1


def test_the_comparison_in_the_docs_runs_and_gives_its_tables(tmp_path, monkeypatch):
    (code,) = [block for language, block in blocks("docs/metrics.md") if language == "python"]
    (words,) = [words for words in commands("docs/metrics.md") if "comparison/scores" in words]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/metrics.md", "exec"), {})  # noqa: S102  our own
    assert main(words[1:]) == 0
    written = rows((tmp_path / "comparison" / "scores" / "scores.md").read_text(encoding="utf-8"))
    shown = rows(section("Comparing models: an example", "docs/metrics.md"))
    assert len(shown) > 8
    for wanted, found in zip(shown, written[-len(shown) :], strict=True):
        assert wanted[0] == found[0]
        assert [float(cell) for cell in found[1:]] == pytest.approx([float(cell) for cell in wanted[1:]], abs=0.02)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_of_other_languages_are_well_formed(page):
    for language, block in blocks(page):
        if language == "python":
            ast.parse(block)
        elif language == "json":
            assert parse_trajectory(block).objects
        else:
            assert language in ("", "bash", "sh", "bibtex", "text"), language


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_in_the_text_exist(page):
    spans = re.findall(r"`([^`\n]+)`", prose(page))
    choices = make_parser()._subparsers._group_actions[0].choices
    for span in spans:
        if span.startswith("smcd ") and (command := span.split()[1]) not in ("COMMAND", "..."):
            assert command in choices, span
            assert {*re.findall(r"(?<!\S)--[\w-]+", span)} <= options_of(command), span
        elif span.startswith("--"):
            foreign = {"--no-deps", "--fp16-unet", "--preview-method"}  # of pip and of ComfyUI
            assert {*re.findall(r"(?<!\S)--[\w-]+", span)} <= options_of("") | foreign, span
        elif span.startswith("python ") and not span.startswith("python -"):
            assert (ROOT / span.split()[1]).is_file(), span
        elif span.startswith("make "):
            assert span.split()[1] in make_targets(), span


# Files and links -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    for span in re.findall(r"`([^`\s]+)`", prose(page)):
        parts = span.split("/")
        if re.match(OWN_FOLDERS, span) and not (parts[0] == "models" and parts[1] in HOST_MODELS):
            assert list(ROOT.glob(span.rstrip("/"))), f"{page}: {span}"


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        path = ROOT / page if not name else (ROOT / page).parent / name
        assert path.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(path), f"{page}: {target}"


def test_pictures_of_the_docs_can_be_shown():
    names = {name for page in PAGES for name in re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", prose(page))}
    assert {"docs/demo.gif", "docs/demo.png", "docs/editor.png", "docs/how_it_works.svg"} <= names
    for page in PAGES:
        for name in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", prose(page)):
            path = (ROOT / page).parent / name
            if path.suffix == ".svg":
                ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314  our own
            else:
                with Image.open(path) as image:
                    image.verify()
    animation = ROOT / "docs" / "demo.gif"
    assert animation.stat().st_size < 1.5e6 and Image.open(animation).n_frames == 8


# Tables that repeat the program --------------------------------------------------------------------------------------


def section(title: str, page: str) -> str:
    return text_of(page).split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables in it, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rulers = [n for n, line in enumerate(lines) if re.fullmatch(r"[|\- ]+", line) and "-" in line]
    body = [line for n, line in enumerate(lines) if n not in rulers and n + 1 not in rulers]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in body]


def declared_nodes() -> Iterator[tuple[str, str]]:
    """id and title of each node, from the source: ComfyUI is not needed."""
    for path in sorted((ROOT / "nodes").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "Schema":
                values = {word.arg: word.value for word in call.keywords}
                yield values["node_id"].value, values["display_name"].value


def test_the_table_of_nodes_has_each_one_with_its_help():
    table = rows(text_of("docs/nodes.md"))
    links = [re.fullmatch(r"\[(.+)\]\(\.\./web/docs/(\w+)\.md\)", row[0]).groups() for row in table]
    nodes = [*declared_nodes()]
    assert len(nodes) > 10 and len(links) == len(set(links))
    assert {(title, node_id) for node_id, title in nodes} == set(links)


def test_the_table_of_weights_is_that_of_the_program():
    table = rows(text_of("docs/weights.md"))
    for row, path in zip(table, BUNDLED, strict=False):
        assert row[1].startswith(f"`{path.name}`")
        assert row[3].split() == [str(round(path.stat().st_size / 1e6)), "MB"]
    place = [row[0].strip("`") for row in table]
    assert [name for name in place if name] == ["bundled", *published.ALL]
    for name, weights in published.ALL.items():
        row = table[place.index(name)]
        assert weights.repository in row[5] and weights.page in row[5]
        licence = weights.licence.split(",")[0] if "NC" in weights.licence.split(",")[0] else "none stated"
        assert row[4].startswith(licence)
    for name in ("smcd", "vae", "text_encoder", "modelscope"):
        for offset, file in enumerate(published.ALL[name].files):
            row = table[place.index(name) + offset]
            folder, _, target = f"{file.place}/{file.target}".rpartition("/")
            assert row[1].startswith(f"`{target}`") and row[2] in (f"`{folder}`", "the same")
            assert row[3] == show_size(file.size)
    components = published.COMPONENTS.files
    assert table[place.index("components")][3] == show_size(sum(file.size for file in components))
    total = sum(file.size for name in published.FOR_COMFYUI for file in published.ALL[name].files)
    assert f"({show_size(total)})" in section("Your first video", "README.md")


def test_licences_and_the_network_are_spoken_of_plainly():
    text = " ".join(README.split())
    assert "The page of the released SMCD states no licence" in text and "CC-BY-NC-4.0: not for commercial use" in text
    assert "never goes on the network on its own" in text
    assert "only by `smcd download` or the button on Load SMCD" in text


def test_the_tables_of_the_editor_are_those_of_its_help():
    english = json.loads(text_of("web/editor/strings/en.json"))["texts"]
    source = text_of("web/editor/actions/commands.js")
    gestures = {english[f"gesture.{name}"]: shown for name, shown in _gestures(english)}
    assert dict(rows(section("Gestures", "docs/editor.md"))) == gestures
    shortcuts = rows(section("Shortcuts", "docs/editor.md"))
    named = [name for name, _ in re.findall(r'"([\w.]+)",\s*\[((?:"[^"]*"(?:, )?)+)\]', source)]
    assert len(shortcuts) == len([name for name in named if not name.startswith(("nudge.", "grow."))]) > 40
    for shown, label in shortcuts:
        (command,) = [key for key, value in english.items() if key.startswith("command.") and value == label]
        name = command.removeprefix("command.").removeprefix("setting.").removeprefix("ease.")
        found = re.findall(rf'"{name}",\s*\[((?:"[^"]*"(?:, )?)+)\]', source)
        wanted = [re.findall(r'"([^"]*)"', keys) for keys in found]
        assert [key.replace("Ctrl", "Mod") for key in re.findall(r"`([^`]+)`", shown)] in wanted, label


def _gestures(english: dict[str, str]) -> Iterator[tuple[str, str]]:
    for key, shown in english.items():
        if key.startswith("gesture.keys."):
            yield key.removeprefix("gesture.keys."), shown


def test_the_evaluations_of_the_network_are_counted_right():
    """Guidance by the text alone takes two in a step, no guidance one."""
    fast = 2 * FAST["steps"]
    steps = DEFAULTS["steps"]
    text = " ".join(section("Fast", "docs/performance.md").split())
    assert f"runs {fast} times instead of {2 * steps} ({steps} steps" in text
    assert f"with {FAST['steps']} steps" in text


def test_names_and_numbers_of_the_project_are_those_of_pyproject():
    project = text_of("pyproject.toml")
    repository = re.search(r'^Repository = "(.+)"$', project, re.M)[1]
    assert f"git clone {repository}`" in README and f"url     = {{{repository}}}" in README
    assert set(re.findall(r"https://github\.com/\S+?/smcd\b", README)) == {repository}
    assert f"comfy node install {re.search(r'^name = .(.+).$', project, re.M)[1]}`" in README
    oldest = re.search(r'^requires-comfyui = ">=(\d+\.\d+)\.0"$', project, re.M)[1]
    assert f"ComfyUI {oldest} or newer" in README
    assert f"version = {{{smcd_core.__version__}}}" in README
    assert "Python 3.10 or newer" in README and 'requires-python = ">=3.10"' in project
