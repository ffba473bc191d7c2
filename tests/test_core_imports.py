"""Dependencies point one way."""

import ast
from pathlib import Path

import pytest

import smcd_core

ROOT = Path(smcd_core.__file__).parent
MODULES = {path.relative_to(ROOT).with_suffix("").as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
PACKAGES = {name.removesuffix("/__init__") for name in MODULES if name.endswith("/__init__")}
# Each part of smcd_core, a folder or a file, with the parts that it may import. Networks know nothing of files, readers
# of data know no network. All may import errors and terminal.
PARTS = {
    "__init__": set(),
    "terminal": set(),
    "errors": {"terminal"},
    "files": set(),
    "pictures": set(),
    "fonts": set(),
    "colors": set(),
    "trajectory": {"files", "pictures"},
    "guides": {"trajectory"},
    "networks": set(),
    "weights": {"files", "networks"},
    "video": {"files", "fonts", "pictures"},
    "data": {"files", "pictures", "trajectory", "guides", "video"},
    "sampling": {"colors", "pictures", "trajectory", "guides", "networks", "weights"},
    "doctor": {"__init__", "networks", "weights", "sampling"},
    "training": {"files", "trajectory", "networks", "weights", "video", "data", "sampling"},
}
PARTS["evaluation"] = PARTS["training"] | {"colors", "pictures", "training"}
PARTS["commands"] = PARTS["evaluation"] | {"evaluation", "guides", "__init__", "doctor"}
PARTS["__main__"] = {"__init__", "commands"}


def imports(text, package):
    """Names, as in MODULES, that the text of a file in `package` may import: at its top or later."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = package[: len(package) - node.level + 1] if node.level else []
            home = ".".join([*home, node.module] if node.module else home)
            yield home
            yield from (f"{home}.{alias.name}" for alias in node.names)


def imports_of(name):
    text = MODULES[name].read_text(encoding="utf-8")
    if name == "__init__":  # its block for editors, which names all that is public, runs nowhere
        tree = ast.parse(text)
        tree.body = [node for node in tree.body if not isinstance(node, ast.If)]
        text = ast.unparse(tree)
    return set(imports(text, ["smcd_core", *name.split("/")[:-1]]))


def own(names):
    """Those in this package, as in MODULES: data/clip. A package stands for its __init__."""
    found = {name.removeprefix("smcd_core.").replace(".", "/") for name in names if name.startswith("smcd_core.")}
    return (found & set(MODULES)) | {f"{name}/__init__" for name in found & PACKAGES}


def part_of(name):
    return name.split("/")[0]


def test_relative_absolute_and_late_imports_are_seen():
    late = "def f():\n    import smcd_core.sampling.pipeline\n    import comfy.ops\n"
    text = f"from ..training.loop import train\nfrom . import info\n{late}"
    found = set(imports(text, ["smcd_core", "commands"]))
    assert own(found) == {"training/loop", "commands/__init__", "commands/info", "sampling/pipeline"}
    assert "comfy.ops" in found


@pytest.mark.parametrize("name", MODULES)
def test_the_core_imports_neither_the_host_nor_the_nodes(name):
    roots = {found.split(".")[0] for found in imports_of(name)}
    assert not roots & {"comfy", "comfy_api", "comfy_execution", "nodes", "folder_paths", "tests"}


@pytest.mark.parametrize("name", MODULES)
def test_a_file_imports_only_parts_that_lie_below_its_own(name):
    above = {
        found
        for found in own(imports_of(name))
        if part_of(found) not in PARTS[part_of(name)] | {part_of(name), "errors", "terminal"}
    }
    assert above == set()


def test_no_part_imports_one_that_imports_it():
    assert [(a, b) for a, below in PARTS.items() for b in below if a in PARTS[b]] == []


def test_no_file_imports_itself_through_others():
    below = {name: own(imports_of(name)) - {name, f"{part_of(name)}/__init__"} for name in MODULES}
    done: set[str] = set()
    while ready := [name for name in below if name not in done and below[name] <= done]:
        done |= set(ready)
    assert sorted(set(MODULES) - done) == []


@pytest.mark.parametrize("folder", ["networks", "weights", "training"])
def test_the_command_line_imports_these_folders_without_what_is_in_them(folder):
    """They have modules that the parser needs, and --help must not load torch."""
    assert MODULES[f"{folder}/__init__"].read_text(encoding="utf-8") == ""


def test_public_names_exist_and_load_on_first_use():
    for name in smcd_core.__all__:
        assert getattr(smcd_core, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        smcd_core.nothing  # noqa: B018
    assert "SMCDPipeline" in dir(smcd_core)
