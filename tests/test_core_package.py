"""Versions, dependencies, addresses and the registry's archive fit together."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import smcd_core

ROOT = Path(__file__).parent.parent
tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no reader of TOML")
LIMIT = 52 * 2**20  # bytes; 44 of them (decimal) are the two bundled checkpoints
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked() -> list[str]:
    try:
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no clone of the repository")
    return listed.split("\0")[:-1]


def ignored(path: str, patterns: list[str]) -> bool:
    """As .gitignore is read, for what .comfyignore uses of it: patterns from the root, for folders or for files."""
    for pattern in patterns:
        assert re.fullmatch(r"/[\w.*/-]+", pattern), f"{pattern}: no such pattern has been needed yet"
        parts, wanted = path.split("/"), pattern.strip("/").split("/")
        is_folder = pattern.endswith("/")
        if len(parts) - is_folder >= len(wanted) and all(map(fnmatchcase, parts, wanted)):
            return True
    return False


def archive() -> list[str]:
    lines = (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [path for path in tracked() if not ignored(path, patterns)]


def test_the_version_is_the_same_everywhere():
    version = PYPROJECT["project"]["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version) and smcd_core.__version__ == version
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    released = [heading for heading in headings if heading[0] != "Unreleased"]
    assert released[0][0] == version and re.fullmatch(r"\d{4}-\d\d-\d\d", released[0][1])
    order = [tuple(map(int, number.split("."))) for number, _ in released]
    assert order == sorted(set(order), reverse=True)


def test_installing_the_pack_installs_nothing():
    """ComfyUI has all that the nodes need, and its torch must stay the one that was chosen for the machine."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.strip() and not line.startswith("#")] == []
    assert PYPROJECT["project"]["dependencies"] == []


def test_every_extra_that_runs_the_command_line_brings_what_it_needs():
    extras = PYPROJECT["project"]["optional-dependencies"]
    names = {re.match(r"[\w-]+", entry)[0] for entry in extras["cli"]}
    assert {"torch", "diffusers", "transformers", "safetensors", "einops", "numpy", "pillow", "tqdm"} <= names
    assert all("smcd[cli]" in extras[name] for name in ("video", "train"))
    assert extras["test"][0] == "smcd[video,train]"


def test_every_folder_of_the_core_is_a_package_that_gets_installed():
    assert PYPROJECT["tool"]["setuptools"]["packages"]["find"] == {"include": ["smcd_core*"]}
    folders = {path.parent for path in ROOT.glob("smcd_core/**/*.py")}
    assert {folder for folder in folders if not (folder / "__init__.py").is_file()} == set()


def test_editors_see_the_public_names_and_their_types():
    source = (ROOT / "smcd_core" / "__init__.py").read_text(encoding="utf-8")
    (block,) = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    shown = {(line.module, name.name, name.asname) for line in block.body for name in line.names}
    assert shown == {(home, name, name) for home, names in smcd_core._PUBLIC.items() for name in names}
    assert (ROOT / "smcd_core" / "py.typed").is_file()
    assert PYPROJECT["tool"]["setuptools"]["package-data"] == {"smcd_core": ["py.typed"]}


def test_no_docstring_begins_with_what():
    """The first line says what a thing does, in the imperative or as a noun phrase."""
    wrong = []
    for path in (ROOT / name for name in tracked() if name.endswith(".py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                if (ast.get_docstring(node) or "").startswith("What "):
                    wrong.append(f"{path.relative_to(ROOT)}: {ast.get_docstring(node).splitlines()[0]}")
    assert wrong == []


def test_addresses_name_one_repository_and_its_files():
    urls, comfy = PYPROJECT["project"]["urls"], PYPROJECT["tool"]["comfy"]
    owner, name = re.fullmatch(r"https://github\.com/([\w-]+)/([\w.-]+)", urls["Repository"]).groups()
    assert all(url.startswith(urls["Repository"]) for url in urls.values())
    assert comfy["PublisherId"] == owner or owner != "OWNER"
    for key in ("Icon", "Banner"):
        prefix = f"https://raw.githubusercontent.com/{owner}/{name}/main/"
        assert comfy[key].startswith(prefix)
        path = ROOT / comfy[key].removeprefix(prefix)
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314
        width, height = int(root.get("width")), int(root.get("height"))
        # The registry's rules: an icon of up to 800 x 400, a banner of 21 : 9.
        assert (width <= 800 and height <= 400) if key == "Icon" else width * 9 == height * 21


def test_the_oldest_comfyui_is_named_alike():
    oldest = re.fullmatch(r">=(\d+\.\d+)\.\d+", PYPROJECT["tool"]["comfy"]["requires-comfyui"])[1]
    for name in ("requirements.txt", "CHANGELOG.md"):
        assert re.search(rf"ComfyUI {re.escape(oldest)} and later", (ROOT / name).read_text(encoding="utf-8"))


def test_the_archive_holds_what_users_need():
    files = archive()
    texts = ["README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "SECURITY.md", "pyproject.toml", "requirements.txt"]
    for needed in [
        *texts,
        "__init__.py",
        "models/smcd-world.safetensors",
        "models/smcd-tiny.safetensors",
        "web/smcd.js",
        "web/editor/editor.css",
    ]:
        assert needed in files
    for folder in ("nodes", "smcd_core", "web", "workflows", "locales", "subgraphs", "demo"):
        every = [path for path in tracked() if path.startswith(f"{folder}/") and path != "web/package.json"]
        assert [path for path in every if path not in files] == []


def test_the_archive_holds_nothing_else():
    files = archive()
    tops = {path.split("/")[0] for path in files}
    assert not tops & {
        "tests",
        "benchmarks",
        "out",
        "runs",
        ".ci",
        ".github",
        ".gitignore",
        "Makefile",
        "CONTRIBUTING.md",
    }
    assert {Path(path).suffix for path in files if path.startswith("docs/")} <= {".md", ".yaml"}
    assert not [path for path in files if re.search(r"(^|/)(test_|conftest|\.)|\.(zip|log|tmp|pt|pth|bin)$", path)]
    assert sum((ROOT / path).stat().st_size for path in files if (ROOT / path).exists()) < LIMIT


@pytest.mark.slow
def test_the_pack_in_the_archive_imports_nothing_that_is_left_out(tmp_path):
    """From the files of the archive alone."""
    for path in archive():
        if path.startswith("smcd_core/") and (ROOT / path).exists():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, tmp_path / path)
    code = "import smcd_core, smcd_core.weights.checkpoint, smcd_core.trajectory.values; print(smcd_core.__file__)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(tmp_path))


def test_workflows_name_no_path_and_no_version_of_one_machine():
    for path in ROOT.glob("workflows/**/*.json"):
        text = path.read_text(encoding="utf-8")
        assert json.loads(text) and not re.search(r"[A-Z]:\\\\|/home/|/root/|/Users/|/mnt/", text), path.name


def test_actions_are_pinned_to_a_version_and_ask_for_few_rights():
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        uses = re.findall(r"uses: (\S+)", text)
        assert uses and all(re.search(r"@(v\d+|[0-9a-f]{40}|main)$", use) for use in uses), path.name
        assert re.search(r"^permissions:\n  contents: read$", text, re.M), path.name
        assert "pull_request_target" not in text and not re.search(r"run:.*\$\{\{ *github\.(event|head_ref)", text)


def test_actions_are_pinned_by_commit_and_only_an_approved_job_sees_the_token():
    """A tag of an action can be moved to other code, and a package without a version is the newest of the day."""
    for path in ROOT.glob(".github/workflows/*.yml"):
        for action in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v[\d.]+", action), (path.name, action)
    text = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    before, publish = text.split("  publish:\n")
    assert "secrets." not in before and "environment: registry" in publish
    assert all("==" in name for line in re.findall(r"pip install (.*)", text) for name in line.split())
